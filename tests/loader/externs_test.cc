// SPDX-License-Identifier: Apache-2.0
// What externs become where a kernel's types, configuration and symbols are
// given. The object is tests/data/loader/externs.bpf.c.
#include "loader/externs.h"

#include <cstring>
#include <fstream>
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

constexpr const char* kConfig =
    "# comment\n"
    "CONFIG_BOOL=y\n"
    "CONFIG_TRISTATE=m\n"
    "CONFIG_CHAR=n\n"
    "CONFIG_SHORT=-2\n"
    "CONFIG_HZ=0x3e8\n"
    "CONFIG_LONG=0777\n"
    "CONFIG_TEXT=\"abcdefghij\"\n"
    "# CONFIG_MISSING is not set\n"
    "CONFIG_HZ=1\n";

// struct runqueue, two variables, two kernel functions.
struct Target {
  uint32_t runqueues = 0, rcu_lock = 0, iter_new = 0;
  std::shared_ptr<const btf::Btf> btf;
};
Target MakeTarget() {
  Target out;
  btf::Builder b;
  const uint32_t number = b.Int("int", 4, 1);
  const uint32_t runqueue = b.Add("runqueue", Kind::kStruct, 0, 8);
  b.Add("jiffies", Kind::kVar, 0, number, {1});
  out.runqueues = b.Add("runqueues", Kind::kVar, 0, runqueue, {1});
  const uint32_t iter = b.Add("bpf_iter_num", Kind::kStruct, 0, 8);
  const uint32_t pointer = b.Pointer(iter);
  const uint32_t lock = b.Add("", Kind::kFuncProto, 0, 0);
  out.rcu_lock = b.Add("bpf_rcu_read_lock", Kind::kFunc, 1, lock);
  const uint32_t make =
      b.Add("", Kind::kFuncProto, 3, number,
            {b.Name("it"), pointer, b.Name("start"), number, b.Name("end"), number});
  out.iter_new = b.Add("bpf_iter_num_new", Kind::kFunc, 1, make);
  auto parsed = b.Parse();
  EXPECT_TRUE(parsed) << parsed.error().message;
  out.btf = *parsed;
  return out;
}

// The object of each compiler and CPU, linked with the options.
class Externs : public testing::TestWithParam<std::string> {
 protected:
  Object Open(const ObjectOptions& options) {
    auto object = Object::Open(GetParam(), options);
    EXPECT_TRUE(object) << object.error().message;
    return *std::move(object);
  }
  // The instructions of a program that links.
  std::vector<Insn> Code(const Object& object, const char* name) {
    auto program = object.FindProgram(name);
    EXPECT_TRUE(program) << program.error().message;
    if (!program) return {};
    return {program->insns().begin(), program->insns().end()};
  }
  std::string Refusal(const Object& object, const char* name) {
    const auto program = object.FindProgram(name);
    return program ? "linked" : program.error().message;
  }
};

// The wide loads of a program.
std::vector<std::pair<Insn, Insn>> WideLoads(const std::vector<Insn>& code) {
  std::vector<std::pair<Insn, Insn>> loads;
  for (size_t i = 0; i + 1 < code.size(); ++i)
    if (code[i].code == 0x18) loads.emplace_back(code[i], code[i + 1]);
  return loads;
}
std::vector<Insn> Calls(const std::vector<Insn>& code) {
  std::vector<Insn> calls;
  for (const Insn& insn : code)
    if (insn.code == 0x85) calls.push_back(insn);
  return calls;
}

template <class T>
T ValueOf(const Object& object, std::string_view variable) {
  const btf::Btf& btf = *object.btf();
  const uint32_t section = btf.Find(".kconfig", Kind::kDatasec);
  for (const MapSpec& map : object.maps()) {
    if (map.name != "externs.kconfig") continue;
    for (uint32_t i = 0; i < btf.type(section).vlen; ++i) {
      const btf::SectionVariable v = btf.section_variable(section, i);
      T value{};
      if (btf.name(v.type) != variable) continue;
      std::memcpy(&value, map.initial_value->data() + v.offset, sizeof(value));
      return value;
    }
  }
  ADD_FAILURE() << "no " << variable;
  return T{};
}

