// SPDX-License-Identifier: Apache-2.0
// What programs attach to, where the kernel's types are given. The object is
// tests/data/loader/attach.bpf.c.
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

class AttachTarget : public testing::TestWithParam<std::string> {};

TEST_P(AttachTarget, IsFoundByTheNameThatLinuxGivesIt) {
  btf::Builder b;
  const uint32_t prototype = b.Add("", Kind::kFuncProto, 0, 0);
  const uint32_t work = b.Add("work", Kind::kFunc, 1, prototype);
  const uint32_t hook = b.Add("bpf_lsm_file_open", Kind::kFunc, 1, prototype);
  const uint32_t iterator = b.Add("bpf_iter_task", Kind::kFunc, 1, prototype);
  const uint32_t tracepoint = b.Add("btf_trace_switch", Kind::kTypedef, 0, b.Pointer(prototype));
  ObjectOptions options;
  options.target_btf = *b.Parse();
  // Pointer() came before the typedef.
  ASSERT_EQ(options.target_btf->name(tracepoint), "btf_trace_switch");
  const auto object = Object::Open(GetParam(), options);
  ASSERT_TRUE(object) << object.error().message;
  const auto expect = [&](const char* name, uint32_t id) {
    const auto program = object->FindProgram(name);
    ASSERT_TRUE(program) << program.error().message;
    EXPECT_EQ(program->data().attach_btf_id, id) << name;
  };
  expect("entry", work);
  expect("entry_of_vmlinux", work);
  expect("modify", work);
  expect("leave", work);
  expect("tracepoint", tracepoint);
  expect("hook", hook);
  expect("cgroup_hook", hook);
  expect("iterator", iterator);
  const auto refused = [&](const char* name, const char* reason) {
    const auto program = object->FindProgram(name);
    ASSERT_FALSE(program) << name;
    EXPECT_NE(program.error().message.find(reason), std::string::npos) << program.error().message;
  };
  refused("no_function", "section fentry/switch: the kernel has no function 'switch'");
  refused("no_tracepoint", "section tp_btf/work: the kernel has no type 'btf_trace_work'");
  refused("no_hook", "the kernel has no function 'bpf_lsm_work'");
  refused("no_target", "section fentry names no target, need fentry/NAME");
  refused("of_module", "the types of kernel module 'nf_nat' were not given");
  refused("of_program", "the program to be replaced was not given");
}

TEST_P(AttachTarget, NeedsTheKernelsTypes) {
  const auto object = Object::Open(GetParam());
  ASSERT_TRUE(object) << object.error().message;
  for (const ObjectProgram& program : object->programs()) EXPECT_FALSE(program.program);
}

std::vector<std::string> AttachObjects() {
  std::vector<std::string> paths;
  for (const std::string& path : BuiltObjects())
    if (SourceName(path) == "attach") paths.push_back(path);
  return paths;
}
INSTANTIATE_TEST_SUITE_P(Built, AttachTarget, testing::ValuesIn(AttachObjects()));
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(AttachTarget);  // without clang

}  // namespace
}  // namespace skep::loader
