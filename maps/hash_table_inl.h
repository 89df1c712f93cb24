// SPDX-License-Identifier: Apache-2.0
// The parts of HashTable that depend on the kind of key; included by the maps
// that use it.

#ifndef SKEP_MAPS_HASH_TABLE_INL_H_
#define SKEP_MAPS_HASH_TABLE_INL_H_

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "skep/map_spec.h"

#include "base/shared_region.h"
#include "maps/hash_table.h"

namespace skep {

#if defined(__SSE2__)
// One comparison of all tags; bit 2 * lane is set where the tag is equal.
inline uint64_t HashTable::Candidates(const Bucket& bucket, uint64_t tag) noexcept {
  const auto low = static_cast<int64_t>(bucket.tags[0].load(std::memory_order_relaxed));
  const auto high = static_cast<int64_t>(bucket.tags[1].load(std::memory_order_relaxed));
  const __m128i tags = _mm_set_epi64x(high, low);
  const __m128i pattern = _mm_set1_epi16(static_cast<int16_t>(tag));
  return static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi16(tags, pattern))) & 0x5555u;
}

inline int HashTable::LaneOf(uint64_t candidates) noexcept {
  return std::countr_zero(candidates) >> 1;
}
#else
// Subtracting 1 from each 16-bit lane of tags ^ tag turns zero lanes negative.
// A borrow can mark the lane above a match by mistake, never drop a match; the
// key comparison sorts that out. Lane i is bit i % 4 * 16 + i / 4.
inline uint64_t HashTable::Candidates(const Bucket& bucket, uint64_t tag) noexcept {
  constexpr uint64_t kOnes = 0x0001000100010001;
  constexpr uint64_t kHighs = 0x8000800080008000;
  const uint64_t x = bucket.tags[0].load(std::memory_order_relaxed) ^ tag * kOnes;
  const uint64_t y = bucket.tags[1].load(std::memory_order_relaxed) ^ tag * kOnes;
  return ((x - kOnes) & ~x & kHighs) >> 15 | ((y - kOnes) & ~y & kHighs) >> 14;
}

inline int HashTable::LaneOf(uint64_t candidates) noexcept {
  const int bit = std::countr_zero(candidates);
  return (bit >> 4) + (bit & 1) * 4;
}
#endif

inline void HashTable::Lock(Bucket& bucket) const noexcept {
  if (shared_ != nullptr) [[unlikely]]
    return LockShared(bucket);
  RobustAcquire(bucket.lock, holder_);
}

// Inlined: a lookup is this and little else.
template <class K>
[[gnu::always_inline]] inline HashTable::Found HashTable::Find(
    const std::byte* key) const noexcept {
  const uint64_t hash = K::Hash(key, key_size_, seed_);
  Found found;
  found.bucket = BucketOf(hash);
  const Bucket& bucket = BucketAt(found.bucket);
  for (uint32_t tries = 0;;) {
    found.version = bucket.version.load(std::memory_order_acquire);
    found.element = kNone;
    for (uint64_t lanes = Candidates(bucket, TagOf(hash)); lanes != 0; lanes &= lanes - 1) {
      const uint32_t element = bucket.slots[LaneOf(lanes)].load(std::memory_order_acquire);
      if (IsElement(element) && K::Equal(key, KeyOf(element), key_size_)) {
        found.element = element;
        break;
      }
    }
    if (found.element == kNone) {
      uint32_t element = bucket.overflow.load(std::memory_order_acquire);
      // A chain that is relinked under our feet may turn into any other; it
      // cannot be longer than the table, and the version tells.
      for (uint32_t steps = 0; IsElement(element) && steps < chain_limit_; ++steps) {
        if (K::Equal(key, KeyOf(element), key_size_)) {
          found.element = element;
          break;
        }
        element = ElementAt(element).next.load(std::memory_order_acquire);
      }
    }
    if (StillThere(found)) return found;
    if (TooOften(++tries)) return {kNone, found.version, found.bucket};
  }
}

