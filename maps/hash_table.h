// SPDX-License-Identifier: Apache-2.0
// HashTable: the table behind every hash-like map: keys to element indexes.
//
// One region: counters | caches of free elements, one a CPU slot | buckets |
// elements. Everything is linked by index; index 0 means none.
//
// A bucket is one cache line: eight 16-bit tags (pieces of the hash), eight
// element indexes, and the head of a chain for what does not fit. A lookup
// compares eight tags at once, so it usually touches two lines: the bucket and
// the element. Buckets are a quarter to a half full when the map is full.
//
//   element: next (free list or overflow chain) | link | key | value
//
// Readers take no lock. Writers of a bucket hold its lock and follow one rule:
// before the memory of an element that was removed may be used again, and
// before anything that could hide an element from a reader, they raise the
// bucket's version. A reader reads the version first and again at the end: if
// it is the same, every element it saw belonged to this bucket all the time and
// its key was whole; if not, it looks again. Inserting raises no version.
//
// Element memory is type-stable and recycled at once, as the kernel's
// preallocated maps do: a pointer to a value stays inside the map, but after a
// delete it may show another key's value.
//
// Threads: any. `cpu` chooses a cache of free elements, which must be the
// calling thread's own; kHostCache is for callers without a CPU slot.
// A table never holds more than max_entries elements.
//
// A table in a SharedRegion has no caches: free elements are in one list without
// a lock. Nothing that is read from it is trusted: an index is compared with the
// capacity before it is used, and chains are followed for kSharedChain elements at
// most. Whatever a process does between taking a bucket's lock and letting it go,
// its death leaves each bucket with its old elements or its new ones; what is lost
// are free elements, the counters, and the lock. Repair makes them anew from what
// the buckets hold, while all others wait.

#ifndef SKEP_MAPS_HASH_TABLE_H_
#define SKEP_MAPS_HASH_TABLE_H_

#include <atomic>
#include <cstdint>
#include <limits>
#include <mutex>

#include "skep/result.h"

#include "base/region.h"
#include "base/robust_lock.h"
#include "maps/key.h"

namespace skep {

class SharedRegion;

class HashTable {
 public:
  static constexpr uint32_t kHostCache = std::numeric_limits<uint32_t>::max();
  static constexpr uint32_t kNone = 0;

  struct Shape {
    uint32_t key_size = 0;     // at least 1
    uint32_t value_bytes = 0;  // in the element, a multiple of 8
    uint32_t max_entries = 0;
    uint32_t cpu_slots = 1;
    uint64_t seed = 0;
    bool shared = false;  // lives in a SharedRegion
  };
  static uint64_t RandomSeed();

  // The memory that a table of this shape needs.
  static uint64_t BytesFor(const Shape& shape);
  // What capacity() of such a table will be.
  static uint64_t CapacityOf(const Shape& shape);
  // REQUIRES: `memory` has BytesFor(shape) bytes, zeroed or those of such a table,
  // and outlives the table. `shared`: the region they are in, if shape.shared.
  HashTable(const Shape& shape, std::byte* memory, SharedRegion* shared = nullptr);
  HashTable(const HashTable&) = delete;
  HashTable& operator=(const HashTable&) = delete;

  // What a reader found. StillThere tells later whether the element was the
  // key's all the while.
  struct Found {
    uint32_t element = kNone;
    uint32_t version = 0;
    uint32_t bucket = 0;
  };

  // The element of `key`; kNone if there is none.
  template <class K>
  Found Find(const std::byte* key) const noexcept;
  // False if the element may have been removed since it was found.
  bool StillThere(const Found& found) const noexcept {
    std::atomic_thread_fence(std::memory_order_acquire);
    return BucketAt(found.bucket).version.load(std::memory_order_relaxed) == found.version;
  }

  // Inserts or replaces. `fill(element)` writes the value of a fresh element
  // before others can see it. `flags` are BPF_ANY, BPF_NOEXIST or BPF_EXIST.
  // Returns 0, -EEXIST, -ENOENT, or -E2BIG if a new key does not fit. With
  // `in_place`, an element that exists is kept and fill(element) changes it.
  // `replaced(element)` sees an element that another one took the place of,
  // before it can be used again. A new key takes the element `*in_hand`, if there is
  // one, and leaves kNone there.
  struct Ignore {
    void operator()(uint32_t) const noexcept {}
  };
  template <class K, class Fill, class Replaced = Ignore>
  int Update(const std::byte* key, uint64_t flags, uint32_t cpu, bool in_place, Fill fill,
             Replaced replaced = {}, uint32_t* in_hand = nullptr) noexcept;

  // Removes the key; `take(element)` sees the element before it can be used
  // again. Returns 0 or -ENOENT.
  template <class K, class Take>
  int Delete(const std::byte* key, uint32_t cpu, Take take) noexcept;

  // Takes the element itself out, if it is in the table; else returns false. It may
  // hold another key than the caller has seen. With `keep` it counts as one of the
  // table's until Update uses it (`in_hand`) or GiveBack; not in shared tables, where a
  // repair by others would take it for free.
  template <class K, class Take>
  bool TakeOut(uint32_t element, uint32_t cpu, bool keep, Take take) noexcept;
  void GiveBack(uint32_t element, uint32_t cpu) noexcept { Give(element, cpu); }
  bool full() const { return size() >= max_entries_; }
  bool shared() const { return shared_ != nullptr; }

