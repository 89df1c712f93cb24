// SPDX-License-Identifier: Apache-2.0
// The element helpers for one concrete map class: what map_lookup_elem,
// map_update_elem and map_delete_elem do, with the virtual call resolved. An
// engine that knows the map at compile time calls these.

#ifndef SKEP_MAPS_DIRECT_HELPER_H_
#define SKEP_MAPS_DIRECT_HELPER_H_

#include <cstdint>

#include "skep/execution_context.h"
#include "skep/map.h"

namespace skep {

// Registers hold addresses as numbers.
template <class M>
M& MapArgument(uint64_t r) {
  return *static_cast<M*>(reinterpret_cast<Map*>(r));
}
inline const std::byte* BytesArgument(uint64_t r) { return reinterpret_cast<const std::byte*>(r); }
inline uint64_t ToRegister(int result) { return static_cast<uint64_t>(int64_t{result}); }

template <class M>
uint64_t DirectLookup(uint64_t r1, uint64_t r2, uint64_t, uint64_t, uint64_t,
                      ExecutionContext& context) noexcept {
  return reinterpret_cast<uint64_t>(MapArgument<M>(r1).M::Lookup(BytesArgument(r2), context.cpu()));
}
template <class M>
uint64_t DirectUpdate(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t,
                      ExecutionContext& context) noexcept {
  return ToRegister(
      MapArgument<M>(r1).M::Update(BytesArgument(r2), BytesArgument(r3), r4, context.cpu()));
}
template <class M>
uint64_t DirectDelete(uint64_t r1, uint64_t r2, uint64_t, uint64_t, uint64_t,
                      ExecutionContext& context) noexcept {
  return ToRegister(MapArgument<M>(r1).M::Delete(BytesArgument(r2), context.cpu()));
}

// The function for helper `id`, or null.
template <class M>
HelperFunction DirectHelper(uint32_t id) {
  switch (id) {
    case 1:
      return &DirectLookup<M>;
    case 2:
      return &DirectUpdate<M>;
    case 3:
      return &DirectDelete<M>;
    default:
      return nullptr;
  }
}

}  // namespace skep

#endif  // SKEP_MAPS_DIRECT_HELPER_H_
