// SPDX-License-Identifier: Apache-2.0
// The few keys that random programs and crowds of threads use of a map: some are in it,
// some not, some cannot be.

#ifndef SKEP_TESTS_MAPS_MAP_KEYS_H_
#define SKEP_TESTS_MAPS_MAP_KEYS_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "skep/map_spec.h"

namespace skep::test {

inline bool IsArray(MapType type) {
  return type == MapType::kArray || type == MapType::kPercpuArray;
}

inline uint32_t KeysOf(const MapSpec& spec) {
  return IsArray(spec.type) || spec.type == MapType::kArrayOfMaps ? spec.max_entries + 2 : 12;
}

// Number is below KeysOf(spec).
inline std::vector<std::byte> KeyBytes(const MapSpec& spec, uint32_t number) {
  std::vector<std::byte> key(spec.key_size);
  for (size_t i = 0; i < key.size(); ++i) {
    key[i] = static_cast<std::byte>(i < 4 ? number >> (8 * i) : i * 7);
  }
  if (spec.type == MapType::kLpmTrie) {
    const auto bits = static_cast<uint32_t>(key.size() - 4) * 8;
    const uint32_t length = number % 4 == 0 ? bits : number * 5 % (bits + 2);
    std::memcpy(key.data(), &length, sizeof length);
    for (size_t i = 4; i < key.size(); ++i) key[i] = static_cast<std::byte>(number % 3 * 0x41);
  }
  return key;
}

}  // namespace skep::test

#endif  // SKEP_TESTS_MAPS_MAP_KEYS_H_
