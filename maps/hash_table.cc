// SPDX-License-Identifier: Apache-2.0
#include "maps/hash_table.h"

#include <algorithm>
#include <bit>

#include <sys/random.h>

#include "base/check.h"
#include "base/shared_region.h"
#include "maps/hash_table_inl.h"

namespace skep {

uint64_t HashTable::RandomSeed() {
  uint64_t seed = 0;
  SKEP_CHECK(getrandom(&seed, sizeof seed, 0) == sizeof seed);
  return seed;
}

struct HashTable::Layout {
  explicit Layout(const Shape& shape) {
    // A bucket for every four elements, so that few of them overflow.
    buckets = std::bit_ceil(std::max(1u, shape.max_entries / 4 + (shape.max_entries % 4 != 0)));
    key_bytes = RoundUp(shape.key_size, 8);
    stride = sizeof(Element) + key_bytes + shape.value_bytes;
    // Every element may be in use while each cache is full, has its spare, and
    // its owner is about to use one more. Address space costs nothing.
    const uint64_t caches = shape.shared ? 0 : uint64_t{shape.cpu_slots} + 1;
    const uint64_t spare = shape.shared ? kSharedSlack : caches * (kCacheLimit + 4);
    capacity = shape.max_entries + spare;
    caches_at = RoundUp(sizeof(Header), alignof(Cache));
    // Large parts begin at a page of their own, very large ones at a huge page.
    const uint64_t bucket_bytes = buckets * sizeof(Bucket);
    const uint64_t page = bucket_bytes >= kHugePage ? kHugePage : alignof(Bucket);
    buckets_at = RoundUp(caches_at + caches * sizeof(Cache), page);
    const uint64_t elements_page = capacity * stride >= kHugePage ? kHugePage : 64;
    elements_at = RoundUp(buckets_at + bucket_bytes, elements_page);
    // Index 0 means none; its place stays empty.
    end = elements_at + (capacity + 1) * stride;
  }