TEST_P(Externs, TakeTheValuesOfAConfiguration) {
  ObjectOptions options;
  options.kconfig = kConfig;
  options.kernel_version = 0x05'0f'07;
  const Object object = Open(options);
  EXPECT_EQ(ValueOf<uint32_t>(object, "LINUX_KERNEL_VERSION"), 0x050f07u);
  EXPECT_EQ(ValueOf<uint8_t>(object, "LINUX_HAS_BPF_COOKIE"), 1);
  EXPECT_EQ(ValueOf<uint8_t>(object, "LINUX_HAS_SYSCALL_WRAPPER"), 1);
  EXPECT_EQ(ValueOf<uint32_t>(object, "LINUX_HAS_LATER_THINGS"), 0u);
  EXPECT_EQ(ValueOf<uint8_t>(object, "CONFIG_BOOL"), 1);
  EXPECT_EQ(ValueOf<uint32_t>(object, "CONFIG_TRISTATE"), 2u);
  EXPECT_EQ(ValueOf<char>(object, "CONFIG_CHAR"), 'n');
  EXPECT_EQ(ValueOf<int16_t>(object, "CONFIG_SHORT"), -2);
  EXPECT_EQ(ValueOf<uint32_t>(object, "CONFIG_HZ"), 1000u);
  EXPECT_EQ(ValueOf<uint64_t>(object, "CONFIG_LONG"), 511u);
  using Text = std::array<char, 8>;
  EXPECT_STREQ(ValueOf<Text>(object, "CONFIG_TEXT").data(), "abcdefg");
  EXPECT_EQ(ValueOf<uint32_t>(object, "CONFIG_MISSING"), 0u);
  EXPECT_EQ(Refusal(object, "kconfig"), "linked");
  EXPECT_EQ(WideLoads(Code(object, "version")).at(0).first.src, kPseudoMapValue);
}

TEST_P(Externs, RefuseValuesThatTheirTypesCannotHold) {
  const struct {
    const char* line;
    const char* reason;
  } cases[] = {
      {"CONFIG_BOOL=m", "extern 'CONFIG_BOOL' of .kconfig: value m needs a variable of type "},
      {"CONFIG_BOOL=1", "value 1 needs a variable of type integer or char"},
      {"CONFIG_SHORT=y", "value y needs a variable of type bool, tristate or char"},
      {"CONFIG_SHORT=32768", "value 32768 does not fit into 2 bytes"},
      {"CONFIG_SHORT=-32769", "value -32769 does not fit into 2 bytes"},
      {"CONFIG_HZ=-1", "value -1 does not fit into 4 bytes"},
      {"CONFIG_HZ=12x", "value 12x is no 64-bit integer"},
      {"CONFIG_LONG=18446744073709551616", "is no 64-bit integer"},
      {"CONFIG_LONG=0x", "value 0x is no 64-bit integer"},
      {"CONFIG_LONG=08", "value 08 is no 64-bit integer"},
      {"CONFIG_TEXT=\"abc", "text \"abc does not end in a quote"},
      {"CONFIG_TEXT=\"", "text \" does not end in a quote"},
      {"CONFIG_TEXT=5", "value 5 needs a variable of type integer or char"},
      {"CONFIG_CHAR=\"c\"", "needs a variable of type char array"},
  };
  for (const auto& c : cases) {
    ObjectOptions options;
    options.kconfig = std::string(c.line) + "\n" + kConfig;
    const Object object = Open(options);
    EXPECT_NE(Refusal(object, "kconfig").find(c.reason), std::string::npos)
        << c.line << ": " << Refusal(object, "kconfig");
    EXPECT_EQ(Refusal(object, "version"), "linked");
  }
}

TEST_P(Externs, AreFoundInTheKernelsTypes) {
  const Target target = MakeTarget();
  ObjectOptions options;
  options.target_btf = target.btf;
  const Object object = Open(options);

  const auto variable = WideLoads(Code(object, "variable"));
  ASSERT_EQ(variable.size(), 1u);
  EXPECT_EQ(variable[0].first.src, kPseudoBtfId);
  EXPECT_EQ(variable[0].first.imm, static_cast<int32_t>(target.runqueues));
  EXPECT_EQ(variable[0].second.imm, 0);

  const auto call = Calls(Code(object, "kfunc"));
  ASSERT_EQ(call.size(), 1u);
  EXPECT_EQ(call[0].src, kCallKfunc);
  EXPECT_EQ(call[0].off, 0);
  EXPECT_EQ(call[0].imm, static_cast<int32_t>(target.rcu_lock));
}

TEST_P(Externs, AreRefusedIfTheKernelHasAnotherTypeOrNone) {
  const Target target = MakeTarget();
  ObjectOptions options;
  options.target_btf = target.btf;
  // Also where it is weak.
  EXPECT_NE(Refusal(Open(options), "other_variable").find("another type than the kernel's"),
            std::string::npos);
  btf::Builder other;
  other.Int("int", 4);
  options.target_btf = *other.Parse();
  const Object object = Open(options);
  EXPECT_NE(Refusal(object, "kfunc").find("'bpf_rcu_read_lock' is not in the kernel's types"),
            std::string::npos);
  EXPECT_NE(Refusal(object, "variable").find("'runqueues' is not in the kernel's types"),
            std::string::npos);
}

