// SPDX-License-Identifier: Apache-2.0
// What data sections start with, as the host says it before programs are verified.
#include "skep/initial_value.h"

#include <array>
#include <cstring>

#include <gtest/gtest.h>

#include "skep/program.h"

namespace skep {
namespace {

MapSpec Section(const char* name, uint32_t size, bool frozen) {
  MapSpec spec;
  spec.name = name;
  spec.type = MapType::kArray;
  spec.key_size = 4;
  spec.value_size = size;
  spec.max_entries = 1;
  spec.frozen = frozen;
  return spec;
}

Object WithSections() {
  ProgramData data;
  data.name = "reads";
  data.type = ProgramTypeId::kXdp;
  data.maps = {Section("x.rodata", 8, true)};
  // r1 = map[0] ll; r0 = 0; exit
  data.insns = {{.code = 0x18, .dst = 1, .src = kPseudoMapFd}, {}, {.code = 0xb7}, {.code = 0x95}};
  data.subprograms = {{"reads", 0, 4}};
  std::vector<ObjectProgram> programs = {
      {"reads", "xdp", Program::Create(data), ProgramTypeId::kXdp}};
  MapSpec hash = Section("hash", 8, false);
  hash.type = MapType::kHash;
  return Object::FromPrograms("x", std::move(programs),
                              {data.maps[0], Section("x.bss", 4, false), hash});
}

TEST(InitialValues, AreThoseOfTheHostInTheObjectAndItsPrograms) {
  const Object before = WithSections();
  const std::array<std::byte, 8> constants = {std::byte{7}};
  const std::array<std::byte, 4> variables = {std::byte{9}};
  const std::array<InitialValue, 2> values = {{{"x.rodata", constants}, {"x.bss", variables}}};
  const auto after = WithInitialValues(before, values);
  ASSERT_TRUE(after) << after.error().message;
  const auto program = after->FindProgram("reads");
  ASSERT_TRUE(program) << program.error().message;
  for (const MapSpec& spec : {after->maps()[0], program->maps()[0]}) {
    ASSERT_NE(spec.initial_value, nullptr);
    ASSERT_EQ(spec.initial_value->size(), 8u);
    EXPECT_EQ(std::memcmp(spec.initial_value->data(), constants.data(), 8), 0);
  }
  ASSERT_NE(after->maps()[1].initial_value, nullptr);
  EXPECT_EQ(after->maps()[1].initial_value->front(), std::byte{9});
  EXPECT_EQ(after->maps()[2].initial_value, nullptr);
  EXPECT_EQ(before.maps()[0].initial_value, nullptr);
}

TEST(InitialValues, AreRefusedWhereTheyCannotBe) {
  const Object object = WithSections();
  const auto error = [&](const char* map, size_t size) {
    const std::vector<std::byte> bytes(size);
    const std::array<InitialValue, 1> values = {{{map, bytes}}};
    const auto after = WithInitialValues(object, values);
    return after ? std::string() : after.error().message;
  };
  EXPECT_EQ(error("x.data", 8), "x: no map 'x.data'");
  EXPECT_EQ(error("x.bss", 8), "x: map 'x.bss' is no array of one element of 8 bytes");
  EXPECT_EQ(error("hash", 8), "x: map 'hash' is no array of one element of 8 bytes");
}

}  // namespace
}  // namespace skep
