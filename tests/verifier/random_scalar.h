// SPDX-License-Identifier: Apache-2.0
// Random 64-bit values and scalars for the tests, chosen where arithmetic wraps
// and ranges change sign.

#ifndef SKEP_TESTS_VERIFIER_RANDOM_SCALAR_H_
#define SKEP_TESTS_VERIFIER_RANDOM_SCALAR_H_

#include <cstdint>
#include <random>

#include "verifier/scalar.h"

namespace skep::verifier {

// Often near a place where 8, 16, 32 or 64 bits wrap or change sign.
inline uint64_t HostileValue(std::mt19937_64& random) {
  static constexpr uint64_t kPlaces[] = {
      0,          0x80,       0x100,       0x8000,     0x10000,
      0x7fffffff, 0xffffffff, 0x100000000, 1ull << 62, 0x7fffffffffffffff,
      1ull << 63};
  const uint64_t bits = random();
  uint64_t v;
  switch (bits % 5) {
    case 0:
      return random();
    case 1:
      return random() >> (random() % 64);
    case 2:
      v = random() % 70;
      break;
    default:
      v = kPlaces[random() % std::size(kPlaces)] + random() % 5 - 2;
  }
  return (bits & 64) != 0 ? 0 - v : v;
}

template <int kBits>
void NarrowAround(std::mt19937_64& random, typename Word<kBits>::Unsigned v,
                  BasicBounds<kBits>* b) {
  using W = Word<kBits>;
  const auto s = W::ToSigned(v);
  for (int i = 0; i < 4; ++i) {
    const uint64_t choice = random();
    const auto other = W::Wrap((choice & 1) != 0 ? HostileValue(random) : v + random() % 200 - 100);
    const auto signed_other = W::ToSigned(other);
    if (choice % 7 == 0) continue;
    if ((choice & 8) != 0) {
      b->IntersectUnsigned(other <= v ? other : 0, other >= v ? other : W::kMax);
    } else {
      b->IntersectSigned(signed_other <= s ? signed_other : W::kSignedMin,
                         signed_other >= s ? signed_other : W::kSignedMax);
    }
  }
}

// A scalar that contains member, not normalized: its views know different
// things.
inline Scalar RandomViewsAround(std::mt19937_64& random, uint64_t member) {
  Scalar s;
  const uint64_t choice = random();
  if ((choice & 3) != 0) NarrowAround<64>(random, member, &s.wide);
  if ((choice & 12) == 0) NarrowAround<32>(random, static_cast<uint32_t>(member), &s.low);
  if ((choice & 48) == 0) s.bits = Tnum::Make(member, random() | random());
  if ((choice & 48) == 16) s.bits = Tnum::Make(member, random() & random() & random());
  if ((choice & 0x7c0) == 0) s = Scalar::Const(member);
  return s;
}

// The same, normalized.
inline Scalar RandomScalarAround(std::mt19937_64& random, uint64_t member) {
  Scalar s = RandomViewsAround(random, member);
  return s.Normalize() ? s : Scalar::Unknown();
}

}  // namespace skep::verifier

#endif  // SKEP_TESTS_VERIFIER_RANDOM_SCALAR_H_
