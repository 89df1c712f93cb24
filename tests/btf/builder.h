// SPDX-License-Identifier: Apache-2.0
// Builder: BTF bytes, word by word, also wrong ones.

#ifndef SKEP_TESTS_BTF_BUILDER_H_
#define SKEP_TESTS_BTF_BUILDER_H_

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <vector>

#include "btf/btf.h"

namespace skep::btf {

class Builder {
 public:
  // Returns the offset of `text` in the string section.
  uint32_t Name(const std::string& text) {
    if (text.empty()) return 0;
    const auto offset = static_cast<uint32_t>(strings_.size());
    strings_ += text;
    strings_ += '\0';
    return offset;
  }
  // Appends a type and returns its id.
  uint32_t Add(const std::string& name, Kind kind, uint32_t vlen, uint32_t size_or_type,
               std::initializer_list<uint32_t> extra = {}, bool flag = false) {
    const uint32_t offset = Name(name);
    words_.insert(
        words_.end(),
        {offset, vlen | static_cast<uint32_t>(kind) << 24 | (flag ? 1u << 31 : 0u), size_or_type});
    words_.insert(words_.end(), extra);
    return ++last_id_;
  }
  uint32_t Int(const std::string& name, uint32_t bytes, uint32_t encoding = 0) {
    return Add(name, Kind::kInt, 0, bytes, {encoding << 24 | bytes * 8});
  }
  uint32_t Pointer(uint32_t to) { return Add("", Kind::kPtr, 0, to); }
  void Word(uint32_t word) { words_.push_back(word); }

  // What goes into the header; changed by tests of it.
  uint16_t magic = 0xeb9f;
  uint8_t version = 1;
  uint8_t flags = 0;
  uint32_t header_size = 24;
  int32_t type_shift = 0;    // added to the type section's offset
  int32_t string_shift = 0;  // added to the string section's offset

  std::vector<std::byte> Bytes() const {
    const auto types = static_cast<uint32_t>(words_.size() * 4);
    const auto strings = static_cast<uint32_t>(strings_.size());
    std::vector<uint32_t> words = {magic | uint32_t{version} << 16 | uint32_t{flags} << 24,
                                   header_size,
                                   static_cast<uint32_t>(type_shift),
                                   types,
                                   types + static_cast<uint32_t>(string_shift),
                                   strings};
    words.resize(header_size / 4);
    words.insert(words.end(), words_.begin(), words_.end());
    std::vector<std::byte> bytes(words.size() * 4 + strings);
    std::memcpy(bytes.data(), words.data(), words.size() * 4);
    std::memcpy(bytes.data() + words.size() * 4, strings_.data(), strings);
    return bytes;
  }
  Result<std::shared_ptr<const Btf>> Parse(Origin origin = Origin::kKernel) const {
    return Btf::Parse(Bytes(), origin);
  }
  std::string& strings() { return strings_; }
  // The next id to be added, counted from `first` of a split BTF.
  void StartAt(uint32_t first_id, const std::string& strings) {
    last_id_ = first_id - 1;
    strings_ = strings;
  }

 private:
  std::vector<uint32_t> words_;
  std::string strings_ = std::string(1, '\0');
  uint32_t last_id_ = 0;
};

}  // namespace skep::btf

#endif  // SKEP_TESTS_BTF_BUILDER_H_
