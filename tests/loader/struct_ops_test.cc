// SPDX-License-Identifier: Apache-2.0
// Which member of which kernel struct a program becomes. The object is
// tests/data/loader/struct_ops.bpf.c.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "skep/program.h"

#include "btf/btf.h"
#include "tests/btf/builder.h"
#include "tests/loader/objects.h"

namespace skep::loader {
namespace {

using btf::Kind;

// struct plug_ops { start, flags, name, stop }; struct narrow_ops with wider
// flags; struct value_ops whose flags are a pointer to a number.
class Target {
 public:
  Target() {
    number_ = b_.Int("unsigned int", 4);
    const uint32_t letter = b_.Int("char", 1, 1);
    const uint32_t name = b_.Add("", Kind::kArray, 0, 0, {letter, number_, 8});
    callback_ = b_.Pointer(b_.Add("", Kind::kFuncProto, 0, number_));
    plug = Struct("plug_ops", 32,
                  {{"start", callback_, 0},
                   {"flags", number_, 64},
                   {"name", name, 96},
                   {"stop", callback_, 192}});
    Struct("narrow_ops", 16, {{"start", callback_, 0}, {"flags", number_, 64}});
    Struct("value_ops", 16, {{"start", callback_, 0}, {"flags", b_.Pointer(number_), 64}});
    auto parsed = b_.Parse();
    EXPECT_TRUE(parsed) << parsed.error().message;
    btf = *parsed;
  }
  uint32_t plug = 0;
  std::shared_ptr<const btf::Btf> btf;

 private:
  struct Field {
    const char* name;
    uint32_t type, bit;
  };
  // The struct, and the one that the kernel keeps it in.
  uint32_t Struct(const std::string& name, uint32_t size, const std::vector<Field>& fields) {
    std::vector<uint32_t> names;
    for (const Field& field : fields) names.push_back(b_.Name(field.name));
    const uint32_t id = b_.Add(name, Kind::kStruct, static_cast<uint32_t>(fields.size()), size);
    for (size_t i = 0; i < fields.size(); ++i) {
      b_.Word(names[i]);
      b_.Word(fields[i].type);
      b_.Word(fields[i].bit);
    }
    const uint32_t data = b_.Name("data");
    b_.Add("bpf_struct_ops_" + name, Kind::kStruct, 1, size, {data, id, 0});
    return id;
  }
  btf::Builder b_;
  uint32_t number_ = 0, callback_ = 0;
};

class StructOpsObject : public testing::TestWithParam<std::string> {};

TEST_P(StructOpsObject, GivesEachProgramItsMemberOfTheKernelsStruct) {
  const Target target;
  ObjectOptions options;
  options.target_btf = target.btf;
  const auto object = Object::Open(GetParam(), options);
  ASSERT_TRUE(object) << object.error().message;
  const auto expect = [&](const char* name, uint32_t type, uint32_t member) {
    const auto program = object->FindProgram(name);
    ASSERT_TRUE(program) << program.error().message;
    EXPECT_EQ(program->data().attach_btf_id, type) << name;
    EXPECT_EQ(program->data().expected_attach_type, member) << name;
  };
  expect("start", target.plug, 0);
  expect("stop", target.plug, 3);
  expect("unused", 0, 0);
  expect("on_demand", target.plug, 0);
  const auto refused = [&](const char* name, const char* reason) {
    const auto program = object->FindProgram(name);
    ASSERT_FALSE(program) << name;
    EXPECT_NE(program.error().message.find(reason), std::string::npos) << program.error().message;
  };
  refused("in_two_members", "can be only one");
  refused("not_in_kernel", "variable newer: member later: is set, but not in the kernel's struct");
  refused("of_narrow", "variable narrow: member flags: has 2 bytes, but 4 in the kernel");
  refused("of_unknown", "the kernel has no struct bpf_struct_ops_unknown_ops");
  refused("of_value", "variable value: member flags: is no pointer to a function in the kernel");
}

TEST_P(StructOpsObject, NeedsTheKernelsTypes) {
  const auto object = Object::Open(GetParam());
  ASSERT_TRUE(object) << object.error().message;
  EXPECT_FALSE(object->FindProgram("start"));
  EXPECT_TRUE(object->FindProgram("unused"));
}

std::vector<std::string> StructOpsObjects() {
  std::vector<std::string> paths;
  for (const std::string& path : BuiltObjects()) {
    if (SourceName(path) == "struct_ops" && path.find(".nodebug.") == std::string::npos)
      paths.push_back(path);
  }
  return paths;
}
INSTANTIATE_TEST_SUITE_P(Built, StructOpsObject, testing::ValuesIn(StructOpsObjects()));
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(StructOpsObject);  // without clang

}  // namespace
}  // namespace skep::loader