  // The key that follows `key` in table order, or the first one. -ENOENT at the
  // end.
  template <class K>
  int NextKey(const std::byte* key, std::byte* next) noexcept;

  // Calls visit(element) for each element, bucket by bucket, until it returns
  // false; returns how many it was called for. `visit` may change the table: what
  // it removes is not visited afterwards, what it adds may be.
  template <class Visit>
  int64_t ForEach(Visit visit) noexcept;
  // Calls take(element) for at most `room` elements from the place `*at` on (0: the
  // first) and removes those for which it returns true. What hangs in one overflow
  // chain is taken whole or not at all. Afterwards `*at` is where to go on, at the end
  // end_of_batches(). Returns false if the next piece alone needs more room. An element
  // stays at its place as long as it is in the table, so none is missed or taken twice.
  template <class TakeOne>
  bool Batch(uint32_t* at, uint32_t room, TakeOne take) noexcept;
  uint32_t end_of_batches() const noexcept { return (bucket_mask_ + 1) * kPlaces; }
  const std::byte* KeyBytes(uint32_t element) const noexcept { return KeyOf(element); }

  std::byte* ValueOf(uint32_t element) const noexcept {
    return elements_ + uint64_t{element} * stride_ + value_offset_;
  }
  // For loops over StillThere: whether to take what there is, after so many tries.
  bool TooOften(uint32_t tries) const noexcept {
    return shared_ != nullptr && tries >= kSharedTries;
  }

  // Stops all users of a shared table and makes it sound: what is not an element of
  // its bucket goes, and the counters and the free list are made from the rest.
  // seen(element, kept) is told of each element that was ever used. For tables that
  // somebody died in, and for those that come from outside.
  template <class K, class Seen>
  void Repair(Seen seen) noexcept;
  // Whether an operation that found no room should Repair and try again.
  bool MayLackElements() const noexcept;
  // Called instead of waiting when somebody has died: by default nothing is done.
  void SetRepair(void (*repair)(void* owner), void* owner) noexcept {
    repair_ = repair;
    owner_ = owner;
  }

  // The element whose value bytes hold `address`, or kNone.
  uint32_t ElementOf(const std::byte* address) const noexcept;
  // Elements that there can be, for arrays beside the table: 1 .. capacity().
  uint32_t capacity() const { return capacity_; }
  // Elements above this one were never used.
  uint32_t highest_used() const {
    const uint32_t fresh = header_->fresh.load(std::memory_order_relaxed);
    return fresh > capacity_ ? capacity_ : fresh - (fresh != 0);
  }
  uint32_t size() const { return header_->used.load(std::memory_order_relaxed); }

 private:
  static constexpr int kLanes = 8;
  static constexpr uint32_t kPlaces = 16;      // of a bucket: lanes, then the chain
  static constexpr uint32_t kCacheLimit = 64;  // free elements in one cache
  static constexpr uint32_t kHanded = 32;      // go to the others in one piece
  // Threads that may replace elements of a full shared table at once.
  static constexpr uint32_t kSharedSlack = 1024;
  // With a random seed no chain gets near it.
  static constexpr uint32_t kSharedChain = 4096;
  // Readers of a shared table give up then: only malice changes a bucket as often.
  static constexpr uint32_t kSharedTries = 100000;

  struct alignas(64) Bucket {
    std::atomic<uint64_t> tags[2];  // lane i: 16 bits of tags[i / 4]; 0 = free
    std::atomic<uint32_t> version;
    std::atomic<uint32_t> lock;      // 0 = free
    std::atomic<uint32_t> overflow;  // first element of the chain
    uint32_t reserved;
    std::atomic<uint32_t> slots[kLanes];
  };
  static_assert(sizeof(Bucket) == 64);

  struct Element {
    std::atomic<uint32_t> next;  // in the overflow chain or a free list
    std::atomic<uint32_t> link;  // first of a free list: the next list
  };

  struct alignas(64) Cache {
    uint32_t head;   // free elements of this CPU slot
    uint32_t count;  // in that list
    uint32_t spare;  // kept for replacing a key: no counter, no list
  };

  struct Header {
    alignas(64) std::atomic<uint32_t> used;
    std::atomic<uint32_t> fresh;  // elements from here on were never used
    // Lists of free elements that caches gave away: index of the first, and
    // above it a counter against ABA.
    alignas(64) std::atomic<uint64_t> shared;
  };

  // Byte offsets of the parts of the region.
  struct Layout;

  // Where an element hangs in its bucket.
  struct Place {
    uint32_t element = kNone;
    int lane = -1;              // -1: in the overflow chain
    uint32_t previous = kNone;  // in the chain; kNone: the bucket's head
    uint32_t chain = 0;         // without an element: the length of the chain
  };