TEST_P(Externs, AreZeroIfTheyAreWeakAndMissing) {
  const Target target = MakeTarget();
  ObjectOptions options;
  options.target_btf = target.btf;
  const Object object = Open(options);
  const auto variable = WideLoads(Code(object, "missing_variable"));
  ASSERT_EQ(variable.size(), 1u);
  EXPECT_EQ(variable[0].first.src, kPseudoNone);
  EXPECT_EQ(variable[0].first.imm, 0);
  // By name among the twelve of .kconfig and the ten of .ksyms: bpf_iter_num_new,
  // its two flavours, bpf_later.
  const auto call = Calls(Code(object, "missing_kfunc"));
  ASSERT_EQ(call.size(), 1u);
  EXPECT_EQ(call[0].src, kCallHelper);
  EXPECT_EQ(call[0].imm, 2'002'000'000 + 12 + 3);
}

TEST_P(Externs, MatchFlavoursByPrototype) {
  const Target target = MakeTarget();
  ObjectOptions options;
  options.target_btf = target.btf;
  const Object object = Open(options);
  const auto code = Code(object, "flavours");
  size_t missing = 0, found = 0;
  for (const Insn& call : Calls(code)) {
    if (call.src == kCallKfunc) {
      EXPECT_EQ(call.imm, static_cast<int32_t>(target.iter_new));
      ++found;
    } else {
      EXPECT_EQ(call.imm, 2'002'000'000 + 12 + 1);  // ___old
      ++missing;
    }
  }
  EXPECT_EQ(found, 2u);
  EXPECT_EQ(missing, 1u);
  for (const auto& [low, high] : WideLoads(code)) {
    EXPECT_TRUE(low.src == kPseudoBtfId ? low.imm == static_cast<int32_t>(target.iter_new)
                                        : low.src == kPseudoNone && low.imm == 0);
  }
}

TEST_P(Externs, WithoutATypeAreAddressesOfATable) {
  const std::string path =
      testing::TempDir() + "/skep_kallsyms_" + std::to_string(reinterpret_cast<uintptr_t>(this));
  ObjectOptions options;
  options.kallsyms = path;
  std::ofstream(path) << "ffffffff81000000 T _text\nffffffff82345678 D init_task\n";
  const auto loads = WideLoads(Code(Open(options), "symbol"));
  ASSERT_EQ(loads.size(), 1u);
  EXPECT_EQ(loads[0].first.src, kPseudoNone);
  EXPECT_EQ(static_cast<uint32_t>(loads[0].first.imm), 0x82345678u);
  EXPECT_EQ(static_cast<uint32_t>(loads[0].second.imm), 0xffffffffu);
  const auto missing = WideLoads(Code(Open(options), "missing_symbol"));
  ASSERT_EQ(missing.size(), 1u);
  EXPECT_EQ(missing[0].first.imm, 0);

  std::ofstream(path, std::ios::app) << "ffffffff82345680 d init_task.llvm.123 [module]\n";
  EXPECT_NE(Refusal(Open(options), "symbol").find("ambiguous"), std::string::npos);
  std::ofstream(path) << "ffffffff81000000 T _text\n";
  EXPECT_NE(Refusal(Open(options), "symbol").find("is not in"), std::string::npos);
  std::remove(path.c_str());
  EXPECT_NE(Refusal(Open(options), "symbol").find("cannot be read"), std::string::npos);
}

std::vector<std::string> ExternObjects() {
  std::vector<std::string> paths;
  for (const std::string& path : BuiltObjects()) {
    if (SourceName(path) == "externs" && path.find(".nodebug.") == std::string::npos)
      paths.push_back(path);
  }
  return paths;
}
std::string TestName(const testing::TestParamInfo<std::string>& info) {
  return std::to_string(info.index);
}
INSTANTIATE_TEST_SUITE_P(Built, Externs, testing::ValuesIn(ExternObjects()), TestName);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Externs);  // without clang

TEST(LayOutConfig, StopsAtTheLargestOffset) {
  btf::Builder b;
  const uint32_t letter = b.Int("char", 1, 1);
  const uint32_t huge = b.Add("", Kind::kArray, 0, 0, {letter, letter, 0xfffffff0});
  const uint32_t first = b.Add("CONFIG_A", Kind::kVar, 0, huge, {2});
  const uint32_t second = b.Add("CONFIG_B", Kind::kVar, 0, huge, {2});
  const uint32_t third = b.Add("CONFIG_C", Kind::kVar, 0, huge, {2});
  const uint32_t section =
      b.Add(".kconfig", Kind::kDatasec, 3, 0, {first, 0, 0, second, 0, 0, third, 0, 0});
  const auto btf = b.Parse(btf::Origin::kObjectFile);
  ASSERT_TRUE(btf) << btf.error().message;
  const auto layout = LayOutConfig(**btf, section);
  EXPECT_EQ(layout.size, 0xffffffffu);
  EXPECT_EQ(layout.variables[1].offset, 0xfffffff0u);
  EXPECT_EQ(layout.variables[2].offset, 0xffffffffu);
}

}  // namespace
}  // namespace skep::loader
