// SPDX-License-Identifier: Apache-2.0
// bpf_iter_bits: the numbers of the bits that are set in words of memory. The
// words are copied when the iterator is made; the iterator is 16 bytes of the
// program's stack.
#include <bit>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "helpers/functions.h"
#include "helpers/registers.h"
#include "helpers/safe_read.h"
#include "model/execution_layout.h"

namespace skep::helpers {
namespace {

constexpr uint32_t kMaxWords = 511;

struct Bits {
  union {
    uint64_t* words;
    uint64_t word;  // if there is only one
  };
  int32_t count;  // of bits; 0: nothing to give
  int32_t bit;    // given last
};
static_assert(sizeof(Bits) == 16);

Bits& AsBits(uint64_t r) { return *reinterpret_cast<Bits*>(r); }

}  // namespace

uint64_t IterBitsNew(uint64_t iterator, uint64_t address, uint64_t word_count, uint64_t, uint64_t,
                     ExecutionContext& context) noexcept {
  const auto words = static_cast<uint32_t>(word_count);
  Bits& bits = AsBits(iterator);
  bits.word = 0;
  bits.count = 0;
  bits.bit = -1;
  if (address == 0 || words == 0) return FromResult(-EINVAL);
  if (words > kMaxWords) return FromResult(-E2BIG);
  if (words == 1) {
    if (ReadMemory(&bits.word, address, sizeof bits.word) != 0) {
      bits.word = 0;
      return FromResult(-EFAULT);
    }
    bits.count = 64;
    return 0;
  }
  auto copy = std::make_unique<uint64_t[]>(words);
  if (ReadMemory(copy.get(), address, uint64_t{words} * sizeof(uint64_t)) != 0) {
    return FromResult(-EFAULT);
  }
  bits.words = copy.get();
  model::ExecutionLayout::extras(context).owned.push_back(std::move(copy));
  bits.count = static_cast<int32_t>(words * 64);
  return 0;
}

uint64_t IterBitsNext(uint64_t iterator, uint64_t, uint64_t, uint64_t, uint64_t,
                      ExecutionContext&) noexcept {
  Bits& bits = AsBits(iterator);
  if (bits.count == 0 || bits.bit >= bits.count) return 0;
  const uint64_t* words = bits.count == 64 ? &bits.word : bits.words;
  int32_t at = bits.bit + 1;
  while (at < bits.count) {
    const uint64_t rest = words[at / 64] >> (at % 64);
    if (rest != 0) {
      bits.bit = at + std::countr_zero(rest);
      return reinterpret_cast<uint64_t>(&bits.bit);
    }
    at = (at / 64 + 1) * 64;
  }
  bits.bit = bits.count;
  return 0;
}

uint64_t IterBitsDestroy(uint64_t iterator, uint64_t, uint64_t, uint64_t, uint64_t,
                         ExecutionContext& context) noexcept {
  Bits& bits = AsBits(iterator);
  if (bits.count > 64) {
    std::erase_if(model::ExecutionLayout::extras(context).owned,
                  [&](const auto& owned) { return owned.get() == bits.words; });
  }
  bits.count = 0;
  return 0;
}

}  // namespace skep::helpers
