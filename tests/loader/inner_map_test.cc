// SPDX-License-Identifier: Apache-2.0
// Maps of maps that do not say what they hold: the host does, before a program
// is verified.
#include "skep/inner_map.h"

#include <gtest/gtest.h>

#include "skep/program.h"

namespace skep {
namespace {

MapSpec Spec(const char* name, MapType type) {
  MapSpec spec;
  spec.name = name;
  spec.type = type;
  spec.key_size = spec.value_size = 4;
  spec.max_entries = 1;
  return spec;
}

Object WithOuterMap() {
  ProgramData data;
  data.name = "uses_outer";
  data.type = ProgramTypeId::kXdp;
  data.maps = {Spec("outer", MapType::kArrayOfMaps)};
  // r1 = map[0] ll; r0 = 0; exit
  data.insns = {{.code = 0x18, .dst = 1, .src = kPseudoMapFd}, {}, {.code = 0xb7}, {.code = 0x95}};
  data.subprograms = {{"uses_outer", 0, 4}};
  auto program = Program::Create(data);
  EXPECT_TRUE(program) << program.error().message;
  std::vector<ObjectProgram> programs = {{"uses_outer", "xdp", program, ProgramTypeId::kXdp}};
  return Object::FromPrograms("host", std::move(programs),
                              {data.maps[0], Spec("plain", MapType::kArray)});
}

TEST(InnerMap, IsWhatTheHostSaysInTheObjectAndItsPrograms) {
  const Object before = WithOuterMap();
  const auto after = WithInnerMap(before, "outer", Spec("inner", MapType::kHash));
  ASSERT_TRUE(after) << after.error().message;
  ASSERT_NE(after->maps()[0].inner, nullptr);
  EXPECT_EQ(after->maps()[0].inner->type, MapType::kHash);
  const auto program = after->FindProgram("uses_outer");
  ASSERT_TRUE(program) << program.error().message;
  ASSERT_NE(program->maps()[0].inner, nullptr);
  EXPECT_EQ(program->maps()[0].inner->name, "inner");
  EXPECT_EQ(before.maps()[0].inner, nullptr);
}

TEST(InnerMap, IsRefusedWhereItCannotBe) {
  const Object object = WithOuterMap();
  const MapSpec inner = Spec("inner", MapType::kHash);
  const auto message = [&](const Object& of, const char* map, const MapSpec& spec) {
    const auto out = WithInnerMap(of, map, spec);
    return out ? std::string("taken") : out.error().message;
  };
  EXPECT_EQ(message(object, "missing", inner), "host: no map 'missing'");
  EXPECT_EQ(message(object, "plain", inner), "host: map 'plain' is no map of maps");
  EXPECT_EQ(message(object, "outer", Spec("deep", MapType::kHashOfMaps)),
            "host: map 'outer' cannot hold maps of maps");
  const auto once = WithInnerMap(object, "outer", inner);
  ASSERT_TRUE(once);
  EXPECT_EQ(message(*once, "outer", inner), "host: map 'outer' has an inner map in the object");
}

}  // namespace
}  // namespace skep
