// SPDX-License-Identifier: Apache-2.0
// ByteReader: bounds-checked reads from bytes that nobody vouches for.
//
// Offsets and sizes are 64-bit and may hold anything: every check is made
// without overflow. Numbers are little-endian, as on the hosts we run on, and
// need not be aligned. Threads and lifetime: a view, valid as long as the bytes.

#ifndef SKEP_BASE_BYTE_READER_H_
#define SKEP_BASE_BYTE_READER_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

namespace skep {

class ByteReader {
 public:
  ByteReader() = default;
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  uint64_t size() const { return bytes_.size(); }
  std::span<const std::byte> bytes() const { return bytes_; }

  bool Contains(uint64_t offset, uint64_t size) const {
    return offset <= bytes_.size() && size <= bytes_.size() - offset;
  }

  // Returns the value at `offset`, or nothing if it does not lie inside.
  template <class T>
  std::optional<T> Read(uint64_t offset) const {
    static_assert(std::is_trivially_copyable_v<T>);
    static_assert(std::endian::native == std::endian::little);
    if (!Contains(offset, sizeof(T))) return std::nullopt;
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof(T));
    return value;
  }

  // Returns the bytes [offset, offset + size), or nothing.
  std::optional<std::span<const std::byte>> Slice(uint64_t offset, uint64_t size) const {
    if (!Contains(offset, size)) return std::nullopt;
    return bytes_.subspan(static_cast<size_t>(offset), static_cast<size_t>(size));
  }

  // Returns the NUL-terminated string at `offset`, without its NUL. Returns
  // nothing if it starts outside, has no NUL inside, or is longer than
  // `max_length`: the limit keeps a table of many offsets into one long string
  // from costing the product of both.
  std::optional<std::string_view> String(uint64_t offset, uint64_t max_length) const {
    if (offset >= bytes_.size()) return std::nullopt;
    const uint64_t left = bytes_.size() - offset;
    const uint64_t window = left - 1 < max_length ? left : max_length + 1;
    // Characters may alias any bytes.
    const char* start = reinterpret_cast<const char*>(bytes_.data() + offset);
    const void* end = std::memchr(start, 0, static_cast<size_t>(window));
    if (end == nullptr) return std::nullopt;
    return std::string_view(start, static_cast<size_t>(static_cast<const char*>(end) - start));
  }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace skep

#endif  // SKEP_BASE_BYTE_READER_H_