  uint64_t buckets, key_bytes, stride, capacity, caches_at, buckets_at, elements_at, end;
};

uint64_t HashTable::CapacityOf(const Shape& shape) { return Layout(shape).capacity; }

uint64_t HashTable::BytesFor(const Shape& shape) { return Layout(shape).end; }

HashTable::HashTable(const Shape& shape, std::byte* memory, SharedRegion* shared)
    : seed_(shape.seed), shared_(shared) {
  SKEP_CHECK(shape.shared == (shared != nullptr));
  const Layout layout(shape);
  if (shared == nullptr) {
    PreferHugePages(memory + layout.buckets_at, layout.end - layout.buckets_at);
  } else {
    holder_ = shared->holder();
    file_offset_ = PageBytes() + layout.buckets_at;
  }
  // A zeroed region is an empty table: the atomics begin their life as zeros.
  header_ = reinterpret_cast<Header*>(memory);
  caches_ = reinterpret_cast<Cache*>(memory + layout.caches_at);
  buckets_ = reinterpret_cast<Bucket*>(memory + layout.buckets_at);
  elements_ = memory + layout.elements_at;
  stride_ = layout.stride;
  key_size_ = shape.key_size;
  value_offset_ = static_cast<uint32_t>(sizeof(Element) + layout.key_bytes);
  value_bytes_ = shape.value_bytes;
  bucket_mask_ = static_cast<uint32_t>(layout.buckets - 1);
  capacity_ = static_cast<uint32_t>(layout.capacity);
  max_entries_ = shape.max_entries;
  cpu_slots_ = shape.cpu_slots;
  chain_limit_ = shape.shared ? std::min(capacity_, kSharedChain) : capacity_;
  uint32_t empty = 0;
  header_->fresh.compare_exchange_strong(empty, 1, std::memory_order_relaxed);
}

uint32_t HashTable::ElementOf(const std::byte* address) const noexcept {
  if (address < elements_) return kNone;
  const auto offset = static_cast<uint64_t>(address - elements_);
  const uint64_t element = offset / stride_;
  if (element == kNone || element > capacity_) return kNone;
  return offset % stride_ >= value_offset_ ? static_cast<uint32_t>(element) : kNone;
}

// ---- lanes ------------------------------------------------------------------

uint64_t HashTable::LaneTag(const Bucket& bucket, int lane) noexcept {
  return bucket.tags[lane / 4].load(std::memory_order_relaxed) >> (lane % 4 * 16) & 0xffff;
}

void HashTable::SetTag(Bucket& bucket, int lane, uint64_t tag) noexcept {
  std::atomic<uint64_t>& word = bucket.tags[lane / 4];
  const int shift = lane % 4 * 16;
  const uint64_t others = word.load(std::memory_order_relaxed) & ~(uint64_t{0xffff} << shift);
  word.store(others | tag << shift, std::memory_order_release);
}

int HashTable::FreeLane(const Bucket& bucket) noexcept {
  // A tag that only looks free does not belong to the first lane that is.
  const uint64_t lanes = Candidates(bucket, 0);
  return lanes == 0 ? -1 : LaneOf(lanes);
}

// ---- writers ----------------------------------------------------------------

// Orders everything before it (removals) with the version, and the version with
// everything after it (the reuse of what was removed).
void HashTable::RaiseVersion(Bucket& bucket) noexcept {
  std::atomic_thread_fence(std::memory_order_release);
  bucket.version.store(bucket.version.load(std::memory_order_relaxed) + 1,
                       std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
}

void HashTable::Insert(Bucket& bucket, uint64_t tag, uint32_t element) noexcept {
  const int lane = FreeLane(bucket);
  if (lane >= 0) {
    bucket.slots[lane].store(element, std::memory_order_release);
    SetTag(bucket, lane, tag);
    return;
  }
  ElementAt(element).next.store(bucket.overflow.load(std::memory_order_relaxed),
                                std::memory_order_relaxed);
  bucket.overflow.store(element, std::memory_order_release);
}

void HashTable::Replace(Bucket& bucket, const Place& place, uint32_t element) noexcept {
  if (place.lane >= 0) {
    bucket.slots[place.lane].store(element, std::memory_order_release);
  } else {
    ElementAt(element).next.store(ElementAt(place.element).next.load(std::memory_order_relaxed),
                                  std::memory_order_relaxed);
    std::atomic<uint32_t>& link =
        place.previous == kNone ? bucket.overflow : ElementAt(place.previous).next;
    link.store(element, std::memory_order_release);
  }
  RaiseVersion(bucket);
}

void HashTable::Remove(Bucket& bucket, const Place& place) noexcept {
  if (place.lane >= 0) {
    SetTag(bucket, place.lane, 0);
    bucket.slots[place.lane].store(kNone, std::memory_order_release);
  } else {
    std::atomic<uint32_t>& link =
        place.previous == kNone ? bucket.overflow : ElementAt(place.previous).next;
    link.store(ElementAt(place.element).next.load(std::memory_order_relaxed),
               std::memory_order_release);
  }
  RaiseVersion(bucket);
}

uint32_t HashTable::ChainLength(const Bucket& bucket) const noexcept {
  uint32_t length = 0;
  for (uint32_t e = bucket.overflow.load(std::memory_order_relaxed);
       IsElement(e) && length < chain_limit_;
       e = ElementAt(e).next.load(std::memory_order_relaxed)) {
    ++length;
  }
  return length;
}

uint32_t HashTable::After(const Bucket& bucket, const Place& place) const noexcept {
  if (place.element != kNone && place.lane < 0) {
    return ElementAt(place.element).next.load(std::memory_order_relaxed);
  }
  for (int lane = place.lane + 1; lane < kLanes; ++lane) {
    if (LaneTag(bucket, lane) != 0) return bucket.slots[lane].load(std::memory_order_relaxed);
  }
  return bucket.overflow.load(std::memory_order_relaxed);
}

HashTable::Place HashTable::PlaceOf(const Bucket& bucket, uint32_t element) const noexcept {
  for (int lane = 0; lane < kLanes; ++lane) {
    if (bucket.slots[lane].load(std::memory_order_relaxed) == element &&
        LaneTag(bucket, lane) != 0) {
      return {element, lane, kNone};
    }
  }
  uint32_t previous = kNone;
  uint32_t steps = 0;
  for (uint32_t e = bucket.overflow.load(std::memory_order_relaxed);
       IsElement(e) && steps++ < chain_limit_;
       e = ElementAt(e).next.load(std::memory_order_relaxed)) {
    if (e == element) return {element, -1, previous};
    previous = e;
  }
  return {};
}

uint32_t HashTable::NextInChain(Bucket& bucket, uint32_t element, uint32_t next,
                                uint32_t position) const noexcept {
  Lock(bucket);
  uint32_t after = kNone;  // of `element`, if it is still there
  uint32_t counted = kNone;
  bool has_element = false;
  bool has_next = false;
  uint32_t at = 0;
  for (uint32_t e = bucket.overflow.load(std::memory_order_relaxed);
       IsElement(e) && at < chain_limit_; e = ElementAt(e).next.load(std::memory_order_relaxed)) {
    if (e == element) {
      has_element = true;
      after = ElementAt(e).next.load(std::memory_order_relaxed);
    }
    has_next |= e == next;
    if (at++ == position) counted = e;
  }
  Unlock(bucket);
  if (has_element) return after;
  if (next == kNone || has_next) return next;
  return counted;
}

// ---- shared tables ------------------------------------------------------------

// Here no other lock is held, so a repair that waits for ours gets it.
void HashTable::LockShared(Bucket& bucket) const noexcept {
  Patience patience;
  for (;;) {
    if (TryAcquire(bucket.lock, holder_)) {
      if (!shared_->repairing()) return;
      Unlock(bucket);
      if (shared_->WaitForRepair()) repair_(owner_);
      continue;
    }
    if (!patience.Wait()) continue;
    const uint32_t word = bucket.lock.load(std::memory_order_relaxed);
    if (word != 0 && shared_->IsDead(word)) repair_(owner_);
  }
}

bool HashTable::MayLackElements() const noexcept {
  return shared_ != nullptr && shared_->SomebodyDied();
}

// Who takes a lock from now on sees that there is a repair, and lets it go.
void HashTable::SettleLocks() noexcept {
  ForTouchedBuckets([&](uint32_t first, uint32_t last) {
    for (uint32_t index = first; index <= last; ++index) {
      Bucket& bucket = BucketAt(index);
      Patience patience;
      for (;;) {
        uint32_t word = bucket.lock.load(std::memory_order_seq_cst);
        if (word == 0) break;
        if (patience.Wait() && shared_->IsDead(word)) {
          // It may have removed an element that a reader looks at.
          RaiseVersion(bucket);
          bucket.lock.compare_exchange_strong(word, 0, std::memory_order_seq_cst);
        }
      }
    }
  });
}

// ---- free elements ----------------------------------------------------------

template <class Body>
auto HashTable::WithCache(uint32_t cpu, Body body) noexcept {
  if (cpu == kHostCache) {
    const std::lock_guard lock(host_mutex_);
    return body(caches_[cpu_slots_]);
  }
  return body(caches_[cpu]);
}

uint32_t HashTable::TakeFresh() noexcept {
  if (header_->fresh.load(std::memory_order_relaxed) > capacity_) return kNone;
  const uint32_t fresh = header_->fresh.fetch_add(1, std::memory_order_relaxed);
  return IsElement(fresh) ? fresh : kNone;
}

uint32_t HashTable::TakeShared() noexcept {
  const uint32_t element = PopShared();
  return element != kNone ? element : TakeFresh();
}

uint32_t HashTable::Pop(Cache& cache) noexcept {
  if (cache.head == kNone) {
    const uint32_t first = PopShared();
    if (first == kNone) return TakeFresh();
    cache.head = first;
    cache.count = kHanded;
  }
  const uint32_t element = cache.head;
  cache.head = ElementAt(element).next.load(std::memory_order_relaxed);
  --cache.count;
  return element;
}

void HashTable::Push(Cache& cache, uint32_t element) noexcept {
  ElementAt(element).next.store(cache.head, std::memory_order_relaxed);
  cache.head = element;
  if (++cache.count <= kCacheLimit) return;
  // Hand the ones that were freed last to whoever needs them.
  uint32_t last = cache.head;
  for (uint32_t i = 1; i < kHanded; ++i) {
    last = ElementAt(last).next.load(std::memory_order_relaxed);
  }
  const uint32_t first = cache.head;
  cache.head = ElementAt(last).next.load(std::memory_order_relaxed);
  cache.count -= kHanded;
  ElementAt(last).next.store(kNone, std::memory_order_relaxed);
  PushShared(first);
}

uint32_t HashTable::PopShared() noexcept {
  uint64_t top = header_->shared.load(std::memory_order_acquire);
  while (IsElement(static_cast<uint32_t>(top))) {
    // Another thread may take it meanwhile; then the link is stale, the counter
    // has moved, and the exchange fails.
    const uint32_t next =
        ElementAt(static_cast<uint32_t>(top)).link.load(std::memory_order_relaxed);
    const uint64_t rest = ((top >> 32) + 1) << 32 | next;
    if (header_->shared.compare_exchange_weak(top, rest, std::memory_order_acquire)) {
      return static_cast<uint32_t>(top);
    }
  }
  return kNone;
}

void HashTable::PushShared(uint32_t first) noexcept {
  uint64_t top = header_->shared.load(std::memory_order_relaxed);
  uint64_t pushed = 0;
  do {
    ElementAt(first).link.store(static_cast<uint32_t>(top), std::memory_order_relaxed);
    pushed = ((top >> 32) + 1) << 32 | first;
  } while (!header_->shared.compare_exchange_weak(top, pushed, std::memory_order_release));
}

uint32_t HashTable::Take(uint32_t cpu) noexcept {
  if (full()) return kNone;
  if (header_->used.fetch_add(1, std::memory_order_relaxed) >= max_entries_) {
    header_->used.fetch_sub(1, std::memory_order_relaxed);
    return kNone;
  }
  if (shared_ == nullptr) return WithCache(cpu, [&](Cache& cache) { return Pop(cache); });
  const uint32_t element = TakeShared();
  if (element == kNone) header_->used.fetch_sub(1, std::memory_order_relaxed);
  return element;
}

void HashTable::Give(uint32_t element, uint32_t cpu) noexcept {
  if (shared_ == nullptr) {
    WithCache(cpu, [&](Cache& cache) { Push(cache, element); });
  } else {
    PushShared(element);
  }
  header_->used.fetch_sub(1, std::memory_order_relaxed);
}

uint32_t HashTable::TakeSpare(uint32_t cpu) noexcept {
  if (shared_ != nullptr) return TakeShared();
  return WithCache(cpu, [&](Cache& cache) {
    if (cache.spare == kNone) return Pop(cache);
    const uint32_t element = cache.spare;
    cache.spare = kNone;
    return element;
  });
}

void HashTable::GiveSpare(uint32_t element, uint32_t cpu) noexcept {
  if (shared_ != nullptr) return PushShared(element);
  WithCache(cpu, [&](Cache& cache) {
    if (cache.spare == kNone) {
      cache.spare = element;
    } else {
      Push(cache, element);
    }
  });
}

}  // namespace skep
