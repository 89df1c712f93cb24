// SPDX-License-Identifier: Apache-2.0
// bpf_map_* helpers. The verifier made sure that keys and values have the map's
// sizes and that the map is of a type that has the operation.
#include "base/region.h"
#include "helpers/functions.h"
#include "helpers/registers.h"

namespace skep::helpers {

uint64_t MapLookupElem(uint64_t map, uint64_t key, uint64_t, uint64_t, uint64_t,
                       ExecutionContext& context) noexcept {
  return FromAddress(AsMap(map).Lookup(AsBytes(key), context.cpu()));
}

uint64_t MapUpdateElem(uint64_t map, uint64_t key, uint64_t value, uint64_t flags, uint64_t,
                       ExecutionContext& context) noexcept {
  return FromResult(AsMap(map).Update(AsBytes(key), AsBytes(value), flags, context.cpu()));
}

uint64_t MapDeleteElem(uint64_t map, uint64_t key, uint64_t, uint64_t, uint64_t,
                       ExecutionContext& context) noexcept {
  return FromResult(AsMap(map).Delete(AsBytes(key), context.cpu()));
}

uint64_t MapPushElem(uint64_t map, uint64_t value, uint64_t flags, uint64_t, uint64_t,
                     ExecutionContext&) noexcept {
  return FromResult(AsMap(map).Push(AsBytes(value), flags));
}

uint64_t MapPopElem(uint64_t map, uint64_t value, uint64_t, uint64_t, uint64_t,
                    ExecutionContext&) noexcept {
  return FromResult(AsMap(map).Pop(AsBytes(value)));
}

uint64_t MapPeekElem(uint64_t map, uint64_t value, uint64_t, uint64_t, uint64_t,
                     ExecutionContext&) noexcept {
  return FromResult(AsMap(map).Peek(AsBytes(value)));
}

uint64_t MapLookupPercpuElem(uint64_t map, uint64_t key, uint64_t cpu, uint64_t, uint64_t,
                             ExecutionContext&) noexcept {
  // Linux takes the CPU as u32.
  const auto slot = static_cast<uint32_t>(cpu);
  Map& m = AsMap(map);
  const uint64_t slots = m.host_value_size() / RoundUp(m.spec().value_size, 8);
  return slot < slots ? FromAddress(m.Lookup(AsBytes(key), slot)) : 0;
}

}  // namespace skep::helpers
