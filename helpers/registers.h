// SPDX-License-Identifier: Apache-2.0
// Between the registers of a helper call and C++ values.

#ifndef SKEP_HELPERS_REGISTERS_H_
#define SKEP_HELPERS_REGISTERS_H_

#include <cstddef>
#include <cstdint>

#include "skep/map.h"

namespace skep::helpers {

// Registers hold addresses as numbers.
inline Map& AsMap(uint64_t r) { return *reinterpret_cast<Map*>(r); }
inline std::byte* AsBytes(uint64_t r) { return reinterpret_cast<std::byte*>(r); }
inline uint64_t FromAddress(const std::byte* address) {
  return reinterpret_cast<uint64_t>(address);
}
inline uint64_t FromResult(int64_t result) { return static_cast<uint64_t>(result); }

}  // namespace skep::helpers

#endif  // SKEP_HELPERS_REGISTERS_H_
