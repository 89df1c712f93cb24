// SPDX-License-Identifier: Apache-2.0
// What a resolved relocation does to each class of instruction.
#include "loader/core_patch.h"

#include <vector>

#include <gtest/gtest.h>

namespace skep::loader {
namespace {

Insn Make(uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm) {
  Insn insn{};
  insn.code = code;
  insn.dst = dst & 0xf;
  insn.src = src & 0xf;
  insn.off = off;
  insn.imm = imm;
  return insn;
}

constexpr uint8_t kLoad8 = 0x79;  // r = *(u64 *)(r + off)
constexpr uint8_t kLoad4 = 0x61;
constexpr uint8_t kStore2 = 0x6b;  // *(u16 *)(r + off) = r
constexpr uint8_t kStoreImm1 = 0x72;
constexpr uint8_t kMov = 0xb7;
constexpr uint8_t kMov32 = 0xb4;
constexpr uint8_t kMovReg = 0xbf;
constexpr uint8_t kWide = 0x18;
constexpr uint8_t kJump = 0x05;

CoreResolution Moves(uint64_t from, uint64_t to, uint32_t from_size = 0, uint32_t to_size = 0) {
  CoreResolution resolution;
  resolution.compiled = from;
  resolution.value = to;
  resolution.compiled_size = from_size;
  resolution.size = to_size;
  return resolution;
}

TEST(PatchCore, WritesImmediatesOfArithmetic) {
  for (const uint8_t code : {kMov, kMov32, uint8_t{0x07}}) {
    std::vector<Insn> insns = {Make(code, 1, 0, 0, 8)};
    ASSERT_TRUE(PatchCore(Moves(8, 24), insns));
    EXPECT_EQ(insns[0].imm, 24);
    EXPECT_EQ(insns[0].code, code);
    EXPECT_FALSE(PatchCore(Moves(8, 16), insns)) << "it holds 24 now";
  }
  std::vector<Insn> negative = {Make(kMov, 1, 0, 0, -2)};
  EXPECT_TRUE(PatchCore(Moves(static_cast<uint64_t>(-2), 5), negative));
  std::vector<Insn> reg = {Make(kMovReg, 1, 2, 0, 0)};
  EXPECT_FALSE(PatchCore(Moves(0, 5), reg));
}

TEST(PatchCore, WritesOffsetsOfLoadsAndStores) {
  for (const uint8_t code : {kLoad8, kLoad4, kStore2, kStoreImm1}) {
    std::vector<Insn> insns = {Make(code, 1, 2, 8, 7)};
    ASSERT_TRUE(PatchCore(Moves(8, 32767), insns));
    EXPECT_EQ(insns[0].off, 32767);
    EXPECT_EQ(insns[0].imm, 7);
  }
  std::vector<Insn> far = {Make(kLoad8, 1, 2, 8, 0)};
  EXPECT_FALSE(PatchCore(Moves(8, 32768), far));
  EXPECT_FALSE(PatchCore(Moves(4, 8), far)) << "the compiler wrote 8";
  CoreResolution unchecked = Moves(4, 8);
  unchecked.checked = false;
  EXPECT_TRUE(PatchCore(unchecked, far));
}

TEST(PatchCore, ChangesTheWidthOfALoadWithItsField) {
  const struct {
    uint32_t bytes;
    uint8_t code;
  } widths[] = {{1, 0x71}, {2, 0x69}, {4, 0x61}, {8, 0x79}};
  for (const auto& from : widths) {
    for (const auto& to : widths) {
      std::vector<Insn> insns = {Make(from.code, 1, 2, 0, 0)};
      ASSERT_TRUE(PatchCore(Moves(0, 0, from.bytes, to.bytes), insns));
      EXPECT_EQ(insns[0].code, to.code);
    }
  }
  std::vector<Insn> load = {Make(kLoad4, 1, 2, 0, 0)};
  EXPECT_FALSE(PatchCore(Moves(0, 0, 8, 4), load)) << "4 bytes are loaded, the field had 8";
  EXPECT_FALSE(PatchCore(Moves(0, 0, 4, 16), load)) << "no load has 16 bytes";
  EXPECT_TRUE(PatchCore(Moves(0, 8, 16, 16), load)) << "part of a larger field";
}

TEST(PatchCore, MakesLoadsOfFieldsThatDoNotFitInvalid) {
  std::vector<Insn> insns = {Make(kLoad4, 1, 2, 0, 0)};
  CoreResolution resolution = Moves(0, 0, 4, 8);
  resolution.resizable = false;
  const auto patched = PatchCore(resolution, insns);
  ASSERT_TRUE(patched);
  EXPECT_EQ(*patched, Patched::kMadeInvalid);
  EXPECT_EQ(insns[0].code, 0x85);
  EXPECT_EQ(insns[0].imm, 195896080);
  // An offset in arithmetic says nothing about the width of a later load.
  std::vector<Insn> mov = {Make(kMov, 1, 0, 0, 0)};
  EXPECT_EQ(*PatchCore(resolution, mov), Patched::kValue);
}

TEST(PatchCore, WritesBothHalvesOfAWideLoad) {
  std::vector<Insn> insns = {Make(kWide, 1, 0, 0, 1), Make(0, 0, 0, 0, 0)};
  ASSERT_TRUE(PatchCore(Moves(1, 0x123456789abcdef0), insns));
  EXPECT_EQ(insns[0].imm, static_cast<int32_t>(0x9abcdef0));
  EXPECT_EQ(insns[1].imm, 0x12345678);
  EXPECT_TRUE(PatchCore(Moves(0x123456789abcdef0, 0), insns));
  std::vector<Insn> map = {Make(kWide, 1, 1, 0, 0), Make(0, 0, 0, 0, 0)};
  EXPECT_FALSE(PatchCore(Moves(0, 1), map)) << "a reference to a map is no number";
  EXPECT_FALSE(PatchCore(Moves(0, 1), std::span(insns).first(1)));
}

TEST(PatchCore, MakesInstructionsOfMissingThingsInvalidWhateverTheyAre) {
  CoreResolution missing;
  missing.found = false;
  for (const uint8_t code : {kLoad8, kMov, kMovReg, kWide, kJump}) {
    std::vector<Insn> insns = {Make(code, 3, 4, 5, 6), Make(0, 0, 0, 0, 9)};
    ASSERT_EQ(*PatchCore(missing, insns), Patched::kMadeInvalid);
    EXPECT_EQ(insns[0].code, 0x85);
    EXPECT_EQ(insns[0].dst, 0);
    EXPECT_EQ(insns[0].src, 0);
    EXPECT_EQ(insns[0].off, 0);
    EXPECT_EQ(insns[0].imm, kUnresolvedHelper);
    EXPECT_EQ(insns[1].imm, code == kWide ? kUnresolvedHelper : 9);
  }
}

TEST(PatchCore, RefusesInstructionsThatHoldNoNumberOfTypes) {
  std::vector<Insn> jump = {Make(kJump, 0, 0, 8, 0)};
  EXPECT_FALSE(PatchCore(Moves(8, 16), jump));
}

}  // namespace
}  // namespace skep::loader
