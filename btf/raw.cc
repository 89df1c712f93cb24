// SPDX-License-Identifier: Apache-2.0
#include "btf/raw.h"

#include <cstring>

namespace skep::btf {

std::vector<std::byte> Assemble(std::span<const uint32_t> types, std::span<const char> strings) {
  const auto type_bytes = static_cast<uint32_t>(types.size_bytes());
  const auto string_bytes = static_cast<uint32_t>(strings.size());
  const uint32_t header[] = {
      kMagic | uint32_t{kVersion} << 16, kHeaderSize, 0, type_bytes, type_bytes, string_bytes};
  static_assert(sizeof(header) == kHeaderSize);
  std::vector<std::byte> out(kHeaderSize + uint64_t{type_bytes} + string_bytes);
  std::memcpy(out.data(), header, kHeaderSize);
  if (type_bytes != 0) std::memcpy(out.data() + kHeaderSize, types.data(), type_bytes);
  if (string_bytes != 0)
    std::memcpy(out.data() + kHeaderSize + type_bytes, strings.data(), string_bytes);
  return out;
}

}  // namespace skep::btf