template <class K>
HashTable::Place HashTable::FindLocked(const Bucket& bucket, uint64_t tag,
                                       const std::byte* key) const noexcept {
  for (uint64_t lanes = Candidates(bucket, tag); lanes != 0; lanes &= lanes - 1) {
    const int lane = LaneOf(lanes);
    const uint32_t element = bucket.slots[lane].load(std::memory_order_relaxed);
    if (IsElement(element) && K::Equal(key, KeyOf(element), key_size_)) {
      return {element, lane, kNone};
    }
  }
  uint32_t previous = kNone;
  uint32_t steps = 0;
  for (uint32_t element = bucket.overflow.load(std::memory_order_relaxed);
       IsElement(element) && steps++ < chain_limit_;
       element = ElementAt(element).next.load(std::memory_order_relaxed)) {
    if (K::Equal(key, KeyOf(element), key_size_)) return {element, -1, previous};
    previous = element;
  }
  return {.chain = steps};
}

template <class K, class Fill, class Replaced>
int HashTable::Update(const std::byte* key, uint64_t flags, uint32_t cpu, bool in_place, Fill fill,
                      Replaced replaced, uint32_t* in_hand) noexcept {
  const uint64_t hash = K::Hash(key, key_size_, seed_);
  Bucket& bucket = BucketAt(BucketOf(hash));
  int result = 0;
  Lock(bucket);
  const Place place = FindLocked<K>(bucket, TagOf(hash), key);
  const bool exists = place.element != kNone;
  if (exists && flags == kUpdateNoExist) {
    result = -EEXIST;
  } else if (!exists && flags == kUpdateExist) {
    result = -ENOENT;
  } else if (exists && in_place) {
    fill(place.element, true);
  } else {
    const bool fits = exists || place.chain < chain_limit_;
    uint32_t element = kNone;
    if (exists) {
      element = TakeSpare(cpu);
    } else if (fits && in_hand != nullptr && *in_hand != kNone) {
      element = std::exchange(*in_hand, kNone);
    } else if (fits) {
      element = Take(cpu);
    }
    if (element == kNone) {
      result = -E2BIG;
    } else {
      K::Store(KeyOf(element), key, key_size_);
      fill(element, false);
      if (exists) {
        Replace(bucket, place, element);
        replaced(place.element);
        GiveSpare(place.element, cpu);
      } else {
        Insert(bucket, TagOf(hash), element);
      }
    }
  }
  Unlock(bucket);
  return result;
}

template <class K, class Taken>
int HashTable::Delete(const std::byte* key, uint32_t cpu, Taken taken) noexcept {
  const uint64_t hash = K::Hash(key, key_size_, seed_);
  Bucket& bucket = BucketAt(BucketOf(hash));
  Lock(bucket);
  const Place place = FindLocked<K>(bucket, TagOf(hash), key);
  if (place.element != kNone) {
    taken(place.element);
    Remove(bucket, place);
    Give(place.element, cpu);
  }
  Unlock(bucket);
  return place.element != kNone ? 0 : -ENOENT;
}

template <class K, class Taken>
bool HashTable::TakeOut(uint32_t element, uint32_t cpu, bool keep, Taken taken) noexcept {
  // The key may be rewritten meanwhile: then the element is not in that bucket.
  Bucket& bucket = BucketAt(BucketOf(K::Hash(KeyOf(element), key_size_, seed_)));
  Lock(bucket);
  const Place place = PlaceOf(bucket, element);
  if (place.element != kNone) {
    taken(element);
    Remove(bucket, place);
    if (!keep) Give(element, cpu);
  }
  Unlock(bucket);
  return place.element != kNone;
}

