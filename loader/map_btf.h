// SPDX-License-Identifier: Apache-2.0
// WriteMapBtf: the .BTF section that declares maps, as clang writes it for
//
//   struct {
//     __uint(type, BPF_MAP_TYPE_HASH);
//     __uint(key_size, 4); ...
//   } name SEC(".maps");

#ifndef SKEP_LOADER_MAP_BTF_H_
#define SKEP_LOADER_MAP_BTF_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "skep/map_spec.h"

namespace skep::loader {

// Bytes that each of these maps takes in section .maps: one after the other, in
// this order.
inline constexpr uint32_t kMapDeclarationBytes = 40;

// Of a map it says type, sizes, entries and flags alone.
std::vector<std::byte> WriteMapBtf(std::span<const MapSpec> maps);

}  // namespace skep::loader

#endif  // SKEP_LOADER_MAP_BTF_H_
