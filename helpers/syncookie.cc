// SPDX-License-Identifier: Apache-2.0
// SYN cookies without a socket (tcp_raw_*_syncookie_*). A cookie has Linux's
// layout: a keyed hash of the connection, plus the peer's sequence number, plus
// the minute in the upper 8 bits, plus, in the lower 24, another keyed hash of
// connection and minute and the index of the segment size. The keyed hash is
// SipHash with the runtime's key, so a kernel's cookies do not pass here, nor
// ours there.
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <span>

#include "helpers/functions.h"
#include "helpers/packet_registers.h"
#include "helpers/siphash.h"

namespace skep::helpers {
namespace {

constexpr uint32_t kDataBits = 24;
constexpr uint32_t kDataMask = (1u << kDataBits) - 1;
constexpr uint32_t kMaxAge = 2;  // minutes
constexpr uint16_t kDefaultSegment = 536;
constexpr uint16_t kDefaultSegment6 = 1280 - kIpv6Header - kTcpHeader;
// The segment sizes that a cookie can carry.
constexpr std::array<uint16_t, 4> kSegments = {536, 1300, 1440, 1460};
constexpr std::array<uint16_t, 4> kSegments6 = {1280 - 60, 1480 - 60, 1500 - 60, 9000 - 60};

uint32_t Load32(const std::byte* from) {
  uint32_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
uint32_t FromNetwork32(const std::byte* from) { return __builtin_bswap32(Load32(from)); }

class Cookies {
 public:
  // `addresses`: both, as they lie in the packet.
  Cookies(std::span<const std::byte> addresses, const std::byte* tcp, ExecutionContext& context)
      : key_(KeyOf(context)), minute_(MinuteOf(context)) {
    std::memcpy(block_.data(), addresses.data(), addresses.size());
    std::memcpy(block_.data() + 32, tcp, 4);  // ports
  }

  uint32_t Make(uint32_t sequence, uint32_t data) {
    return Hash(0, 0) + sequence + (minute_ << kDataBits) + ((Hash(minute_, 1) + data) & kDataMask);
  }

  // What Make was given as data; something larger if this is no cookie.
  uint32_t Open(uint32_t cookie, uint32_t sequence) {
    cookie -= Hash(0, 0) + sequence;
    const uint32_t age = (minute_ - (cookie >> kDataBits)) & (~0u >> kDataBits);
    if (age >= kMaxAge) return ~0u;
    return (cookie - Hash(minute_ - age, 1)) & kDataMask;
  }

 private:
  static std::array<uint64_t, 2> KeyOf(ExecutionContext& context) {
    const auto& given = PacketHooksOf(context).secret;
    return given == std::array<uint64_t, 2>{} ? PacketOf(context).secret : given;
  }
  static uint32_t MinuteOf(ExecutionContext& context) {
    constexpr uint64_t kMinute = 60'000'000'000;
    if (const auto& clock = context.hooks().clock) {
      return static_cast<uint32_t>(clock(CLOCK_MONOTONIC) / kMinute);
    }
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint32_t>(now.tv_sec / 60);
  }
  uint32_t Hash(uint32_t count, uint32_t which) {
    std::memcpy(block_.data() + 36, &count, sizeof count);
    std::memcpy(block_.data() + 40, &which, sizeof which);
    return static_cast<uint32_t>(SipHash(key_, block_));
  }

  const std::array<uint64_t, 2> key_;
  const uint32_t minute_;
  std::array<std::byte, 44> block_{};
};

// The segment size that the options of a TCP header ask for; 0 if none.
uint16_t SegmentOption(std::span<const std::byte> options) {
  constexpr uint8_t kEnd = 0, kNothing = 1, kSegmentSize = 2;
  uint16_t size = 0;
  while (!options.empty()) {
    const auto kind = std::to_integer<uint8_t>(options[0]);
    if (kind == kEnd) break;
    if (kind == kNothing) {
      options = options.subspan(1);
      continue;
    }
    if (options.size() < 2) break;
    const auto bytes = std::to_integer<size_t>(options[1]);
    if (bytes < 2 || bytes > options.size()) break;
    if (kind == kSegmentSize && bytes == 4) {
      const auto asked = static_cast<uint16_t>(std::to_integer<uint32_t>(options[2]) << 8 |
                                               std::to_integer<uint32_t>(options[3]));
      if (asked != 0) size = asked;
    }
    options = options.subspan(bytes);
  }
  return size;
}

uint64_t Generate(std::span<const std::byte> addresses, uint64_t r2, uint64_t r3,
                  std::span<const uint16_t, 4> segments, uint16_t fallback,
                  ExecutionContext& context) {
  const std::byte* tcp = AsBytes(r2);
  const auto size = static_cast<uint32_t>(r3);
  if (size < kTcpHeader || size != (std::to_integer<uint32_t>(tcp[12]) >> 4) * 4) {
    return FromResult(-EINVAL);
  }
  uint16_t asked = SegmentOption({tcp + kTcpHeader, size - kTcpHeader});
  if (asked == 0) asked = fallback;
  uint32_t index = 3;
  while (index > 0 && asked < segments[index]) --index;
  const uint32_t cookie = Cookies(addresses, tcp, context).Make(FromNetwork32(tcp + 4), index);
  return cookie | uint64_t{segments[index]} << 32;
}

uint64_t Check(std::span<const std::byte> addresses, uint64_t r2, ExecutionContext& context) {
  const std::byte* tcp = AsBytes(r2);
  const uint32_t cookie = FromNetwork32(tcp + 8) - 1;
  const uint32_t data = Cookies(addresses, tcp, context).Open(cookie, FromNetwork32(tcp + 4) - 1);
  return data < kSegments.size() ? 0 : FromResult(-EACCES);
}

}  // namespace

uint64_t TcpRawGenSyncookieIpv4(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t, uint64_t,
                                ExecutionContext& context) noexcept {
  return Generate({AsBytes(r1) + 12, 8}, r2, r3, kSegments, kDefaultSegment, context);
}

uint64_t TcpRawGenSyncookieIpv6(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t, uint64_t,
                                ExecutionContext& context) noexcept {
  return Generate({AsBytes(r1) + 8, 32}, r2, r3, kSegments6, kDefaultSegment6, context);
}

uint64_t TcpRawCheckSyncookieIpv4(uint64_t r1, uint64_t r2, uint64_t, uint64_t, uint64_t,
                                  ExecutionContext& context) noexcept {
  return Check({AsBytes(r1) + 12, 8}, r2, context);
}

uint64_t TcpRawCheckSyncookieIpv6(uint64_t r1, uint64_t r2, uint64_t, uint64_t, uint64_t,
                                  ExecutionContext& context) noexcept {
  return Check({AsBytes(r1) + 8, 32}, r2, context);
}

}  // namespace skep::helpers
