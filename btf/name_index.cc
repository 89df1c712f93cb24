// SPDX-License-Identifier: Apache-2.0
#include "btf/name_index.h"

#include <bit>
#include <cstring>

#include "base/check.h"

namespace skep::btf {
namespace {

// Eight bytes a step; the multiplication spreads them over the upper half.
uint32_t Hash(std::string_view text) {
  constexpr uint64_t kSpread = 0x9e3779b97f4a7c15;
  uint64_t hash = text.size() * kSpread;
  while (!text.empty()) {
    uint64_t word = 0;
    const size_t n = text.size() < sizeof(word) ? text.size() : sizeof(word);
    std::memcpy(&word, text.data(), n);
    hash = (std::rotl(hash, 29) ^ word) * kSpread;
    text.remove_prefix(n);
  }
  return static_cast<uint32_t>(hash >> 32);
}

}  // namespace

std::string_view EssentialName(std::string_view name) {
  for (size_t end = name.size(); end >= 5; --end) {
    const std::string_view window = name.substr(end - 5, 5);
    if (window[0] != '_' && window.substr(1, 3) == "___" && window[4] != '_')
      return name.substr(0, end - 4);
  }
  return name;
}

void NameIndex::Reserve(uint32_t count) {
  SKEP_CHECK(heads_.empty());
  next_.assign(count, kEnd);
  if (count != 0) heads_.assign(std::bit_ceil(count), kEnd);
}

void NameIndex::Add(uint32_t index, std::string_view name) {
  if (name.empty()) return;
  uint32_t& head = heads_[Hash(EssentialName(name)) & (heads_.size() - 1)];
  next_[index] = head;
  head = index;
}

uint32_t NameIndex::First(std::string_view name) const {
  if (heads_.empty() || name.empty()) return kEnd;
  return heads_[Hash(EssentialName(name)) & (heads_.size() - 1)];
}

}  // namespace skep::btf
