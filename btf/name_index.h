// SPDX-License-Identifier: Apache-2.0
// NameIndex: the types of one Btf by name, so that a name is found among the
// 100,000 types of a kernel without a walk over all of them.
//
// It hashes essential names, so that one index answers both questions: which
// type has this name, and which types are flavours of it (CO-RE).
//
// Threads: immutable once built.

#ifndef SKEP_BTF_NAME_INDEX_H_
#define SKEP_BTF_NAME_INDEX_H_

#include <cstdint>
#include <string_view>
#include <vector>

namespace skep::btf {

// The name without its flavour: "task_struct" for "task_struct___old". What
// follows the last triple underscore between two other characters is the
// flavour; it tells apart several definitions of one type and is no part of the
// type's name for CO-RE.
std::string_view EssentialName(std::string_view name);

class NameIndex {
 public:
  // Makes room for `count` names. REQUIRES: called once, before Add.
  void Reserve(uint32_t count);
  // Adds the name of the entry `index` < count. Later entries come first in
  // Next, so add them from the last to the first. Empty names are left out.
  void Add(uint32_t index, std::string_view name);

  static constexpr uint32_t kEnd = 0xffffffff;
  // The first entry whose essential name may be that of `name`, and the one
  // after `index`; kEnd after the last. Others may be among them: compare.
  uint32_t First(std::string_view name) const;
  uint32_t Next(uint32_t index) const { return next_[index]; }

 private:
  std::vector<uint32_t> heads_;  // by hash; its size is a power of two, or 0
  std::vector<uint32_t> next_;   // by entry
};

}  // namespace skep::btf

#endif  // SKEP_BTF_NAME_INDEX_H_
