// SPDX-License-Identifier: Apache-2.0
// BtfMerger: the types of several objects as one BTF, in which types that cannot
// be told apart are there once.
//
// Types are compared by what can be reached from them: all start in classes of
// equal names, kinds and numbers, and a class is split as long as two of its
// types refer to types of different classes. What is left in one class is one
// type, also where types refer to themselves. Variables and functions are never
// merged by their looks, as static ones of one name are several: the linker says
// which of them are the same, and where in which section each lies.
//
// Threads: a value of one thread.

#ifndef SKEP_LOADER_MERGE_BTF_H_
#define SKEP_LOADER_MERGE_BTF_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "skep/result.h"

#include "btf/btf.h"

namespace skep::loader {

class BtfMerger {
 public:
  // Adds the types of `bytes`, which Btf::Parse made `btf` of. Returns what is
  // to be added to its ids. Data sections are left out: SetSection makes them.
  // Fails with kResourceLimit beyond what BTF can count.
  Result<uint32_t> Add(std::span<const std::byte> bytes, const btf::Btf& btf);

  // For all below, `id` is one of those that Add's result leads to.

  // References to the variable or function `id` become such to `other`, and
  // `id` is left out.
  void Replace(uint32_t id, uint32_t other) { same_as_[id] = other; }

  // Sorts out which types are the same. REQUIRES: nothing is added or replaced
  // afterwards.
  void Deduplicate();

  // ---- after Deduplicate

  // The id in the result.
  uint32_t FinalId(uint32_t id) const { return final_[id]; }
  // Appends a data section; variables by id of the result, ascending by offset.
  void AddSection(std::string_view name, uint32_t size,
                  std::span<const btf::SectionVariable> variables);
  // The place of a string in the result.
  uint32_t String(std::string_view text);
  // The bytes of the section .BTF. Fails with kResourceLimit if they are more
  // than BTF may have.
  Result<std::vector<std::byte>> Finish() const;

 private:
  std::vector<uint32_t> FirstClasses() const;
  bool Split(std::vector<uint32_t>& classes, size_t& count) const;
  void Emit(const std::vector<uint32_t>& classes);
  std::span<const uint32_t> words(uint32_t id) const {
    return std::span(words_).subspan(starts_[id], starts_[id + 1] - starts_[id]);
  }

  // Types as the words of BTF, with names and references of the result; one
  // after the other. Type 0 is void and has no words.
  std::vector<uint32_t> words_;
  std::vector<uint32_t> starts_ = {0, 0};
  std::unordered_map<uint32_t, uint32_t> same_as_;
  std::vector<uint32_t> final_;
  std::vector<uint32_t> result_;  // words
  uint32_t result_count_ = 0;
  std::unordered_map<std::string, uint32_t> string_places_;
  std::string strings_ = std::string(1, '\0');
  uint64_t string_limit_ = 1;  // bytes of all that was added
};

}  // namespace skep::loader

#endif  // SKEP_LOADER_MERGE_BTF_H_