template <class K>
int HashTable::NextKey(const std::byte* key, std::byte* next) noexcept {
  uint32_t index = 0;
  Place place;
  if (key != nullptr) {
    const uint64_t hash = K::Hash(key, key_size_, seed_);
    index = BucketOf(hash);
    Bucket& bucket = BucketAt(index);
    Lock(bucket);
    place = FindLocked<K>(bucket, TagOf(hash), key);
    if (place.element == kNone) {
      Unlock(bucket);
      index = 0;  // unknown keys start over
    } else {
      const uint32_t element = After(bucket, place);
      if (IsElement(element)) CopyWords(next, KeyOf(element), key_size_);
      Unlock(bucket);
      if (IsElement(element)) return 0;
      ++index;
    }
  }
  for (; index <= bucket_mask_; ++index) {
    Bucket& bucket = BucketAt(index);
    const uint64_t tags = bucket.tags[0].load(std::memory_order_relaxed) |
                          bucket.tags[1].load(std::memory_order_relaxed);
    if (tags == 0 && bucket.overflow.load(std::memory_order_relaxed) == kNone) continue;
    Lock(bucket);
    const uint32_t element = After(bucket, Place{});
    if (IsElement(element)) CopyWords(next, KeyOf(element), key_size_);
    Unlock(bucket);
    if (IsElement(element)) return 0;
  }
  return -ENOENT;
}

// Lanes keep their element while it is replaced. In the chain the place is found
// again by the element at hand, by the one that followed it, or by counting.
template <class Visit>
int64_t HashTable::ForEach(Visit visit) noexcept {
  int64_t visited = 0;
  for (uint32_t index = 0; index <= bucket_mask_; ++index) {
    Bucket& bucket = BucketAt(index);
    const uint64_t tags = bucket.tags[0].load(std::memory_order_acquire) |
                          bucket.tags[1].load(std::memory_order_acquire);
    if (tags == 0 && bucket.overflow.load(std::memory_order_relaxed) == kNone) continue;
    for (int lane = 0; lane < kLanes; ++lane) {
      const uint32_t element = bucket.slots[lane].load(std::memory_order_acquire);
      if (!IsElement(element) || LaneTag(bucket, lane) == 0) continue;
      ++visited;
      if (!visit(element)) return visited;
    }
    uint32_t element = bucket.overflow.load(std::memory_order_acquire);
    for (uint32_t position = 1; IsElement(element) && position <= chain_limit_; ++position) {
      const uint32_t next = ElementAt(element).next.load(std::memory_order_acquire);
      ++visited;
      if (!visit(element)) return visited;
      element = NextInChain(bucket, element, next, position);
    }
  }
  return visited;
}

template <class TakeOne>
bool HashTable::Batch(uint32_t* at, uint32_t room, TakeOne take) noexcept {
  const uint32_t all = room;
  uint32_t from = *at % kPlaces;
  for (uint32_t index = *at / kPlaces; index <= bucket_mask_; ++index, from = 0) {
    Bucket& bucket = BucketAt(index);
    const uint64_t tags = bucket.tags[0].load(std::memory_order_relaxed) |
                          bucket.tags[1].load(std::memory_order_relaxed);
    if (tags == 0 && bucket.overflow.load(std::memory_order_relaxed) == kNone) continue;
    const BucketGuard guard(*this, bucket);
    for (uint32_t lane = from; lane < kLanes; ++lane) {
      const uint32_t element = bucket.slots[lane].load(std::memory_order_relaxed);
      if (!IsElement(element) || LaneTag(bucket, static_cast<int>(lane)) == 0) continue;
      *at = index * kPlaces + lane;
      if (room == 0) return true;
      --room;
      TakeAt(bucket, {element, static_cast<int>(lane)}, take);
    }
    const uint32_t chained = ChainLength(bucket);
    *at = index * kPlaces + kLanes;
    if (chained > room) return room != all;
    room -= chained;
    uint32_t kept = kNone;
    uint32_t next = bucket.overflow.load(std::memory_order_relaxed);
    for (uint32_t i = 0; i < chained && IsElement(next); ++i) {
      const uint32_t element = next;
      next = ElementAt(element).next.load(std::memory_order_relaxed);
      if (!TakeAt(bucket, {element, -1, kept}, take)) kept = element;
    }
  }
  *at = end_of_batches();
  return true;
}

template <class TakeOne>
bool HashTable::TakeAt(Bucket& bucket, const Place& place, TakeOne& take) noexcept {
  if (!take(place.element)) return false;
  Remove(bucket, place);
  Give(place.element, kHostCache);
  return true;
}

