// SPDX-License-Identifier: Apache-2.0
// Word<kBits>: the integers of a machine whose registers have kBits bits.
//
// The abstract values (tnum.h, bounds.h, scalar.h) are written over Word, so
// that the code that judges 64-bit programs is the code that the tests run over
// every value of a 4-bit machine. At 32 and 64 bits everything here is the
// plain C++ integer; at other widths an Unsigned holds 0 .. 2^kBits - 1 and a
// Signed holds -2^(kBits-1) .. 2^(kBits-1) - 1.

#ifndef SKEP_VERIFIER_WORD_H_
#define SKEP_VERIFIER_WORD_H_

#include <cstdint>
#include <type_traits>

namespace skep::verifier {

template <int kBits>
struct Word {
  static_assert(kBits >= 1 && (kBits <= 32 || kBits == 64));

  using Unsigned = std::conditional_t<kBits == 64, uint64_t, uint32_t>;
  using Signed = std::conditional_t<kBits == 64, int64_t, int32_t>;

  // True if the C++ types have exactly kBits bits and so wrap by themselves.
  static constexpr bool kNative = kBits == 32 || kBits == 64;

  static constexpr Unsigned kMax =
      kNative ? static_cast<Unsigned>(~Unsigned{0}) : (Unsigned{1} << (kBits % 32)) - 1;
  static constexpr Unsigned kSignBit = Unsigned{1} << (kBits - 1);
  static constexpr Signed kSignedMax = static_cast<Signed>(kSignBit - 1);
  static constexpr Signed kSignedMin = -kSignedMax - 1;

  // The low kBits bits of v.
  static constexpr Unsigned Wrap(uint64_t v) { return static_cast<Unsigned>(v) & kMax; }

  // The two's complement views of one bit pattern.
  static constexpr Signed ToSigned(Unsigned v) {
    if constexpr (kNative) {
      return static_cast<Signed>(v);
    } else {
      return static_cast<Signed>((v ^ kSignBit) - kSignBit);
    }
  }
  static constexpr Unsigned ToUnsigned(Signed v) { return static_cast<Unsigned>(v) & kMax; }

  // Each stores the wrapped result and returns true if it is not the exact one.
  static constexpr bool AddOverflows(Unsigned a, Unsigned b, Unsigned* r) {
    if constexpr (kNative) return __builtin_add_overflow(a, b, r);
    *r = (a + b) & kMax;
    return a + b > kMax;
  }
  static constexpr bool SubOverflows(Unsigned a, Unsigned b, Unsigned* r) {
    *r = (a - b) & kMax;
    return a < b;
  }
  static constexpr bool MulOverflows(Unsigned a, Unsigned b, Unsigned* r) {
    if constexpr (kNative) return __builtin_mul_overflow(a, b, r);
    const uint64_t exact = uint64_t{a} * b;
    *r = Wrap(exact);
    return exact > kMax;
  }
  static constexpr bool AddOverflows(Signed a, Signed b, Signed* r) {
    if constexpr (kNative) return __builtin_add_overflow(a, b, r);
    return Narrow(int64_t{a} + b, r);
  }
  static constexpr bool SubOverflows(Signed a, Signed b, Signed* r) {
    if constexpr (kNative) return __builtin_sub_overflow(a, b, r);
    return Narrow(int64_t{a} - b, r);
  }
  static constexpr bool MulOverflows(Signed a, Signed b, Signed* r) {
    if constexpr (kNative) return __builtin_mul_overflow(a, b, r);
    return Narrow(int64_t{a} * b, r);
  }

 private:
  static constexpr bool Narrow(int64_t exact, Signed* r) {
    *r = ToSigned(Wrap(static_cast<uint64_t>(exact)));
    return exact != *r;
  }
};

}  // namespace skep::verifier

#endif  // SKEP_VERIFIER_WORD_H_
