// SPDX-License-Identifier: Apache-2.0
// Several objects linked into one. What libbpf's own linker makes of the same
// objects is the oracle: programs and maps are the same, and so is the code of
// each program, whichever of the two is loaded.
#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <utility>

#include <elf.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#ifdef SKEP_HAVE_LIBBPF
#include <bpf/libbpf.h>
#endif

#include "skep/btf.h"
#include "skep/link.h"
#include "skep/program.h"

#include "btf/btf.h"
#include "loader/elf_writer.h"
#include "tests/loader/objects.h"

namespace skep::loader {
namespace {

std::string Built(const std::string& source) {
  for (const std::string& path : BuiltObjects())
    if (SourceName(path) == source && path.find(".v3.") != std::string::npos &&
        path.find("nodebug") == std::string::npos)
      return path;
  return {};
}

Result<std::vector<std::byte>> LinkFiles(const std::vector<std::string>& paths) {
  std::vector<std::vector<std::byte>> files;
  for (const std::string& path : paths) files.push_back(ReadBytes(path));
  std::vector<LinkInput> inputs;
  for (size_t i = 0; i < paths.size(); ++i)
    inputs.push_back({std::filesystem::path(paths[i]).filename().string(), files[i]});
  return LinkObjects(inputs);
}

// The two objects of tests/data/loader that refer to each other; empty without
// a clang.
std::vector<std::string> Pair() {
  const std::string first = Built("link_first"), second = Built("link_second");
  return first.empty() || second.empty() ? std::vector<std::string>()
                                         : std::vector<std::string>{first, second};
}

const MapSpec* FindMap(const Object& object, const std::string& suffix) {
  for (const MapSpec& map : object.maps())
    if (map.name.ends_with(suffix)) return &map;
  return nullptr;
}

TEST(LinkObjects, FindsInOneObjectWhatAnotherDeclares) {
  const auto paths = Pair();
  if (paths.empty()) GTEST_SKIP() << "clang is missing: there are no objects";
  const auto alone = Object::Open(paths[0]);
  ASSERT_TRUE(alone) << alone.error().message;
  EXPECT_FALSE(alone->FindProgram("first"));

  const auto bytes = LinkFiles(paths);
  ASSERT_TRUE(bytes) << bytes.error().message;
  const auto object = Object::Parse(*bytes, "linked.bpf.o");
  ASSERT_TRUE(object) << object.error().message;
  EXPECT_EQ(object->license(), "GPL");
  for (const char* name : {"first", "second"}) {
    const auto program = object->FindProgram(name);
    ASSERT_TRUE(program) << program.error().message;
    EXPECT_FALSE(program->data().lines.empty());
  }
  const MapSpec* shared = FindMap(*object, "shared");
  ASSERT_NE(shared, nullptr);
  EXPECT_EQ(std::ranges::count(object->maps(), "shared", &MapSpec::name), 1);
  EXPECT_EQ(shared->value_size, 8u);
}

TEST(LinkObjects, KeepsStaticFunctionsAndVariablesApart) {
  const auto paths = Pair();
  if (paths.empty()) GTEST_SKIP() << "clang is missing: there are no objects";
  const auto bytes = LinkFiles(paths);
  ASSERT_TRUE(bytes) << bytes.error().message;
  const auto object = Object::Parse(*bytes, "linked.bpf.o");
  ASSERT_TRUE(object) << object.error().message;
  const btf::Btf& btf = *object->btf();
  std::map<uint32_t, std::string> by_offset;
  const uint32_t bss = btf.Find(".bss", btf::Kind::kDatasec);
  for (uint32_t i = 0; bss != 0 && i < btf.type(bss).vlen; ++i) {
    const btf::SectionVariable variable = btf.section_variable(bss, i);
    by_offset[variable.offset] = btf.name(variable.type);
  }
  const auto named = [&](const char* name) {
    return std::ranges::count_if(by_offset, [&](const auto& at) { return at.second == name; });
  };
  EXPECT_EQ(named("calls"), 2);
}

TEST(LinkObjects, PrefersADefinitionThatIsNotWeak) {
  const auto paths = Pair();
  if (paths.empty()) GTEST_SKIP() << "clang is missing: there are no objects";
  for (const bool swapped : {false, true}) {
    const auto bytes = LinkFiles({paths[swapped ? 1 : 0], paths[swapped ? 0 : 1]});
    ASSERT_TRUE(bytes) << bytes.error().message;
    const auto object = Object::Parse(*bytes, "linked.bpf.o");
    ASSERT_TRUE(object) << object.error().message;
    const auto program = object->FindProgram("first");
    ASSERT_TRUE(program) << program.error().message;
    // choose() is weak and gives 1 in the first, strong and gives 2 in the second.
    bool found = false;
    for (const Subprogram& sub : program->subprograms()) {
      if (sub.name != "choose") continue;
      found = true;
      EXPECT_EQ(program->insns()[sub.start].imm, 2);
    }
    EXPECT_TRUE(found);
  }
}

TEST(LinkObjects, RefusesWhatIsDefinedTwiceOrDeclaredInAnotherWay) {
  const auto paths = Pair();
  const std::string clash = Built("link_clash");
  if (paths.empty() || clash.empty()) GTEST_SKIP() << "clang is missing: there are no objects";
  const auto twice = LinkFiles({paths[0], paths[1], paths[1]});
  ASSERT_FALSE(twice);
  EXPECT_NE(twice.error().message.find("is defined in"), std::string::npos)
      << twice.error().message;
  const auto other_type = LinkFiles({paths[1], clash});
  ASSERT_FALSE(other_type);
  EXPECT_NE(other_type.error().message.find("symbol 'shared': is another map than in"),
            std::string::npos)
      << other_type.error().message;
  EXPECT_FALSE(LinkFiles({}));
}

// Linking one object alone changes nothing that loading sees.
TEST(LinkObjects, LeavesOneObjectAsItIs) {
  size_t compared = 0;
  for (const std::string& path : AllObjects()) {
    const auto before = Object::Open(path);
    if (!before) continue;
    const auto bytes = LinkFiles({path});
    ASSERT_TRUE(bytes) << path << ": " << bytes.error().message;
    const auto after = Object::Parse(*bytes, path);
    ASSERT_TRUE(after) << after.error().message;
    ASSERT_EQ(before->programs().size(), after->programs().size()) << path;
    EXPECT_EQ(before->maps().size(), after->maps().size()) << path;
    EXPECT_EQ(before->core_relocations().size(), after->core_relocations().size()) << path;
    for (size_t i = 0; i < before->programs().size(); ++i) {
      const ObjectProgram& a = before->programs()[i];
      // Sections come in the same order, so that programs do.
      const ObjectProgram& b = after->programs()[i];
      EXPECT_EQ(a.name, b.name) << path;
      EXPECT_EQ(a.section, b.section) << path;
      ASSERT_EQ(a.program.has_value(), b.program.has_value()) << path << ": " << a.name;
      if (!a.program) continue;
      EXPECT_EQ(a.program->insns().size(), b.program->insns().size()) << path << ": " << a.name;
      EXPECT_EQ(a.program->data().lines.size(), b.program->data().lines.size()) << path;
      ++compared;
    }
  }
  if (compared == 0) GTEST_SKIP() << "clang is missing: there are no objects";
}

#ifdef SKEP_HAVE_LIBBPF
std::string TempPath(const char* name) { return testing::TempDir() + name; }

// Empty if libbpf's linker refuses.
std::vector<std::byte> LinkByLibbpf(const std::vector<std::string>& paths) {
  const std::string out = TempPath("skep_linked_by_libbpf.bpf.o");
  libbpf_set_print(nullptr);
  bpf_linker* linker = bpf_linker__new(out.c_str(), nullptr);
  if (linker == nullptr) return {};
  int error = 0;
  for (const std::string& path : paths)
    if (error == 0) error = bpf_linker__add_file(linker, path.c_str(), nullptr);
  if (error == 0) error = bpf_linker__finalize(linker);
  bpf_linker__free(linker);
  std::vector<std::byte> bytes;
  if (error == 0) bytes = ReadBytes(out);
  std::filesystem::remove(out);
  return bytes;
}

std::string Describe(const Program& program) {
  std::string out;
  for (Insn insn : program.insns()) {
    std::string map;
    if (insn.code == 0x18 && (insn.src == kPseudoMapFd || insn.src == kPseudoMapValue)) {
      map = program.maps()[static_cast<size_t>(insn.imm)].name;
      insn.imm = 0;
    }
    out += fmt::format("{:02x} {} {} {} {:x} {}\n", unsigned{insn.code}, unsigned{insn.dst},
                       unsigned{insn.src}, insn.off, insn.imm, map);
  }
  for (const SourceLine& line : program.data().lines)
    out += fmt::format("{}: {}:{} {}\n", line.insn, line.line, line.column, line.text);
  return out;
}

void ExpectEqual(const Object& ours, const Object& theirs) {
  std::map<std::string, const ObjectProgram*> programs;
  for (const ObjectProgram& one : theirs.programs()) programs[one.name] = &one;
  EXPECT_EQ(ours.programs().size(), theirs.programs().size());
  for (const ObjectProgram& one : ours.programs()) {
    ASSERT_TRUE(programs.contains(one.name)) << one.name;
    const ObjectProgram& other = *programs[one.name];
    EXPECT_EQ(one.section, other.section);
    ASSERT_EQ(one.program.has_value(), other.program.has_value())
        << one.name << (one.program ? "" : one.program.error().message);
    if (one.program) {
      EXPECT_EQ(Describe(*one.program), Describe(*other.program)) << one.name;
    }
  }
  std::map<std::string, const MapSpec*> maps;
  for (const MapSpec& map : theirs.maps()) maps[map.name] = &map;
  EXPECT_EQ(ours.maps().size(), theirs.maps().size());
  for (const MapSpec& map : ours.maps()) {
    ASSERT_TRUE(maps.contains(map.name)) << map.name;
    const MapSpec& other = *maps[map.name];
    EXPECT_EQ(map.value_size, other.value_size) << map.name;
    EXPECT_EQ(map.max_entries, other.max_entries) << map.name;
    EXPECT_EQ(map.initial_slots, other.initial_slots) << map.name;
    ASSERT_EQ(map.initial_value != nullptr, other.initial_value != nullptr) << map.name;
    if (map.initial_value != nullptr) {
      EXPECT_EQ(*map.initial_value, *other.initial_value) << map.name;
    }
  }
}

// Whether libbpf takes the object to the kernel, which may refuse its programs.
testing::AssertionResult OpensWithLibbpf(const std::vector<std::byte>& bytes) {
  LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "linked");
  bpf_object* object = bpf_object__open_mem(bytes.data(), bytes.size(), &options);
  if (object == nullptr) return testing::AssertionFailure() << "libbpf does not open it";
  const int error = bpf_object__load(object);
  bpf_object__close(object);
  if (error == 0 || error == -EPERM) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "libbpf does not load it: " << error;
}

// Of Linux's own tests those that are linked from two objects.
TEST(LinkObjects, GivesWhatLibbpfsLinkerGives) {
  std::vector<std::vector<std::string>> groups;
  // In this order: in the other one libbpf 1.1 loses where a map lies that is
  // declared before it is defined.
  if (const auto pair = Pair(); !pair.empty()) groups.push_back({pair[1], pair[0]});
  std::map<std::string, std::string> selftests;
  for (const std::string& path : SelftestObjects()) selftests[SourceName(path)] = path;
  for (const auto& [first, second] :
       {std::pair("linked_funcs1", "linked_funcs2"), std::pair("linked_maps1", "linked_maps2"),
        std::pair("linked_vars1", "linked_vars2"),
        std::pair("test_static_linked1", "test_static_linked2")})
    if (selftests.contains(first) && selftests.contains(second))
      groups.push_back({selftests[first], selftests[second]});
  if (groups.empty()) GTEST_SKIP() << "clang is missing: there are no objects";
  const auto target = std::filesystem::exists(kKernelBtfPath)
                          ? OpenBtf(kKernelBtfPath)
                          : Result<std::shared_ptr<const btf::Btf>>(nullptr);
  ASSERT_TRUE(target);
  const ObjectOptions options{.target_btf = *target};
  for (const auto& paths : groups) {
    SCOPED_TRACE(paths[0]);
    const auto ours = LinkFiles(paths);
    ASSERT_TRUE(ours) << ours.error().message;
    const std::vector<std::byte> theirs = LinkByLibbpf(paths);
    ASSERT_FALSE(theirs.empty()) << "libbpf does not link them";
    const auto our_object = Object::Parse(*ours, "linked.bpf.o", options);
    const auto their_object = Object::Parse(theirs, "linked.bpf.o", options);
    ASSERT_TRUE(our_object) << our_object.error().message;
    ASSERT_TRUE(their_object) << their_object.error().message;
    ExpectEqual(*our_object, *their_object);
    if (OpensWithLibbpf(theirs)) {
      EXPECT_TRUE(OpensWithLibbpf(*ours));
    }
  }
}
#endif  // SKEP_HAVE_LIBBPF

// It would be left out without a word.
TEST(Link, RefusesCodeInASectionWithoutAName) {
  const std::vector<std::byte> code(16);
  ElfWriter writer;
  writer.Add({.name = "", .type = SHT_PROGBITS, .flags = SHF_ALLOC | SHF_EXECINSTR}, code);
  const std::vector<std::byte> file = std::move(writer).Finish();
  const LinkInput input{"nameless.bpf.o", file};
  const auto linked = LinkObjects(std::span(&input, 1));
  ASSERT_FALSE(linked);
  EXPECT_NE(linked.error().message.find("section 1 is loaded, but has no name"), std::string::npos)
      << linked.error().message;
}

TEST(Link, KeepsCodeThatIsNotMarkedAsAllocated) {
  const auto paths = Pair();
  if (paths.empty()) GTEST_SKIP() << "clang is missing: there are no objects";
  auto linked = LinkFiles(paths);
  ASSERT_TRUE(linked) << linked.error().message;
  const auto before = Object::Parse(*linked, "marked.bpf.o");
  ASSERT_TRUE(before) << before.error().message;
  Elf64_Ehdr header;
  std::memcpy(&header, linked->data(), sizeof header);
  for (size_t i = 0; i < header.e_shnum; ++i) {
    std::byte* const at = linked->data() + header.e_shoff + i * sizeof(Elf64_Shdr);
    Elf64_Shdr section;
    std::memcpy(&section, at, sizeof section);
    if ((section.sh_flags & SHF_EXECINSTR) != 0) section.sh_flags &= ~uint64_t{SHF_ALLOC};
    std::memcpy(at, &section, sizeof section);
  }
  const LinkInput input{"unmarked.bpf.o", *linked};
  const auto again = LinkObjects(std::span(&input, 1));
  ASSERT_TRUE(again) << again.error().message;
  const auto after = Object::Parse(*again, "again.bpf.o");
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_GT(before->programs().size(), 0u);
  EXPECT_EQ(after->programs().size(), before->programs().size());
}

}  // namespace
}  // namespace skep::loader
