// SPDX-License-Identifier: Apache-2.0
// What Object makes of the compiled programs of tests/data/loader. Each source
// has an expected text that holds for all compilers and CPU versions, and one
// for its build without BTF. SKEP_BLESS=1 rewrites them.
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "skep/program.h"

#include "btf/btf.h"
#include "tests/loader/objects.h"

namespace skep::loader {
namespace {

std::string DescribeMap(const MapSpec& map, const btf::Btf* btf) {
  std::string text =
      fmt::format("map {} type {} key {} value {} entries {}", map.name,
                  static_cast<uint32_t>(map.type), map.key_size, map.value_size, map.max_entries);
  if (map.flags != 0) text += fmt::format(" flags {:#x}", map.flags);
  if (map.map_extra != 0) text += fmt::format(" extra {}", map.map_extra);
  if (map.frozen) text += " frozen";
  if (map.pin_by_name) text += " pinned";
  if (map.btf_key_type_id != 0)
    text += fmt::format(" key-type {}", btf::KindName(btf->kind(map.btf_key_type_id)));
  if (map.btf_value_type_id != 0)
    text += fmt::format(" value-type {}", btf::KindName(btf->kind(map.btf_value_type_id)));
  if (map.initial_value != nullptr) {
    text += " bytes ";
    for (const std::byte b : *map.initial_value)
      text += fmt::format("{:02x}", static_cast<unsigned>(b));
  }
  // The order of slots is the compiler's.
  const std::map<uint32_t, std::string> slots(map.initial_slots.begin(), map.initial_slots.end());
  for (const auto& [slot, name] : slots) text += fmt::format(" [{}]={}", slot, name);
  text += "\n";
  if (map.inner != nullptr) text += "  inner " + DescribeMap(*map.inner, btf);
  return text;
}

std::string DescribeProgram(const ObjectProgram& program) {
  std::string text =
      fmt::format("program {} section {} type {}{}\n", program.name, program.section,
                  static_cast<uint32_t>(program.type), program.autoload ? "" : " no-autoload");
  if (!program.program) {
    // Ids of types are the compiler's.
    std::string message = program.program.error().message;
    if (const size_t id = message.find("> ["); id != std::string::npos)
      message.erase(id + 1, message.find(']', id) - id);
    return text + "  refused: " + message + "\n";
  }
  const ProgramData& data = program.program->data();
  if (data.expected_attach_type != 0)
    text += fmt::format("  attach {}\n", data.expected_attach_type);
  if (!data.attach_target.empty()) text += fmt::format("  target {}\n", data.attach_target);
  if (data.flags != 0) text += fmt::format("  flags {:#x}\n", data.flags);
  for (const Subprogram& subprogram : data.subprograms)
    text +=
        fmt::format("  subprogram {}{}\n", subprogram.name, subprogram.is_global ? " global" : "");
  for (const MapSpec& map : data.maps) text += fmt::format("  uses {}\n", map.name);
  return text;
}

std::string Describe(const std::string& path) {
  const auto object = Object::Open(path);
  if (!object) {
    const std::string& message = object.error().message;
    return "refused: " + message.substr(message.find(": ") + 2) + "\n";
  }
  std::string text = fmt::format("license '{}'\nbtf {}\n", object->license(),
                                 object->btf() != nullptr ? "yes" : "no");
  // Compilers do not agree on the order of the variables of .maps.
  std::map<std::string, std::string> maps;
  for (const MapSpec& map : object->maps()) maps[map.name] = DescribeMap(map, object->btf().get());
  for (const auto& [name, map] : maps) text += map;
  for (const ObjectProgram& program : object->programs()) text += DescribeProgram(program);
  return text;
}

class CompiledObject : public testing::TestWithParam<std::string> {};

TEST_P(CompiledObject, IsReadAsItsExpectedTextSays) {
  const bool with_btf = GetParam().find(".nodebug.") == std::string::npos;
  const std::string expected_path = std::string(SKEP_SOURCE_DIR "/tests/data/loader/") +
                                    SourceName(GetParam()) + (with_btf ? ".txt" : ".nodebug.txt");
  const std::string actual = Describe(GetParam());
  if (std::getenv("SKEP_BLESS") != nullptr) std::ofstream(expected_path) << actual;
  std::stringstream expected;
  expected << std::ifstream(expected_path).rdbuf();
  EXPECT_EQ(actual, expected.str()) << GetParam();
}

TEST_P(CompiledObject, HasLineInfoForEveryProgramWithBtf) {
  const auto object = Object::Open(GetParam());
  if (!object || object->btf() == nullptr) return;
  for (const ObjectProgram& program : object->programs()) {
    if (!program.program) continue;
    for (const Subprogram& subprogram : program.program->subprograms()) {
      const SourceLine* line = program.program->LineAt(subprogram.start);
      ASSERT_NE(line, nullptr) << GetParam() << ": " << subprogram.name;
      EXPECT_EQ(line->insn, subprogram.start);
      EXPECT_GT(line->line, 0u);
      EXPECT_TRUE(line->file.ends_with(SourceName(GetParam()) + ".bpf.c")) << line->file;
      EXPECT_NE(subprogram.btf_type_id, 0u);
      EXPECT_EQ(object->btf()->name(subprogram.btf_type_id), subprogram.name);
    }
  }
}

// A program is whole if every local call and function address leads to the
// first slot of a subprogram and every map reference into its maps.
TEST_P(CompiledObject, LinksEveryCallToTheStartOfASubprogram) {
  const auto object = Object::Open(GetParam());
  if (!object) return;
  for (const ObjectProgram& program : object->programs()) {
    if (!program.program) continue;
    const auto insns = program.program->insns();
    for (size_t i = 0; i < insns.size(); ++i) {
      const bool wide = insns[i].code == 0x18;
      if ((insns[i].code == 0x85 && insns[i].src == 1) || (wide && insns[i].src == kPseudoFunc)) {
        const int64_t target = static_cast<int64_t>(i) + 1 + insns[i].imm;
        bool starts = false;
        for (const Subprogram& subprogram : program.program->subprograms())
          starts |= subprogram.start == target && target != 0;
        EXPECT_TRUE(starts) << GetParam() << ": " << program.name << ": insn " << i;
      }
      if (wide) ++i;
    }
  }
}

std::string TestName(const testing::TestParamInfo<std::string>& info) {
  const size_t slash = info.param.rfind('/');
  const size_t folder = info.param.rfind('/', slash - 1);
  std::string name = info.param.substr(folder + 1);
  for (char& c : name)
    if (!isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
}
INSTANTIATE_TEST_SUITE_P(Built, CompiledObject, testing::ValuesIn(BuiltObjects()), TestName);
// Without clang there are no objects.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CompiledObject);

TEST(Object, SaysWhyAFileCannotBeOpened) {
  const auto object = Object::Open("/nonexistent/file.o");
  ASSERT_FALSE(object);
  EXPECT_EQ(object.error().code, ErrorCode::kSystem);
  EXPECT_EQ(object.error().message, "/nonexistent/file.o: cannot open: No such file or directory");
}

TEST(Object, NamesWhatItIsNot) {
  const std::string text = "#!/bin/sh";
  const auto object = Object::Parse(std::as_bytes(std::span(text)), "script");
  ASSERT_FALSE(object);
  EXPECT_EQ(object.error().message, "script: not an ELF file");
}

TEST(Object, FindsAProgramByNameOrListsTheNames) {
  const auto paths = BuiltObjects();
  if (paths.empty()) GTEST_SKIP() << "clang is missing: there are no objects";
  std::string maps, minimal;
  for (const std::string& path : paths) {
    if (path.ends_with("clang/map_in_map.v3.bpf.o")) maps = path;
    if (path.ends_with("clang/minimal.v3.bpf.o")) minimal = path;
  }
  const auto object = Object::Open(maps);
  ASSERT_TRUE(object) << object.error().message;
  EXPECT_TRUE(object->FindProgram("entry"));
  const auto unknown = object->FindProgram("exit");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().message,
            maps + ": no program 'exit', there are: tail_first, tail_second, entry");
  EXPECT_FALSE(object->FindProgram(""));
  const auto single = Object::Open(minimal);
  ASSERT_TRUE(single);
  const auto only = single->FindProgram("");
  ASSERT_TRUE(only);
  EXPECT_EQ(only->name(), "accept_all");
}

}  // namespace
}  // namespace skep::loader
