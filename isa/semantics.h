// SPDX-License-Identifier: Apache-2.0
// What each arithmetic operation computes, for concrete operands.
//
// The interpreter runs this code, the verifier folds constants with it, and the
// JIT tests compare machine code against it. Nothing else defines arithmetic.
// Every function is constexpr, total and free of undefined behaviour.
//
// Registers are 64-bit; 32-bit operations read the low halves and leave the
// upper half of the result zero (RFC 9669, section 4.1). Immediates come
// sign-extended to 64 bits. The host is little-endian (isa/decode.cc asserts it).
//
// Threads: pure functions.

#ifndef SKEP_ISA_SEMANTICS_H_
#define SKEP_ISA_SEMANTICS_H_

#include <cstdint>
#include <type_traits>

#include "isa/op.h"

namespace skep {

// The low `width` bits of value, the rest zero. width is 8, 16, 32 or 64.
constexpr uint64_t ZeroExtend(uint64_t value, int width) {
  return width == 64 ? value : value & ((uint64_t{1} << width) - 1);
}

// The low `width` bits of value as a signed number. width is 8, 16, 32 or 64.
constexpr uint64_t SignExtend(uint64_t value, int width) {
  const uint64_t sign = uint64_t{1} << (width - 1);
  return (ZeroExtend(value, width) ^ sign) - sign;
}

// The low `width` bits of value with their bytes reversed, the rest zero.
constexpr uint64_t SwapBytes(uint64_t value, int width) {
  if (width == 16) return __builtin_bswap16(static_cast<uint16_t>(value));
  if (width == 32) return __builtin_bswap32(static_cast<uint32_t>(value));
  return __builtin_bswap64(value);
}

// Returns the new dst. For kNeg and the byte order kinds src is not used; for
// kMov and kMovSx* dst is not. width: 32 or 64; 16 too for byte order.
template <OpKind kind, int width>
constexpr uint64_t EvalAlu(uint64_t dst, uint64_t src) {
  static_assert(ClassOf(kind) == OpClass::kAlu);
  // The byte order kinds: what they drop or swap is given by width alone.
  if constexpr (kind == OpKind::kToLe) {
    return ZeroExtend(dst, width);
  } else if constexpr (kind == OpKind::kToBe || kind == OpKind::kBswap) {
    return SwapBytes(dst, width);
  } else {
    static_assert(width == 32 || width == 64);
    dst = ZeroExtend(dst, width);
    src = ZeroExtend(src, width);
    [[maybe_unused]] const auto sdst = static_cast<int64_t>(SignExtend(dst, width));
    [[maybe_unused]] const auto ssrc = static_cast<int64_t>(SignExtend(src, width));
    // A register count is taken modulo the width (section 4.1).
    [[maybe_unused]] const uint64_t count = src & (width - 1);

    uint64_t result = 0;
    if constexpr (kind == OpKind::kAdd) result = dst + src;
    if constexpr (kind == OpKind::kSub) result = dst - src;
    if constexpr (kind == OpKind::kMul) result = dst * src;
    // Division by zero yields zero, modulo zero leaves dst (section 4.1).
    if constexpr (kind == OpKind::kDiv) result = src == 0 ? 0 : dst / src;
    if constexpr (kind == OpKind::kMod) result = src == 0 ? dst : dst % src;
    // The smallest value divided by -1 wraps to itself, with remainder zero.
    if constexpr (kind == OpKind::kSDiv) {
      if (ssrc == -1) {
        result = 0 - dst;
      } else if (ssrc != 0) {
        result = static_cast<uint64_t>(sdst / ssrc);
      }
    }
    if constexpr (kind == OpKind::kSMod) {
      if (ssrc == 0) {
        result = dst;
      } else if (ssrc != -1) {
        result = static_cast<uint64_t>(sdst % ssrc);
      }
    }
    if constexpr (kind == OpKind::kOr) result = dst | src;
    if constexpr (kind == OpKind::kAnd) result = dst & src;
    if constexpr (kind == OpKind::kXor) result = dst ^ src;
    if constexpr (kind == OpKind::kLsh) result = dst << count;
    if constexpr (kind == OpKind::kRsh) result = dst >> count;
    if constexpr (kind == OpKind::kArsh) result = static_cast<uint64_t>(sdst >> count);
    if constexpr (kind == OpKind::kNeg) result = 0 - dst;
    if constexpr (kind == OpKind::kMov) result = src;
    if constexpr (kind == OpKind::kMovSx8) result = SignExtend(src, 8);
    if constexpr (kind == OpKind::kMovSx16) result = SignExtend(src, 16);
    if constexpr (kind == OpKind::kMovSx32) result = SignExtend(src, 32);
    return ZeroExtend(result, width);
  }
}

// Returns true if the jump is taken. src is the register or the sign-extended
// immediate. width is 32 or 64.
template <OpKind kind, int width>
constexpr bool EvalJump(uint64_t dst, uint64_t src) {
  static_assert(ClassOf(kind) == OpClass::kBranch);
  static_assert(width == 32 || width == 64);
  using Unsigned = std::conditional_t<width == 32, uint32_t, uint64_t>;
  using Signed = std::conditional_t<width == 32, int32_t, int64_t>;
  const auto a = static_cast<Unsigned>(dst);
  const auto b = static_cast<Unsigned>(src);
  [[maybe_unused]] const auto sa = static_cast<Signed>(a);
  [[maybe_unused]] const auto sb = static_cast<Signed>(b);
  if constexpr (kind == OpKind::kJEq) return a == b;
  if constexpr (kind == OpKind::kJNe) return a != b;
  if constexpr (kind == OpKind::kJGt) return a > b;
  if constexpr (kind == OpKind::kJGe) return a >= b;
  if constexpr (kind == OpKind::kJLt) return a < b;
  if constexpr (kind == OpKind::kJLe) return a <= b;
  if constexpr (kind == OpKind::kJSet) return (a & b) != 0;
  if constexpr (kind == OpKind::kJSGt) return sa > sb;
  if constexpr (kind == OpKind::kJSGe) return sa >= sb;
  if constexpr (kind == OpKind::kJSLt) return sa < sb;
  if constexpr (kind == OpKind::kJSLe) return sa <= sb;
}

// Returns what an atomic read-modify-write leaves in memory, of which the low
// `width` bits count. `expected` is r0; only kCmpXchg looks at it. The operation
// also returns the old value, zero-extended, to src (fetch, xchg) or r0 (cmpxchg).
template <OpKind kind, int width>
constexpr uint64_t EvalAtomic(uint64_t old, uint64_t src, [[maybe_unused]] uint64_t expected = 0) {
  static_assert(ClassOf(kind) == OpClass::kAtomic);
  static_assert(width == 32 || width == 64);
  uint64_t result = 0;
  if constexpr (kind == OpKind::kAtomicAdd || kind == OpKind::kAtomicFetchAdd) result = old + src;
  if constexpr (kind == OpKind::kAtomicOr || kind == OpKind::kAtomicFetchOr) result = old | src;
  if constexpr (kind == OpKind::kAtomicAnd || kind == OpKind::kAtomicFetchAnd) result = old & src;
  if constexpr (kind == OpKind::kAtomicXor || kind == OpKind::kAtomicFetchXor) result = old ^ src;
  if constexpr (kind == OpKind::kXchg) result = src;
  if constexpr (kind == OpKind::kCmpXchg) {
    result = ZeroExtend(old, width) == ZeroExtend(expected, width) ? src : old;
  }
  return ZeroExtend(result, width);
}

// The same functions for a kind known only at run time.
// REQUIRES: ClassOf(kind) is kAlu (kBranch, kAtomic), and a row of the table has
// this kind and width; breaking this aborts.
uint64_t EvalAlu(OpKind kind, int width, uint64_t dst, uint64_t src);
bool EvalJump(OpKind kind, int width, uint64_t dst, uint64_t src);
uint64_t EvalAtomic(OpKind kind, int width, uint64_t old, uint64_t src, uint64_t expected);

}  // namespace skep

#endif  // SKEP_ISA_SEMANTICS_H_
