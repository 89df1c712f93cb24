// SPDX-License-Identifier: Apache-2.0
// Bytes and checksums of an skb packet, at offsets from its start.
#include <cerrno>
#include <cstring>
#include <limits>

#include "helpers/functions.h"
#include "helpers/packet_registers.h"
#include "model/internet_checksum.h"

namespace skep::helpers {
namespace {

using model::AddSums;
using model::Checksum;
using model::SkbContext;
using model::SubtractSums;

// Linux's flags (linux/bpf.h).
constexpr uint64_t kRecomputeChecksum = 1u << 0;
constexpr uint64_t kInvalidateHash = 1u << 1;
constexpr uint64_t kFieldMask = 0xf;
constexpr uint64_t kPseudoHeader = 1u << 4;
constexpr uint64_t kMarkMangled0 = 1u << 5;
constexpr uint64_t kMarkEnforce = 1u << 6;
constexpr uint64_t kIpv6 = 1u << 7;
constexpr uint32_t kMaxOffset = 0xffff;

uint64_t Refused(std::byte* to, uint32_t size) {
  std::memset(to, 0, size);
  return FromResult(-EFAULT);
}

uint16_t Complement(uint32_t sum) { return static_cast<uint16_t>(~model::FoldSum(sum)); }

// The checksum of data in which `diff` was added.
uint16_t ReplaceByDifference(uint16_t checksum, uint32_t diff) {
  return Complement(AddSums(diff, ~uint32_t{checksum}));
}

uint16_t Replace32(uint16_t checksum, uint32_t from, uint32_t to) {
  return Complement(AddSums(SubtractSums(~uint32_t{checksum}, from), to));
}

uint16_t Add16(uint16_t a, uint16_t b) {
  const uint32_t sum = uint32_t{a} + b;
  return static_cast<uint16_t>(sum + (sum >> 16));
}

uint16_t Replace16(uint16_t checksum, uint16_t from, uint16_t to) {
  const auto not_checksum = static_cast<uint16_t>(~checksum);
  return static_cast<uint16_t>(~Add16(Add16(not_checksum, static_cast<uint16_t>(~from)), to));
}

// A field of a pseudo header that changes is not in the packet: the sum of the
// whole packet follows the checksum alone.
uint16_t ReplaceInSegment(SkbContext& skb, uint16_t checksum, uint32_t from, uint32_t to,
                          bool pseudo) {
  if (skb.checksum == Checksum::kComplete && pseudo) {
    skb.csum = ~AddSums(SubtractSums(~skb.csum, from), to);
  }
  return Replace32(checksum, from, to);
}

// 0, or why the 16 bits at `offset` cannot be a checksum to change.
int64_t CheckField(const SkbContext& skb, uint32_t offset) {
  if (offset > kMaxOffset || offset % 2 != 0) return -EFAULT;
  return Holds(skb, offset, sizeof(uint16_t)) ? 0 : -EFAULT;
}

uint16_t LoadField(const SkbContext& skb, uint32_t offset) {
  uint16_t value;
  std::memcpy(&value, skb.data + offset, sizeof value);
  return value;
}
void StoreField(SkbContext& skb, uint32_t offset, uint16_t value) {
  std::memcpy(skb.data + offset, &value, sizeof value);
}

}  // namespace

uint64_t SkbStoreBytes(uint64_t r1, uint64_t r2, uint64_t from, uint64_t r4, uint64_t flags,
                       ExecutionContext&) noexcept {
  SkbContext& skb = AsSkb(r1);
  const auto offset = static_cast<uint32_t>(r2), size = static_cast<uint32_t>(r4);
  if ((flags & ~(kRecomputeChecksum | kInvalidateHash)) != 0) return FromResult(-EINVAL);
  if (offset > std::numeric_limits<int32_t>::max() || !Holds(skb, offset, size)) {
    return FromResult(-EFAULT);
  }
  std::byte* at = skb.data + offset;
  const bool sums = (flags & kRecomputeChecksum) != 0 && skb.checksum == Checksum::kComplete;
  if (sums) skb.csum = SubtractSums(skb.csum, model::SumOfBlock({at, size}, offset));
  std::memmove(at, AsBytes(from), size);
  if (sums) skb.csum = AddSums(skb.csum, model::SumOfBlock({at, size}, offset));
  if ((flags & kInvalidateHash) != 0) {
    skb.hash = 0;
    skb.has_hash = false;
  }
  return 0;
}

uint64_t SkbLoadBytes(uint64_t r1, uint64_t r2, uint64_t to, uint64_t r4, uint64_t,
                      ExecutionContext&) noexcept {
  const SkbContext& skb = AsSkb(r1);
  const auto offset = static_cast<uint32_t>(r2), size = static_cast<uint32_t>(r4);
  if (offset > std::numeric_limits<int32_t>::max() || !Holds(skb, offset, size)) {
    return Refused(AsBytes(to), size);
  }
  std::memmove(AsBytes(to), skb.data + offset, size);
  return 0;
}

uint64_t SkbLoadBytesRelative(uint64_t r1, uint64_t r2, uint64_t to, uint64_t r4, uint64_t r5,
                              ExecutionContext&) noexcept {
  const SkbContext& skb = AsSkb(r1);
  const auto offset = static_cast<uint32_t>(r2), size = static_cast<uint32_t>(r4);
  constexpr uint32_t kFromMac = 0, kFromNetwork = 1;
  const auto start = static_cast<uint32_t>(r5);
  if (offset > kMaxOffset || start > kFromNetwork) return Refused(AsBytes(to), size);
  const std::byte* from = start == kFromMac ? skb.mac : skb.network;
  if (int64_t{offset} + size > skb.data_end - from) return Refused(AsBytes(to), size);
  std::memmove(AsBytes(to), from + offset, size);
  return 0;
}

// Packets are in one piece here, so that there is nothing to pull.
uint64_t SkbPullData(uint64_t r1, uint64_t r2, uint64_t, uint64_t, uint64_t,
                     ExecutionContext&) noexcept {
  return Holds(AsSkb(r1), static_cast<uint32_t>(r2), 0) ? 0 : FromResult(-ENOMEM);
}

uint64_t L3CsumReplace(uint64_t r1, uint64_t r2, uint64_t from, uint64_t to, uint64_t flags,
                       ExecutionContext&) noexcept {
  SkbContext& skb = AsSkb(r1);
  const auto offset = static_cast<uint32_t>(r2);
  if ((flags & ~kFieldMask) != 0) return FromResult(-EINVAL);
  if (const int64_t error = CheckField(skb, offset); error != 0) return FromResult(error);
  uint16_t checksum = LoadField(skb, offset);
  switch (flags) {
    case 0:
      if (from != 0) return FromResult(-EINVAL);
      checksum = ReplaceByDifference(checksum, static_cast<uint32_t>(to));
      break;
    case 2:
      checksum = Replace16(checksum, static_cast<uint16_t>(from), static_cast<uint16_t>(to));
      break;
    case 4:
      checksum = Replace32(checksum, static_cast<uint32_t>(from), static_cast<uint32_t>(to));
      break;
    default:
      return FromResult(-EINVAL);
  }
  StoreField(skb, offset, checksum);
  return 0;
}

uint64_t L4CsumReplace(uint64_t r1, uint64_t r2, uint64_t from, uint64_t to, uint64_t flags,
                       ExecutionContext&) noexcept {
  SkbContext& skb = AsSkb(r1);
  const auto offset = static_cast<uint32_t>(r2);
  constexpr uint64_t kKnown = kFieldMask | kPseudoHeader | kMarkMangled0 | kMarkEnforce | kIpv6;
  if ((flags & ~kKnown) != 0) return FromResult(-EINVAL);
  if (const int64_t error = CheckField(skb, offset); error != 0) return FromResult(error);
  const bool pseudo = (flags & kPseudoHeader) != 0;
  const bool mangled = (flags & kMarkMangled0) != 0;
  uint16_t checksum = LoadField(skb, offset);
  // A UDP packet without a checksum stays without.
  if (mangled && (flags & kMarkEnforce) == 0 && checksum == 0) return 0;
  switch (flags & kFieldMask) {
    case 0: {
      if (from != 0) return FromResult(-EINVAL);
      const auto diff = static_cast<uint32_t>(to);
      checksum = ReplaceByDifference(checksum, diff);
      if (skb.checksum == Checksum::kComplete && pseudo && (flags & kIpv6) == 0) {
        skb.csum = ~SubtractSums(diff, skb.csum);
      }
      break;
    }
    case 2:
      checksum = ReplaceInSegment(skb, checksum, static_cast<uint16_t>(from),
                                  static_cast<uint16_t>(to), pseudo);
      break;
    case 4:
      checksum = ReplaceInSegment(skb, checksum, static_cast<uint32_t>(from),
                                  static_cast<uint32_t>(to), pseudo);
      break;
    default:
      return FromResult(-EINVAL);
  }
  if (mangled && checksum == 0) checksum = 0xffff;
  StoreField(skb, offset, checksum);
  return 0;
}

uint64_t CsumUpdate(uint64_t r1, uint64_t r2, uint64_t, uint64_t, uint64_t,
                    ExecutionContext&) noexcept {
  SkbContext& skb = AsSkb(r1);
  if (skb.checksum != Checksum::kComplete) return FromResult(-kNotSupported);
  skb.csum = AddSums(skb.csum, static_cast<uint32_t>(r2));
  return skb.csum;
}

uint64_t CsumLevel(uint64_t r1, uint64_t level, uint64_t, uint64_t, uint64_t,
                   ExecutionContext&) noexcept {
  SkbContext& skb = AsSkb(r1);
  enum : uint64_t { kQuery, kIncrement, kDecrement, kReset };
  constexpr uint8_t kMaxLevel = 3;
  const bool valid = skb.checksum == Checksum::kUnnecessary;
  switch (level) {
    case kQuery:
      return valid ? skb.checksum_level : FromResult(-EACCES);
    case kIncrement:
      if (valid) {
        if (skb.checksum_level < kMaxLevel) ++skb.checksum_level;
      } else if (skb.checksum == Checksum::kNone) {
        skb.checksum = Checksum::kUnnecessary;
        skb.checksum_level = 0;
      }
      return 0;
    case kDecrement:
      if (valid && skb.checksum_level == 0) {
        skb.checksum = Checksum::kNone;
      } else if (valid) {
        --skb.checksum_level;
      }
      return 0;
    case kReset:
      if (valid) {
        skb.checksum = Checksum::kNone;
        skb.checksum_level = 0;
      }
      return 0;
    default:
      return FromResult(-EINVAL);
  }
}

}  // namespace skep::helpers
