// SPDX-License-Identifier: Apache-2.0
// CorePair: types of an object and types of a target, built by hand, and what
// relocation records about the former become. Names of hand-built types keep
// compilers out of these tests, and allow what no compiler writes.

#ifndef SKEP_TESTS_LOADER_CORE_PAIR_H_
#define SKEP_TESTS_LOADER_CORE_PAIR_H_

#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "loader/core_table.h"
#include "tests/btf/builder.h"

namespace skep::loader {

struct FieldOf {
  std::string name;
  uint32_t type;
  uint32_t bit;
  uint32_t bits = 0;  // of a bitfield
};

// A struct or union of these fields.
inline uint32_t AddStruct(btf::Builder& b, const std::string& name, uint32_t bytes,
                          const std::vector<FieldOf>& fields, btf::Kind kind = btf::Kind::kStruct) {
  bool flag = false;
  for (const FieldOf& field : fields) flag |= field.bits != 0;
  const uint32_t id = b.Add(name, kind, static_cast<uint32_t>(fields.size()), bytes, {}, flag);
  for (const FieldOf& field : fields) {
    b.Word(b.Name(field.name));
    b.Word(field.type);
    b.Word(flag ? field.bits << 24 | field.bit : field.bit);
  }
  return id;
}

inline uint32_t AddArray(btf::Builder& b, uint32_t element, uint32_t index, uint32_t count) {
  return b.Add("", btf::Kind::kArray, 0, 0, {element, index, count});
}

struct CorePair {
  btf::Builder local;
  btf::Builder target;
  bool without_target = false;
  std::vector<btf::CoreRelocation> records;

  void Ask(CoreKind kind, uint32_t type, const std::string& access) {
    const auto slot = static_cast<uint32_t>(8 * records.size());
    records.push_back({slot, type, local.Name(access), static_cast<uint32_t>(kind)});
  }
  // What all records asked so far become.
  std::vector<CoreEntry> Answers() {
    const auto ours = local.Parse(btf::Origin::kObjectFile);
    EXPECT_TRUE(ours) << ours.error().message;
    if (!ours) return {};
    std::shared_ptr<const btf::Btf> theirs;
    if (!without_target) {
      const auto parsed = target.Parse(btf::Origin::kObjectFile);
      EXPECT_TRUE(parsed) << parsed.error().message;
      if (!parsed) return {};
      theirs = *parsed;
    }
    ObjectTypes types;
    types.btf = *ours;
    types.sections.resize(1);
    types.sections[0].core_relocations = records;
    const CoreTable table = CoreTable::Resolve(types, theirs.get());
    return {table.entries(0).begin(), table.entries(0).end()};
  }
  CoreEntry Answer(CoreKind kind, uint32_t type, const std::string& access) {
    records.clear();
    Ask(kind, type, access);
    const auto answers = Answers();
    return answers.empty() ? CoreEntry{CoreProblem::kUnknownKind, {}} : answers[0];
  }
  // The number that an instruction gets; -1 if the target has nothing, -2 if it
  // cannot be decided.
  int64_t Value(CoreKind kind, uint32_t type, const std::string& access) {
    const CoreEntry entry = Answer(kind, type, access);
    if (entry.problem != CoreProblem::kNone) return -2;
    return entry.resolution.found ? static_cast<int64_t>(entry.resolution.value) : -1;
  }
};

}  // namespace skep::loader

#endif  // SKEP_TESTS_LOADER_CORE_PAIR_H_
