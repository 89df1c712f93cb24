// SPDX-License-Identifier: Apache-2.0
// Kernel functions on dynptrs.
#include <cerrno>

#include "base/word_copy.h"
#include "helpers/dynptr_access.h"
#include "helpers/functions.h"
#include "helpers/registers.h"
#include "model/exec_program.h"

namespace skep::helpers {
namespace {

using model::Dynptr;

// The bytes themselves; null if there is no such range.
std::byte* Slice(uint64_t dynptr, uint64_t offset, uint64_t length) {
  const Dynptr& d = Dynptr::At(dynptr);
  const auto at = static_cast<uint32_t>(offset);
  const auto bytes = static_cast<uint32_t>(length);
  if (d.is_null() || d.CheckRange(at, bytes) != 0) return nullptr;
  return DynptrBytes(d, at, bytes);
}

std::byte* WritableSlice(uint64_t dynptr, uint64_t offset, uint64_t length) {
  return Dynptr::At(dynptr).read_only() ? nullptr : Slice(dynptr, offset, length);
}

template <class Context>
uint32_t LengthOf(uint64_t packet) {
  const auto& context = *reinterpret_cast<const Context*>(packet);
  return static_cast<uint32_t>(context.data_end - context.data);
}

uint64_t FromPacket(Dynptr::Kind kind, uint64_t packet, uint32_t length, uint64_t flags,
                    uint64_t dynptr, uint64_t info) {
  Dynptr& out = Dynptr::At(dynptr);
  out = {};
  if (flags != 0) return FromResult(-EINVAL);
  const auto& call = *reinterpret_cast<const model::KfuncCallInfo*>(info);
  const bool read_only = !PacketIsWritable(call.program->program_type->packet);
  out = Dynptr::Make(kind, packet, length, read_only);
  return 0;
}

}  // namespace

uint64_t DynptrFromSkb(uint64_t skb, uint64_t flags, uint64_t dynptr, uint64_t info, uint64_t,
                       ExecutionContext&) noexcept {
  return FromPacket(Dynptr::Kind::kSkb, skb, LengthOf<model::SkbContext>(skb), flags, dynptr, info);
}

uint64_t DynptrFromXdp(uint64_t xdp, uint64_t flags, uint64_t dynptr, uint64_t info, uint64_t,
                       ExecutionContext&) noexcept {
  return FromPacket(Dynptr::Kind::kXdp, xdp, LengthOf<model::XdpContext>(xdp), flags, dynptr, info);
}

// All packets of this process lie in one piece: the buffer that the program
// offers for others is never needed.
uint64_t DynptrSlice(uint64_t dynptr, uint64_t offset, uint64_t, uint64_t length, uint64_t,
                     ExecutionContext&) noexcept {
  return FromAddress(Slice(dynptr, offset, length));
}

uint64_t DynptrSliceRdwr(uint64_t dynptr, uint64_t offset, uint64_t, uint64_t length, uint64_t,
                         ExecutionContext&) noexcept {
  return FromAddress(WritableSlice(dynptr, offset, length));
}

uint64_t DynptrAdjust(uint64_t dynptr, uint64_t first, uint64_t last, uint64_t, uint64_t,
                      ExecutionContext&) noexcept {
  Dynptr& d = Dynptr::At(dynptr);
  const auto start = static_cast<uint32_t>(first);
  const auto end = static_cast<uint32_t>(last);
  if (d.is_null() || start > end) return FromResult(-EINVAL);
  if (end > d.size()) return FromResult(-ERANGE);
  d.offset += start;
  d.set_size(end - start);
  return 0;
}

uint64_t DynptrIsNull(uint64_t dynptr, uint64_t, uint64_t, uint64_t, uint64_t,
                      ExecutionContext&) noexcept {
  return Dynptr::At(dynptr).is_null() ? 1 : 0;
}

uint64_t DynptrIsRdonly(uint64_t dynptr, uint64_t, uint64_t, uint64_t, uint64_t,
                        ExecutionContext&) noexcept {
  const Dynptr& d = Dynptr::At(dynptr);
  return !d.is_null() && d.read_only() ? 1 : 0;
}

// A __u32 for programs: a negative errno has 32 bits, too.
uint64_t DynptrSize(uint64_t dynptr, uint64_t, uint64_t, uint64_t, uint64_t,
                    ExecutionContext&) noexcept {
  const Dynptr& d = Dynptr::At(dynptr);
  return d.is_null() ? static_cast<uint32_t>(-EINVAL) : d.size();
}

uint64_t DynptrClone(uint64_t dynptr, uint64_t clone, uint64_t, uint64_t, uint64_t,
                     ExecutionContext&) noexcept {
  const Dynptr d = Dynptr::At(dynptr);
  Dynptr::At(clone) = d.is_null() ? Dynptr{} : d;
  return d.is_null() ? FromResult(-EINVAL) : 0;
}

uint64_t DynptrCopy(uint64_t to, uint64_t to_offset, uint64_t from, uint64_t from_offset,
                    uint64_t length, ExecutionContext&) noexcept {
  const auto bytes = static_cast<uint32_t>(length);
  const std::byte* source = Slice(from, from_offset, bytes);
  std::byte* target = WritableSlice(to, to_offset, bytes);
  if (source != nullptr && target != nullptr) {
    MoveWords(target, source, bytes);
    return 0;
  }
  // One of the two is at fault: what a read or a write of it says.
  const Dynptr& bad = source == nullptr ? Dynptr::At(from) : Dynptr::At(to);
  if (source == nullptr && target == nullptr) {
    const bool inside = Dynptr::At(to).CheckRange(static_cast<uint32_t>(to_offset), bytes) == 0 &&
                        Dynptr::At(from).CheckRange(static_cast<uint32_t>(from_offset), bytes) == 0;
    if (!inside) return FromResult(-E2BIG);
    return bytes == 0 ? 0 : FromResult(-EINVAL);
  }
  if (bad.is_null() || (target == nullptr && bad.read_only())) return FromResult(-EINVAL);
  return FromResult(-E2BIG);
}

uint64_t DynptrMemset(uint64_t dynptr, uint64_t offset, uint64_t length, uint64_t value, uint64_t,
                      ExecutionContext&) noexcept {
  const Dynptr& d = Dynptr::At(dynptr);
  const auto bytes = static_cast<uint32_t>(length);
  if (d.read_only()) return FromResult(-EINVAL);
  if (const int refused = d.CheckRange(static_cast<uint32_t>(offset), bytes); refused != 0) {
    return FromResult(refused);
  }
  std::byte* target = WritableSlice(dynptr, offset, bytes);
  if (target == nullptr) return bytes == 0 ? 0 : FromResult(-EINVAL);
  for (uint32_t i = 0; i < bytes; ++i) {
    StoreRelaxed(FromAddress(target) + i, static_cast<uint8_t>(value));
  }
  return 0;
}

}  // namespace skep::helpers
