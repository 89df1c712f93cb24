// SPDX-License-Identifier: Apache-2.0
// Helpers on dynptrs. A call that fails to make one leaves a null dynptr, which
// every later call refuses; a record's one must be given back all the same.
#include "model/dynptr.h"

#include <cerrno>

#include "base/word_copy.h"
#include "helpers/dynptr_access.h"
#include "helpers/functions.h"
#include "helpers/registers.h"
#include "model/ringbuf.h"
#include "model/shared_rings.h"

namespace skep::helpers {

// As for skb_store_bytes. Packets of this process have no checksum beside them.
constexpr uint64_t kRecomputeChecksum = 1;
constexpr uint64_t kInvalidateHash = 2;

using model::Dynptr;
using model::Ringbuf;

uint64_t DynptrFromMem(uint64_t data, uint64_t size, uint64_t flags, uint64_t dynptr, uint64_t,
                       ExecutionContext&) noexcept {
  Dynptr& out = Dynptr::At(dynptr);
  const auto bytes = static_cast<uint32_t>(size);
  out = {};
  if (bytes > Dynptr::kMaxSize) return FromResult(-E2BIG);
  if (flags != 0) return FromResult(-EINVAL);
  out = Dynptr::Make(Dynptr::Kind::kLocal, data, bytes);
  return 0;
}

uint64_t RingbufReserveDynptr(uint64_t map, uint64_t size, uint64_t flags, uint64_t dynptr,
                              uint64_t, ExecutionContext&) noexcept {
  Dynptr& out = Dynptr::At(dynptr);
  const auto bytes = static_cast<uint32_t>(size);
  out = {};
  if (flags != 0) return FromResult(-EINVAL);
  if (bytes > Dynptr::kMaxSize) return FromResult(-E2BIG);
  const std::byte* record = Ringbuf::Of(AsMap(map)).Reserve(bytes, 0);
  if (record == nullptr) return FromResult(-EINVAL);
  out = Dynptr::Make(Dynptr::Kind::kRingbuf, FromAddress(record), bytes);
  return 0;
}

namespace {

// A null dynptr is what a failed reservation left.
void Commit(uint64_t dynptr, uint64_t flags, bool discard, ExecutionContext& context) noexcept {
  Dynptr& d = Dynptr::At(dynptr);
  if (d.is_null()) return;
  model::CommitRecord(context, AsBytes(d.data), flags, discard);
  d = {};
}

}  // namespace

uint64_t RingbufSubmitDynptr(uint64_t dynptr, uint64_t flags, uint64_t, uint64_t, uint64_t,
                             ExecutionContext& context) noexcept {
  Commit(dynptr, flags, false, context);
  return 0;
}

uint64_t RingbufDiscardDynptr(uint64_t dynptr, uint64_t flags, uint64_t, uint64_t, uint64_t,
                              ExecutionContext& context) noexcept {
  Commit(dynptr, flags, true, context);
  return 0;
}

// Lengths and offsets are u32, as in Linux.
uint64_t DynptrRead(uint64_t to, uint64_t length, uint64_t dynptr, uint64_t offset, uint64_t flags,
                    ExecutionContext&) noexcept {
  const Dynptr& from = Dynptr::At(dynptr);
  const auto bytes = static_cast<uint32_t>(length);
  const auto at = static_cast<uint32_t>(offset);
  if (from.is_null() || flags != 0) return FromResult(-EINVAL);
  if (const int refused = from.CheckRange(at, bytes); refused != 0) return FromResult(refused);
  const std::byte* source = DynptrBytes(from, at, bytes);
  if (source == nullptr) return FromResult(BytesAreGone(from));
  MoveWords(AsBytes(to), source, bytes);
  return 0;
}

uint64_t DynptrWrite(uint64_t dynptr, uint64_t offset, uint64_t data, uint64_t length,
                     uint64_t flags, ExecutionContext&) noexcept {
  const Dynptr& to = Dynptr::At(dynptr);
  const auto bytes = static_cast<uint32_t>(length);
  const auto at = static_cast<uint32_t>(offset);
  if (to.is_null() || to.read_only()) return FromResult(-EINVAL);
  if (const int refused = to.CheckRange(at, bytes); refused != 0) return FromResult(refused);
  const bool skb = to.kind() == Dynptr::Kind::kSkb;
  if ((flags & ~(skb ? kRecomputeChecksum | kInvalidateHash : 0)) != 0) return FromResult(-EINVAL);
  std::byte* target = DynptrBytes(to, at, bytes);
  if (target == nullptr) return FromResult(BytesAreGone(to));
  MoveWords(target, AsBytes(data), bytes);
  if (skb && (flags & kInvalidateHash) != 0) {
    reinterpret_cast<model::SkbContext*>(to.data)->hash = 0;
  }
  return 0;
}

// Null where the bytes cannot be written or do not lie in one piece.
uint64_t DynptrData(uint64_t dynptr, uint64_t offset, uint64_t length, uint64_t, uint64_t,
                    ExecutionContext&) noexcept {
  const Dynptr& d = Dynptr::At(dynptr);
  const auto bytes = static_cast<uint32_t>(length);
  const auto at = static_cast<uint32_t>(offset);
  if (d.is_null() || d.CheckRange(at, bytes) != 0 || d.read_only() || d.is_packet()) return 0;
  return FromAddress(d.bytes() + at);
}

}  // namespace skep::helpers
