// SPDX-License-Identifier: Apache-2.0
// Where the bytes of a dynptr are. Those of a packet's are looked for at each
// use, since the packet may have moved or shrunk meanwhile.

#ifndef SKEP_HELPERS_DYNPTR_ACCESS_H_
#define SKEP_HELPERS_DYNPTR_ACCESS_H_

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "model/dynptr.h"
#include "model/host_context.h"

namespace skep::helpers {

// The `length` bytes at `at`; null if a packet does not have them any more.
// REQUIRES: not null, and CheckRange(at, length) == 0.
inline std::byte* DynptrBytes(const model::Dynptr& dynptr, uint32_t at, uint32_t length) {
  if (!dynptr.is_packet()) return dynptr.bytes() + at;
  std::byte* data = nullptr;
  std::byte* end = nullptr;
  if (dynptr.kind() == model::Dynptr::Kind::kSkb) {
    const auto* skb = reinterpret_cast<const model::SkbContext*>(dynptr.data);
    data = skb->data;
    end = skb->data_end;
  } else {
    const auto* xdp = reinterpret_cast<const model::XdpContext*>(dynptr.data);
    data = xdp->data;
    end = xdp->data_end;
  }
  const auto size = static_cast<uint64_t>(end - data);
  const uint64_t first = uint64_t{dynptr.offset} + at;
  return first > size || length > size - first ? nullptr : data + first;
}

// What a read or a write says where DynptrBytes is null.
inline int BytesAreGone(const model::Dynptr& dynptr) {
  return dynptr.kind() == model::Dynptr::Kind::kSkb ? -EFAULT : -EINVAL;
}

}  // namespace skep::helpers

#endif  // SKEP_HELPERS_DYNPTR_ACCESS_H_
