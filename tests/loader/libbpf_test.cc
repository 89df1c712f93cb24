// SPDX-License-Identifier: Apache-2.0
// libbpf as the oracle: what it sees in an object is what we see, and the
// instructions it hands to the kernel are ours, except that a map is a file
// descriptor there and an index here. Also run over the objects of
// SKEP_OBJECTS_DIR and SKEP_SELFTEST_OBJECTS, with whatever libbpf.so.1 the
// dynamic linker finds: LD_LIBRARY_PATH chooses a later one than the system's.
#ifdef SKEP_HAVE_LIBBPF

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>

#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "skep/btf.h"
#include "skep/program.h"
#include "skep/struct_ops.h"

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

// Whether what libbpf 1.`minor` brought is not known to the one compared with.
bool LaterThan(unsigned minor) {
  return libbpf_major_version() == 1 && libbpf_minor_version() < minor;
}

// Compares one object with what libbpf sees in it.
struct Tally {
  size_t objects = 0, maps = 0, programs = 0;
  std::vector<std::string> not_opened;  // by libbpf
  void Record() const {
    testing::Test::RecordProperty("objects", static_cast<int>(objects));
    testing::Test::RecordProperty("maps", static_cast<int>(maps));
    testing::Test::RecordProperty("programs", static_cast<int>(programs));
    testing::Test::RecordProperty("not_opened_by_libbpf",
                                  fmt::format("{}", fmt::join(not_opened, " ")));
  }
};

// Calls `compare` for each object that both take. What libbpf takes, we take.
template <class Compare>
Tally CompareObjects(const Compare& compare) {
  Tally tally;
  const auto target = std::filesystem::exists(kKernelBtfPath)
                          ? OpenBtf(kKernelBtfPath)
                          : Result<std::shared_ptr<const btf::Btf>>(nullptr);
  for (const std::string& path : AllObjects()) {
    const BpfObject theirs = OpenWithLibbpf(path);
    if (theirs == nullptr) {
      tally.not_opened.push_back(SourceName(path));
      continue;
    }
    // Refused here as by libbpf since 1.4; older ones know no arenas.
    if (LaterThan(4) && (SourceName(path) == "arena_missing" || SourceName(path) == "arena_two"))
      continue;
    const auto ours = Object::Open(path, {.target_btf = target ? *target : nullptr});
    EXPECT_TRUE(ours) << ours.error().message;
    if (!ours) continue;
    SCOPED_TRACE(path);
    ++tally.objects;
    compare(theirs.get(), *ours, tally);
  }
  tally.Record();
  return tally;
}

std::string DescribeMap(const bpf_map* map) {
  return fmt::format("type {} key {} value {} entries {} flags {:#x} extra {} types {} {} pin {}",
                     static_cast<uint32_t>(bpf_map__type(map)), bpf_map__key_size(map),
                     bpf_map__value_size(map), bpf_map__max_entries(map), bpf_map__map_flags(map),
                     bpf_map__map_extra(map), bpf_map__btf_key_type_id(map),
                     bpf_map__btf_value_type_id(map), bpf_map__pin_path(map) != nullptr);
}
std::string DescribeMap(const MapSpec& map) {
  return fmt::format("type {} key {} value {} entries {} flags {:#x} extra {} types {} {} pin {}",
                     static_cast<uint32_t>(map.type), map.key_size, map.value_size, map.max_entries,
                     map.flags, map.map_extra, map.btf_key_type_id, map.btf_value_type_id,
                     map.pin_by_name);
}

void CompareMap(bpf_map* theirs, const MapSpec& ours) {
  EXPECT_EQ(DescribeMap(ours), DescribeMap(theirs)) << ours.name;
  bpf_map* inner = bpf_map__inner_map(theirs);
  EXPECT_EQ(ours.inner != nullptr, inner != nullptr) << ours.name;
  if (inner != nullptr && ours.inner != nullptr) {
    EXPECT_EQ(ours.inner->name, bpf_map__name(inner));
    EXPECT_EQ(DescribeMap(*ours.inner), DescribeMap(inner)) << ours.inner->name;
  }
  size_t size = 0;
  const void* bytes = bpf_map__initial_value(theirs, &size);
  // libbpf fills .kconfig when it loads.
  if (bytes == nullptr || ours.name.ends_with(".kconfig") || ours.type == MapType::kStructOps)
    return;
  const std::vector<std::byte> zeroes(size);
  const auto* value = ours.initial_value != nullptr ? ours.initial_value.get() : &zeroes;
  ASSERT_EQ(value->size(), size) << ours.name;
  EXPECT_EQ(std::memcmp(value->data(), bytes, size), 0) << ours.name;
}

TEST(AgainstLibbpf, SeesTheSameMaps) {
  const Tally tally = CompareObjects([](bpf_object* theirs, const Object& ours, Tally& sum) {
    std::map<std::string, const MapSpec*> specs;
    for (const MapSpec& spec : ours.maps()) specs[spec.name] = &spec;
    // Older ones do not know .struct_ops.link, or keep no type of the variables.
    const bool with_struct_ops = !LaterThan(5);
    for (const MapSpec& spec : StructOpsMaps(ours)) {
      if (with_struct_ops) specs[spec.name] = &spec;
    }
    size_t count = 0;
    for (bpf_map* map = nullptr; (map = bpf_object__next_map(theirs, map)) != nullptr;) {
      if (!with_struct_ops && bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS) continue;
      const std::string name = bpf_map__name(map);
      ++count;
      ASSERT_TRUE(specs.contains(name)) << name;
      CompareMap(map, *specs[name]);
    }
    EXPECT_EQ(count, specs.size());
    sum.maps += count;
  });
  if (tally.objects == 0) GTEST_SKIP() << "clang is missing: there are no objects";
}

void CompareProgram(const bpf_program* theirs, const ObjectProgram& ours) {
  SCOPED_TRACE(ours.section + ": " + ours.name);
  EXPECT_EQ(ours.name, bpf_program__name(theirs));
  EXPECT_EQ(ours.section, bpf_program__section_name(theirs));
  EXPECT_EQ(ours.autoload, bpf_program__autoload(theirs));
  // An older libbpf does not know all names; ours must know all of its.
  const auto type = static_cast<uint32_t>(bpf_program__type(theirs));
  if (type != 0) {
    EXPECT_EQ(static_cast<uint32_t>(ours.type), type);
  }
  if (!ours.program) return;
  const ProgramData& data = ours.program->data();
  // libbpf finds the member of a struct_ops program when it loads.
  if (type != 0 && ours.type != ProgramTypeId::kStructOps) {
    EXPECT_EQ(data.expected_attach_type,
              static_cast<uint32_t>(bpf_program__expected_attach_type(theirs)));
  }
  // Before it loads, libbpf's count is that of the entry function.
  EXPECT_EQ(data.subprograms[0].end, bpf_program__insn_cnt(theirs));
}

TEST(AgainstLibbpf, SeesTheSamePrograms) {
  const Tally tally = CompareObjects([](bpf_object* theirs, const Object& ours, Tally& sum) {
    // A function without SEC() is a program here if there is no other.
    if (ours.programs().size() == 1 && ours.programs()[0].section == ".text") return;
    size_t count = 0;
    for (bpf_program* program = nullptr;
         (program = bpf_object__next_program(theirs, program)) != nullptr; ++count) {
      ASSERT_LT(count, ours.programs().size());
      CompareProgram(program, ours.programs()[count]);
    }
    EXPECT_EQ(count, ours.programs().size());
    sum.programs += count;
  });
  if (tally.objects == 0) GTEST_SKIP() << "clang is missing: there are no objects";
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
