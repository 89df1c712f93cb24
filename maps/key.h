// SPDX-License-Identifier: Apache-2.0
// How keys are hashed and compared: FixedKey<4>, <8> and <16> for the common
// sizes, AnyKey for the others. In elements a key is stored in whole words, the
// last one filled with zeros.
//
// Threads: stored keys may be rewritten while they are compared; words are
// relaxed atomics, and the caller finds out afterwards (hash_table.h).

#ifndef SKEP_MAPS_KEY_H_
#define SKEP_MAPS_KEY_H_

#include <cstddef>
#include <cstdint>

#include "base/word_copy.h"

namespace skep {

// Multiplies to 128 bits and folds: every bit of both factors reaches every bit
// of the result.
inline uint64_t MixWords(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline constexpr uint64_t kHashSalt1 = 0x9e3779b97f4a7c15;
inline constexpr uint64_t kHashSalt2 = 0xd6e8feb86659fd93;

inline uint64_t WordAt(const std::byte* at, size_t offset) {
  return LoadRelaxed<uint64_t>(reinterpret_cast<uint64_t>(at) + offset);
}

template <uint32_t kBytes>
struct FixedKey {
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16);

  static uint64_t Word(const std::byte* key, size_t offset) {
    if constexpr (kBytes == 4) return LoadRelaxed<uint32_t>(reinterpret_cast<uint64_t>(key));
    return WordAt(key, offset);
  }
  static uint64_t Hash(const std::byte* key, uint32_t, uint64_t seed) {
    if constexpr (kBytes <= 8) {
      return MixWords(Word(key, 0) ^ kHashSalt2 ^ seed, kHashSalt1);
    } else {
      return MixWords(MixWords(Word(key, 0) ^ seed, kHashSalt1) ^ Word(key, 8), kHashSalt2);
    }
  }
  static bool Equal(const std::byte* key, const std::byte* stored, uint32_t) {
    if constexpr (kBytes <= 8) {
      return Word(key, 0) == WordAt(stored, 0);
    } else {
      return ((Word(key, 0) ^ WordAt(stored, 0)) | (Word(key, 8) ^ WordAt(stored, 8))) == 0;
    }
  }
  static void Store(std::byte* stored, const std::byte* key, uint32_t) {
    for (uint32_t i = 0; i < kBytes; i += 8) {
      StoreRelaxed(reinterpret_cast<uint64_t>(stored) + i, Word(key, i));
    }
  }
};

struct AnyKey {
  static uint64_t Hash(const std::byte* key, uint32_t bytes, uint64_t seed) {
    uint64_t hash = seed ^ (kHashSalt2 + bytes);
    size_t i = 0;
    for (; i + 8 <= bytes; i += 8) hash = MixWords(hash ^ WordAt(key, i), kHashSalt1);
    return MixWords(hash ^ LoadTail(key + i, bytes - i), kHashSalt2);
  }
  static bool Equal(const std::byte* key, const std::byte* stored, uint32_t bytes) {
    size_t i = 0;
    for (; i + 8 <= bytes; i += 8) {
      if (WordAt(key, i) != WordAt(stored, i)) return false;
    }
    return i == bytes || LoadTail(key + i, bytes - i) == WordAt(stored, i);
  }
  static void Store(std::byte* stored, const std::byte* key, uint32_t bytes) {
    size_t i = 0;
    for (; i + 8 <= bytes; i += 8) {
      StoreRelaxed(reinterpret_cast<uint64_t>(stored) + i, WordAt(key, i));
    }
    if (i != bytes) {
      StoreRelaxed(reinterpret_cast<uint64_t>(stored) + i, LoadTail(key + i, bytes - i));
    }
  }
};

}  // namespace skep

#endif  // SKEP_MAPS_KEY_H_
