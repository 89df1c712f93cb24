// SPDX-License-Identifier: Apache-2.0
#include "maps/bloom_filter_map.h"

#include <atomic>
#include <bit>
#include <cerrno>

#include <sys/random.h>

#include "base/check.h"
#include "base/word_copy.h"
#include "maps/key.h"

namespace skep {
namespace {

uint32_t FunctionsOf(const MapSpec& spec) {
  constexpr uint32_t kDefault = 5;
  const auto asked = static_cast<uint32_t>(spec.map_extra & 15);
  return asked == 0 ? kDefault : asked;
}

// The best number of bits is max_entries * functions / ln 2; a power of two above
// 7/5 of the product, as Linux has it, and at most 2^32.
uint32_t MaskOf(const MapSpec& spec) {
  const uint64_t product = uint64_t{spec.max_entries} * FunctionsOf(spec);
  const uint64_t bits = product / 5 * 7;
  constexpr uint64_t kMost = uint64_t{1} << 31;
  if (product > UINT32_MAX || bits > kMost) return UINT32_MAX;
  return bits <= 64 ? 63 : static_cast<uint32_t>(std::bit_ceil(bits) - 1);
}

uint32_t SeedOf(const MapSpec& spec, const MapEnvironment& environment) {
  if ((spec.flags & kMapZeroSeed) != 0) return 0;
  if (environment.shared != nullptr) return static_cast<uint32_t>(environment.shared->seed);
  uint32_t seed = 0;
  SKEP_CHECK(getrandom(&seed, sizeof seed, 0) == sizeof seed);
  return seed;
}

// Bob Jenkins' lookup3 (public domain), with the starting value that Linux uses.
class Lookup3 {
 public:
  Lookup3(const std::byte* from, uint32_t bytes, uint32_t seed)
      : a_(0xdeadbeef + bytes + seed), b_(a_), c_(a_) {
    for (; bytes > 12; bytes -= 12, from += 12) {
      Add(from, 12);
      Mix();
    }
    Add(from, bytes);
    if (bytes != 0) Finish();
  }
  uint32_t value() const { return c_; }

 private:
  static uint32_t Word(const std::byte* from, uint32_t at, uint32_t bytes) {
    if (at >= bytes) return 0;
    if (bytes - at >= 4) return LoadRelaxed<uint32_t>(reinterpret_cast<uint64_t>(from + at));
    return static_cast<uint32_t>(LoadTail(from + at, bytes - at));
  }
  void Add(const std::byte* from, uint32_t bytes) {
    a_ += Word(from, 0, bytes);
    b_ += Word(from, 4, bytes);
    c_ += Word(from, 8, bytes);
  }
  void Mix() {
    const auto step = [](uint32_t& x, uint32_t& y, uint32_t& z, int by) {
      x -= z;
      x ^= std::rotl(z, by);
      z += y;
    };
    step(a_, b_, c_, 4);
    step(b_, c_, a_, 6);
    step(c_, a_, b_, 8);
    step(a_, b_, c_, 16);
    step(b_, c_, a_, 19);
    step(c_, a_, b_, 4);
  }
  void Finish() {
    const auto step = [](uint32_t& x, uint32_t y, int by) {
      x ^= y;
      x -= std::rotl(y, by);
    };
    step(c_, b_, 14);
    step(a_, c_, 11);
    step(b_, a_, 25);
    step(c_, b_, 16);
    step(a_, c_, 4);
    step(b_, a_, 14);
    step(c_, b_, 24);
  }

  uint32_t a_, b_, c_;
};

}  // namespace

BloomFilterMap::BloomFilterMap(const MapSpec& spec, const MapEnvironment& environment,
                               MapMemory bits)
    : Map(spec, environment.id, spec.value_size),
      bits_(std::move(bits)),
      mask_(MaskOf(spec)),
      functions_(FunctionsOf(spec)),
      seed_(SeedOf(spec, environment)) {}

uint64_t BloomFilterMap::BytesFor(const MapSpec& spec) { return (uint64_t{MaskOf(spec)} + 1) / 8; }

Result<std::shared_ptr<Map>> BloomFilterMap::Create(const MapSpec& spec,
                                                    const MapEnvironment& environment) {
  SKEP_TRY(MapMemory bits, MapMemory::Take(environment, BytesFor(spec)));
  return std::shared_ptr<Map>(std::make_shared<BloomFilterMap>(spec, environment, std::move(bits)));
}

// Linux hashes once for each bit. Without a seed of zero nobody can tell which bits a
// value has, so that they come from one hash, by enhanced double hashing (Dillinger and
// Manolios): the first and the distance, which grows.
template <class Each>
bool BloomFilterMap::ForBits(const std::byte* value, Each visit) const noexcept {
  if ((spec_.flags & kMapZeroSeed) != 0) {
    for (uint32_t i = 0; i < functions_; ++i) {
      if (!visit(Lookup3(value, spec_.value_size, seed_ + i).value() & mask_)) return false;
    }
    return true;
  }
  const uint64_t hash = spec_.value_size == 8 ? FixedKey<8>::Hash(value, 8, seed_)
                                              : AnyKey::Hash(value, spec_.value_size, seed_);
  auto bit = static_cast<uint32_t>(hash);
  auto distance = static_cast<uint32_t>(hash >> 32);
  for (uint32_t i = 0; i < functions_; ++i) {
    if (!visit(bit & mask_)) return false;
    bit += distance;
    distance += i + 1;
  }
  return true;
}

int BloomFilterMap::Push(const std::byte* value, uint64_t flags) noexcept {
  if (flags != kUpdateAny) return -EINVAL;
  auto* const words = reinterpret_cast<std::atomic<uint64_t>*>(bits_.base());
  ForBits(value, [&](uint32_t bit) {
    words[bit / 64].fetch_or(uint64_t{1} << (bit % 64), std::memory_order_relaxed);
    return true;
  });
  return 0;
}

int BloomFilterMap::Peek(std::byte* value) noexcept {
  const auto* const words = reinterpret_cast<const std::atomic<uint64_t>*>(bits_.base());
  const bool member = ForBits(value, [&](uint32_t bit) {
    return (words[bit / 64].load(std::memory_order_relaxed) >> (bit % 64) & 1) != 0;
  });
  return member ? 0 : -ENOENT;
}

int BloomFilterMap::DoHostLookup(const std::byte*, std::byte* value) noexcept {
  return Peek(value);
}

int BloomFilterMap::DoHostUpdate(const std::byte*, const std::byte* value,
                                 uint64_t flags) noexcept {
  return Push(value, flags);
}

}  // namespace skep