  Bucket& BucketAt(uint32_t index) const noexcept { return buckets_[index]; }
  Element& ElementAt(uint32_t element) const noexcept {
    // Elements start with their links.
    return *reinterpret_cast<Element*>(elements_ + uint64_t{element} * stride_);
  }
  std::byte* KeyOf(uint32_t element) const noexcept {
    return elements_ + uint64_t{element} * stride_ + sizeof(Element);
  }
  uint32_t BucketOf(uint64_t hash) const noexcept {
    return static_cast<uint32_t>(hash) & bucket_mask_;
  }
  static uint64_t TagOf(uint64_t hash) noexcept { return (hash >> 48) | 1; }
  // A set of the lanes that may hold `tag`; LaneOf gives its first one.
  static uint64_t Candidates(const Bucket& bucket, uint64_t tag) noexcept;
  static int LaneOf(uint64_t candidates) noexcept;
  static uint64_t LaneTag(const Bucket& bucket, int lane) noexcept;
  static void SetTag(Bucket& bucket, int lane, uint64_t tag) noexcept;
  static int FreeLane(const Bucket& bucket) noexcept;

  // Whether an index leads to an element; false for kNone.
  bool IsElement(uint32_t index) const noexcept { return index - 1 < capacity_; }

  void Lock(Bucket& bucket) const noexcept;
  void LockShared(Bucket& bucket) const noexcept;
  static void Unlock(Bucket& bucket) noexcept { RobustRelease(bucket.lock); }
  class BucketGuard {
   public:
    BucketGuard(const HashTable& table, Bucket& bucket) noexcept : bucket_(bucket) {
      table.Lock(bucket_);
    }
    ~BucketGuard() { Unlock(bucket_); }
    BucketGuard(const BucketGuard&) = delete;
    BucketGuard& operator=(const BucketGuard&) = delete;

   private:
    Bucket& bucket_;
  };
  static void RaiseVersion(Bucket& bucket) noexcept;

  // REQUIRES: the bucket is locked.
  template <class K>
  Place FindLocked(const Bucket& bucket, uint64_t tag, const std::byte* key) const noexcept;
  Place PlaceOf(const Bucket& bucket, uint32_t element) const noexcept;
  // The element that follows `element`, the one at `position` of the bucket's chain
  // (from 1), which `next` followed before others may have changed the chain.
  uint32_t NextInChain(Bucket& bucket, uint32_t element, uint32_t next,
                       uint32_t position) const noexcept;
  void Replace(Bucket& bucket, const Place& place, uint32_t element) noexcept;
  void Remove(Bucket& bucket, const Place& place) noexcept;
  void Insert(Bucket& bucket, uint64_t tag, uint32_t element) noexcept;
  uint32_t ChainLength(const Bucket& bucket) const noexcept;
  template <class TakeOne>
  bool TakeAt(Bucket& bucket, const Place& place, TakeOne& take) noexcept;
  // The element after `place` in the bucket (after none: the first), or kNone.
  uint32_t After(const Bucket& bucket, const Place& place) const noexcept;

  // Calls body(first, last) for runs of buckets that memory was ever written to in.
  template <class Body>
  void ForTouchedBuckets(Body body) const noexcept;
  void SettleLocks() noexcept;
  template <class K>
  bool Belongs(uint32_t bucket, uint32_t element) const noexcept;
  // Drops from the bucket what is no element of it or was `taken` already.
  template <class K, class Taken>
  void CheckBucket(uint32_t index, Taken taken) noexcept;

  // Take: for a new key; false if the table is full. TakeSpare: to replace one.
  uint32_t Take(uint32_t cpu) noexcept;
  uint32_t TakeSpare(uint32_t cpu) noexcept;
  void Give(uint32_t element, uint32_t cpu) noexcept;
  void GiveSpare(uint32_t element, uint32_t cpu) noexcept;
  uint32_t TakeShared() noexcept;
  uint32_t TakeFresh() noexcept;
  uint32_t Pop(Cache& cache) noexcept;
  void Push(Cache& cache, uint32_t element) noexcept;
  uint32_t PopShared() noexcept;
  void PushShared(uint32_t first) noexcept;
  // Runs `body` with the cache of `cpu`; the host's one is shared.
  template <class Body>
  auto WithCache(uint32_t cpu, Body body) noexcept;

  Header* header_ = nullptr;
  Cache* caches_ = nullptr;
  Bucket* buckets_ = nullptr;
  std::byte* elements_ = nullptr;
  uint64_t stride_ = 0;
  uint32_t key_size_ = 0;
  uint32_t value_offset_ = 0;
  uint32_t value_bytes_ = 0;
  uint32_t bucket_mask_ = 0;
  uint32_t capacity_ = 0;
  uint32_t max_entries_ = 0;
  uint32_t cpu_slots_ = 0;
  uint32_t chain_limit_ = 0;
  uint64_t seed_ = 0;
  SharedRegion* const shared_;
  LockHolder holder_;
  uint64_t file_offset_ = 0;  // of the first bucket
  void (*repair_)(void*) = nullptr;
  void* owner_ = nullptr;
  std::mutex host_mutex_;
};

}  // namespace skep

#endif  // SKEP_MAPS_HASH_TABLE_H_
