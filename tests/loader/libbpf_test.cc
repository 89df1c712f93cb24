// SPDX-License-Identifier: Apache-2.0
// libbpf as the oracle: what it sees in an object is what we see, and the
// instructions it hands to the kernel are ours, except that a map is a file
// descriptor there and an index here. Also run over the objects of
// SKEP_OBJECTS_DIR.
#ifdef SKEP_HAVE_LIBBPF

#include <cerrno>
#include <cstring>
#include <map>
#include <memory>

#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "skep/program.h"

#include "loader/section_rules.h"
#include "tests/loader/objects.h"

namespace skep::loader {
namespace {

struct Closer {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};
using BpfObject = std::unique_ptr<bpf_object, Closer>;

// Null if libbpf does not open it: not every object of ours is one of its kind.
BpfObject OpenWithLibbpf(const std::string& path) {
  libbpf_set_print(nullptr);
  return BpfObject(bpf_object__open_file(path.c_str(), nullptr));
}

std::vector<std::string> AllObjects() {
  std::vector<std::string> paths = BuiltObjects();
  for (std::string& path : OtherObjects()) paths.push_back(std::move(path));
  // Refused here as by libbpf since 1.4; the one compared with knows no arenas.
  std::erase_if(paths, [](const std::string& path) {
    return SourceName(path) == "arena_missing" || SourceName(path) == "arena_two";
  });
  return paths;
}

std::string DescribeMap(const bpf_map* map) {
  return fmt::format("{} type {} key {} value {} entries {} flags {:#x} extra {} types {} {}",
                     bpf_map__name(map), static_cast<uint32_t>(bpf_map__type(map)),
                     bpf_map__key_size(map), bpf_map__value_size(map), bpf_map__max_entries(map),
                     bpf_map__map_flags(map), bpf_map__map_extra(map),
                     bpf_map__btf_key_type_id(map), bpf_map__btf_value_type_id(map));
}
std::string DescribeMap(const MapSpec& map) {
  return fmt::format("{} type {} key {} value {} entries {} flags {:#x} extra {} types {} {}",
                     map.name, static_cast<uint32_t>(map.type), map.key_size, map.value_size,
                     map.max_entries, map.flags, map.map_extra, map.btf_key_type_id,
                     map.btf_value_type_id);
}

TEST(AgainstLibbpf, SeesTheSameMaps) {
  size_t compared = 0;
  for (const std::string& path : AllObjects()) {
    const BpfObject theirs = OpenWithLibbpf(path);
    if (theirs == nullptr) continue;
    const auto ours = Object::Open(path);
    ASSERT_TRUE(ours) << ours.error().message;
    std::map<std::string, const MapSpec*> specs;
    for (const MapSpec& spec : ours->maps()) specs[spec.name] = &spec;
    size_t count = 0;
    const bpf_map* map = nullptr;
    while ((map = bpf_object__next_map(theirs.get(), map)) != nullptr) {
      const std::string name = bpf_map__name(map);
      // Comes with the next steps of the loader.
      if (bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS) continue;
      ++count;
      ASSERT_TRUE(specs.contains(name)) << path << ": " << name;
      const MapSpec& spec = *specs[name];
      EXPECT_EQ(DescribeMap(spec), DescribeMap(map)) << path;
      size_t size = 0;
      const void* bytes = bpf_map__initial_value(const_cast<bpf_map*>(map), &size);
      // libbpf fills .kconfig when it loads.
      if (!bpf_map__is_internal(map) || bytes == nullptr || name.ends_with(".kconfig")) continue;
      const std::vector<std::byte> zeroes(size);
      const auto* value = spec.initial_value != nullptr ? spec.initial_value.get() : &zeroes;
      ASSERT_EQ(value->size(), size) << path << ": " << name;
      EXPECT_EQ(std::memcmp(value->data(), bytes, size), 0) << path << ": " << name;
      ++compared;
    }
    EXPECT_EQ(count, ours->maps().size()) << path;
  }
  if (compared == 0) GTEST_SKIP() << "clang is missing: there are no objects";
}

TEST(AgainstLibbpf, SeesTheSamePrograms) {
  size_t compared = 0;
  for (const std::string& path : AllObjects()) {
    const BpfObject theirs = OpenWithLibbpf(path);
    if (theirs == nullptr) continue;
    const auto ours = Object::Open(path);
    ASSERT_TRUE(ours) << ours.error().message;
    size_t count = 0;
    bpf_program* program = nullptr;
    while ((program = bpf_object__next_program(theirs.get(), program)) != nullptr) {
      ASSERT_LT(count, ours->programs().size()) << path;
      const ObjectProgram& mine = ours->programs()[count++];
      EXPECT_EQ(mine.name, bpf_program__name(program)) << path;
      EXPECT_EQ(mine.section, bpf_program__section_name(program)) << path;
      // An older libbpf does not know all names; ours must know all of its.
      const auto type = static_cast<uint32_t>(bpf_program__type(program));
      if (type != 0) {
        EXPECT_EQ(static_cast<uint32_t>(mine.type), type) << path << ": " << mine.section;
      }
      if (!mine.program) continue;
      if (type != 0) {
        EXPECT_EQ(mine.program->data().expected_attach_type,
                  static_cast<uint32_t>(bpf_program__expected_attach_type(program)))
            << path << ": " << mine.section;
      }
      // Before it loads, libbpf's count is that of the entry function.
      EXPECT_EQ(mine.program->subprograms()[0].end, bpf_program__insn_cnt(program))
          << path << ": " << mine.name;
      ++compared;
    }
    EXPECT_EQ(count, ours->programs().size()) << path;
  }
  if (compared == 0) GTEST_SKIP() << "clang is missing: there are no objects";
}

// Every name of libbpf's table, by libbpf's own matching.
TEST(AgainstLibbpf, GivesSectionNamesTheSameMeaning) {
  libbpf_set_print(nullptr);
  size_t known = 0;
  for (const SectionRule& rule : SectionRules()) {
    for (const char* suffix : {"", "/target", "x", "."}) {
      const std::string name = std::string(rule.name) + suffix;
      bpf_prog_type type = BPF_PROG_TYPE_UNSPEC;
      bpf_attach_type attach_type{};
      if (libbpf_prog_type_by_name(name.c_str(), &type, &attach_type) != 0) continue;
      const SectionMeaning meaning = ReadSectionName(name);
      ASSERT_NE(meaning.rule, nullptr) << name;
      EXPECT_EQ(static_cast<uint32_t>(meaning.rule->type), static_cast<uint32_t>(type)) << name;
      EXPECT_EQ(meaning.rule->attach_type, static_cast<uint32_t>(attach_type)) << name;
      ++known;
    }
  }
  EXPECT_GT(known, 80u);
}

// Returns what differs between the instructions that libbpf loaded and ours.
std::string CompareInsns(bpf_object* object, const bpf_program* theirs, const Program& ours) {
  const bpf_insn* insns = bpf_program__insns(theirs);
  const size_t count = bpf_program__insn_cnt(theirs);
  if (count != ours.insns().size())
    return fmt::format("{} slots, libbpf has {}", ours.insns().size(), count);
  for (size_t i = 0; i < count; ++i) {
    Insn mine = ours.insns()[i];
    const bool is_map =
        mine.code == 0x18 && (mine.src == kPseudoMapFd || mine.src == kPseudoMapValue);
    if (is_map) {
      const std::string& name = ours.maps()[static_cast<size_t>(mine.imm)].name;
      const bpf_map* map = bpf_object__find_map_by_name(object, name.c_str());
      if (map == nullptr) return fmt::format("insn {}: libbpf has no map {}", i, name);
      mine.imm = bpf_map__fd(map);
    }
    if (std::memcmp(&mine, &insns[i], sizeof(mine)) != 0)
      return fmt::format("insn {}: code {:#x} src {} imm {:#x}, libbpf: src {} imm {:#x}", i,
                         unsigned{mine.code}, unsigned{mine.src}, mine.imm,
                         unsigned{insns[i].src_reg}, insns[i].imm);
  }
  return "";
}

TEST(AgainstLibbpf, LinksTheSameInstructions) {
  size_t compared = 0;
  size_t refused = 0;
  for (const std::string& path : AllObjects()) {
    const auto ours = Object::Open(path);
    if (!ours) continue;
    for (size_t index = 0; index < ours->programs().size(); ++index) {
      const ObjectProgram& mine = ours->programs()[index];
      if (!mine.program) continue;
      const BpfObject object = OpenWithLibbpf(path);
      if (object == nullptr) break;
      bpf_program* program = nullptr;
      bpf_program* wanted = nullptr;
      for (size_t i = 0; (program = bpf_object__next_program(object.get(), program)) != nullptr;
           ++i) {
        bpf_program__set_autoload(program, i == index);
        if (i == index) wanted = program;
      }
      // What the kernel refuses, for whatever reason, cannot be compared.
      if (wanted == nullptr || bpf_object__load(object.get()) != 0) {
        ++refused;
        continue;
      }
      EXPECT_EQ(CompareInsns(object.get(), wanted, *mine.program), "") << path << ": " << mine.name;
      ++compared;
    }
  }
  RecordProperty("compared", static_cast<int>(compared));
  RecordProperty("not_loaded", static_cast<int>(refused));
  if (compared == 0) GTEST_SKIP() << "bpf(2) is refused here, or clang is missing";
}

}  // namespace
}  // namespace skep::loader

#endif  // SKEP_HAVE_LIBBPF
