// SPDX-License-Identifier: Apache-2.0
#include "loader/map_btf.h"

#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace skep::loader {
namespace {

// Kinds and the header as in linux/btf.h.
constexpr uint32_t kInt = 1, kPtr = 2, kArray = 3, kStruct = 4, kVar = 14, kDatasec = 15;
constexpr uint32_t kMagicAndVersion = 0xeb9f | 1u << 16, kHeaderBytes = 24;
constexpr uint32_t kSigned32Bits = 1u << 24 | 32, kGlobal = 1;
constexpr uint32_t kFieldBytes = 8;  // a pointer in BPF

class Writer {
 public:
  std::vector<std::byte> Run(std::span<const MapSpec> maps) {
    int_ = Type("int", kInt, 0, 4, {kSigned32Bits});
    std::vector<uint32_t> entries;
    for (const MapSpec& map : maps) {
      const auto offset = static_cast<uint32_t>(entries.size() / 3) * kMapDeclarationBytes;
      entries.insert(entries.end(), {Declaration(map), offset, kMapDeclarationBytes});
    }
    const auto count = static_cast<uint32_t>(maps.size());
    Type(".maps", kDatasec, count, count * kMapDeclarationBytes, entries);
    return Join();
  }

 private:
  // Appends a type; returns its id.
  uint32_t Type(std::string_view name, uint32_t kind, uint32_t members, uint32_t size_or_type,
                const std::vector<uint32_t>& rest) {
    types_.insert(types_.end(), {String(name), kind << 24 | members, size_or_type});
    types_.insert(types_.end(), rest.begin(), rest.end());
    return ++count_;
  }

  uint32_t String(std::string_view text) {
    if (text.empty()) return 0;
    const auto at = static_cast<uint32_t>(strings_.size());
    strings_.append(text).push_back('\0');
    return at;
  }

  // A number is the length of an array behind a pointer.
  uint32_t Number(uint32_t value) {
    return Type({}, kPtr, 0, Type({}, kArray, 0, 0, {int_, int_, value}), {});
  }

  uint32_t Declaration(const MapSpec& map) {
    const std::pair<std::string_view, uint32_t> fields[] = {
        {"type", static_cast<uint32_t>(map.type)},
        {"key_size", map.key_size},
        {"value_size", map.value_size},
        {"max_entries", map.max_entries},
        {"map_flags", map.flags},
    };
    static_assert(sizeof fields / sizeof fields[0] * kFieldBytes == kMapDeclarationBytes);
    std::vector<uint32_t> members;
    uint32_t bit = 0;
    for (const auto& [name, value] : fields) {
      members.insert(members.end(), {String(name), Number(value), bit});
      bit += kFieldBytes * 8;
    }
    const uint32_t layout = Type({}, kStruct, 5, kMapDeclarationBytes, members);
    return Type(map.name, kVar, 0, layout, {kGlobal});
  }

  std::vector<std::byte> Join() {
    const auto type_bytes = static_cast<uint32_t>(types_.size() * sizeof types_[0]);
    const uint32_t header[] = {
        kMagicAndVersion, kHeaderBytes, 0,
        type_bytes,       type_bytes,   static_cast<uint32_t>(strings_.size())};
    static_assert(sizeof header == kHeaderBytes);
    std::vector<std::byte> out(kHeaderBytes + type_bytes + strings_.size());
    std::memcpy(out.data(), header, kHeaderBytes);
    std::memcpy(out.data() + kHeaderBytes, types_.data(), type_bytes);
    std::memcpy(out.data() + kHeaderBytes + type_bytes, strings_.data(), strings_.size());
    return out;
  }

  uint32_t int_ = 0, count_ = 0;
  std::vector<uint32_t> types_;
  std::string strings_ = std::string(1, '\0');
};

}  // namespace

std::vector<std::byte> WriteMapBtf(std::span<const MapSpec> maps) { return Writer().Run(maps); }

}  // namespace skep::loader