// ---- repair -------------------------------------------------------------------

template <class Body>
void HashTable::ForTouchedBuckets(Body body) const noexcept {
  const uint64_t end = file_offset_ + (uint64_t{bucket_mask_} + 1) * sizeof(Bucket);
  for (uint64_t at = file_offset_; at < end;) {
    const auto [begin, until] = shared_->file().NextData(at, end);
    if (begin >= end) break;
    body(static_cast<uint32_t>((begin - file_offset_) / sizeof(Bucket)),
         static_cast<uint32_t>((until - file_offset_ - 1) / sizeof(Bucket)));
    at = until;
  }
}

// A process of ill will may have linked what is elsewhere, or not an element.
template <class K>
bool HashTable::Belongs(uint32_t bucket, uint32_t element) const noexcept {
  if (!IsElement(element)) return false;
  const std::byte* key = KeyOf(element);
  // Equal to itself: nothing but zeros behind the key.
  return BucketOf(K::Hash(key, key_size_, seed_)) == bucket && K::Equal(key, key, key_size_);
}

template <class K, class Taken>
void HashTable::CheckBucket(uint32_t index, Taken taken) noexcept {
  Bucket& bucket = BucketAt(index);
  bool changed = false;
  // Twice the same key: iteration would go in a circle.
  std::vector<uint32_t> kept;
  const auto take = [&](uint32_t element, uint64_t tag) {
    if (!Belongs<K>(index, element)) return false;
    if (tag != 0 && tag != TagOf(K::Hash(KeyOf(element), key_size_, seed_))) return false;
    for (const uint32_t other : kept) {
      if (std::memcmp(KeyOf(other), KeyOf(element), value_offset_ - sizeof(Element)) == 0) {
        return false;
      }
    }
    if (!taken(element)) return false;
    kept.push_back(element);
    return true;
  };
  for (int lane = 0; lane < kLanes; ++lane) {
    const uint32_t element = bucket.slots[lane].load(std::memory_order_relaxed);
    const uint64_t tag = LaneTag(bucket, lane);
    if (tag != 0 && take(element, tag)) continue;
    if (tag == 0 && element == kNone) continue;
    SetTag(bucket, lane, 0);
    bucket.slots[lane].store(kNone, std::memory_order_release);
    changed = true;
  }
  std::atomic<uint32_t>* link = &bucket.overflow;
  for (uint32_t steps = 0; link->load(std::memory_order_relaxed) != kNone; ++steps) {
    const uint32_t element = link->load(std::memory_order_relaxed);
    if (steps == chain_limit_ || !take(element, 0)) {
      // What hangs behind it cannot be told from what hangs elsewhere.
      link->store(kNone, std::memory_order_release);
      changed = true;
      break;
    }
    link = &ElementAt(element).next;
  }
  if (changed) RaiseVersion(bucket);
}

template <class K, class Seen>
void HashTable::Repair(Seen seen) noexcept {
  const SharedRegion::Repair repair(*shared_);
  if (!repair.needed()) return;
  SettleLocks();
  std::vector<bool> kept(uint64_t{capacity_} + 1);
  uint32_t used = 0;
  uint32_t highest = highest_used();
  ForTouchedBuckets([&](uint32_t first, uint32_t last) {
    for (uint32_t index = first; index <= last; ++index) {
      CheckBucket<K>(index, [&](uint32_t element) {
        if (kept[element] || used == max_entries_) return false;
        kept[element] = true;
        highest = std::max(highest, element);
        ++used;
        return true;
      });
    }
  });
  header_->shared.store(0, std::memory_order_relaxed);
  for (uint32_t element = highest; element != kNone; --element) {
    seen(element, kept[element]);
    if (!kept[element]) PushShared(element);
  }
  header_->fresh.store(highest + 1, std::memory_order_relaxed);
  header_->used.store(used, std::memory_order_release);
}

}  // namespace skep

#endif  // SKEP_MAPS_HASH_TABLE_INL_H_
