// SPDX-License-Identifier: Apache-2.0
#include "skep/program.h"

#include <gtest/gtest.h>

namespace skep {
namespace {

ProgramData TwoSlots() {
  ProgramData data;
  data.insns = {{.code = 0xb7, .imm = 0}, {.code = 0x95}};
  data.subprograms = {{"main", 0, 2}};
  return data;
}

TEST(Program, HoldsWhatItWasMadeOf) {
  const auto program = Program::Create(TwoSlots());
  ASSERT_TRUE(program);
  EXPECT_EQ(program->insns().size(), 2u);
  EXPECT_EQ(program->LineAt(0), nullptr);
}

TEST(Program, NeedsAtLeastOneInstruction) {
  EXPECT_EQ(Program::Create({}).error().message, "no instructions");
}

TEST(Program, TakesAMillionInstructionsAndNoMore) {
  ProgramData data;
  data.insns.assign(1'000'000, {.code = 0xb7});
  data.subprograms = {{"main", 0, 1'000'000}};
  EXPECT_TRUE(Program::Create(data));
  data.insns.push_back({.code = 0x95});
  data.subprograms[0].end++;
  EXPECT_EQ(Program::Create(data).error().code, ErrorCode::kResourceLimit);
}

TEST(Program, NeedsSubprogramsThatCoverAllSlots) {
  ProgramData data = TwoSlots();
  data.subprograms = {};
  EXPECT_EQ(Program::Create(data).error().message, "subprograms cover 0 of 2 slots");
  data.subprograms = {{"main", 0, 1}};
  EXPECT_FALSE(Program::Create(data));
  data.subprograms = {{"main", 0, 1}, {"next", 0, 2}};
  EXPECT_FALSE(Program::Create(data));
  data.subprograms = {{"main", 0, 3}};
  EXPECT_FALSE(Program::Create(data));
  data.subprograms = {{"main", 0, 1}, {"empty", 1, 1}, {"next", 1, 2}};
  EXPECT_FALSE(Program::Create(data));
  data.subprograms = {{"main", 0, 1}, {"next", 1, 2}};
  EXPECT_TRUE(Program::Create(data));
}

TEST(Program, NeedsMapReferencesInsideItsMaps) {
  for (const uint8_t source : {kPseudoMapFd, kPseudoMapValue, kPseudoMapIdx, kPseudoMapIdxValue}) {
    ProgramData data;
    data.insns = {{.code = 0x18, .dst = 1, .src = static_cast<uint8_t>(source & 0xf), .imm = 0},
                  {},
                  {.code = 0x95}};
    data.subprograms = {{"main", 0, 3}};
    EXPECT_EQ(Program::Create(data).error().message, "insn 0 refers to map 0 of 0");
    data.maps.resize(1);
    EXPECT_TRUE(Program::Create(data));
    data.insns[0].imm = -1;
    EXPECT_FALSE(Program::Create(data));
  }
}

TEST(Program, GivesTheLineThatHoldsAtAnInstruction) {
  ProgramData data = TwoSlots();
  data.insns.insert(data.insns.begin(), 3, {.code = 0xb7});
  data.subprograms[0].end = 5;
  data.lines = {{1, 10, 3, "a.c", "x = 1;"}, {3, 12, 0, "a.c", "return x;"}};
  const auto program = Program::Create(data);
  ASSERT_TRUE(program);
  EXPECT_EQ(program->LineAt(0), nullptr);
  EXPECT_EQ(program->LineAt(1)->line, 10u);
  EXPECT_EQ(program->LineAt(2)->line, 10u);
  EXPECT_EQ(program->LineAt(3)->line, 12u);
  EXPECT_EQ(program->LineAt(4)->line, 12u);
}

TEST(Program, RefusesLineInfoOutOfOrder) {
  ProgramData data = TwoSlots();
  data.lines = {{1, 10, 3, "a.c", ""}, {0, 12, 0, "a.c", ""}};
  EXPECT_FALSE(Program::Create(data));
  data.lines = {{2, 10, 3, "a.c", ""}};
  EXPECT_FALSE(Program::Create(data));
}

TEST(Program, ChangesItsTypeInACopyAlone) {
  const auto program = Program::Create(TwoSlots());
  ASSERT_TRUE(program);
  const Program xdp = program->WithType(ProgramTypeId::kXdp, 37);
  EXPECT_EQ(xdp.type(), ProgramTypeId::kXdp);
  EXPECT_EQ(xdp.data().expected_attach_type, 37u);
  EXPECT_EQ(program->type(), ProgramTypeId::kUnspec);
}

}  // namespace
}  // namespace skep
