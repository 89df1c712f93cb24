// SPDX-License-Identifier: Apache-2.0
// Ringbuf: the pages of a BPF_MAP_TYPE_RINGBUF and what producers and the
// consumer do with them. Laid out as the kernel's, so that a consumer written
// for the kernel's pages works on these:
//
//   page 0          not mapped by consumers: lock, size, wake-up descriptor
//   page 1          consumer position (u64), written by the consumer
//   page 2          producer position (u64), then the pending position (u64)
//   page 3 ...      the data, and the same data again behind it
//
// A record is a header {u32 length | busy (bit 31) | discard (bit 30), u32 page
// offset} and the data, rounded up to 8 bytes. The page offset leads from a
// record back to page 0, which is how submit finds the ring. A busy record
// stops the consumer; records that come later wait behind it, and its bytes and
// theirs are not used again (the pending position).
//
// Wake-ups: a producer that ends a record looks whether the consumer has caught up with
// it; the consumer, once it has caught up, looks for more. Both must see what the other
// did. In memory of one process the consumer fences for both, so that producers need
// no locked instruction for it; so only RingBufferReader, which goes by Consume, may
// wait for the descriptor.
//
// Threads: any number of producers, one consumer. Positions that the consumer
// writes are not trusted: whatever they are, only ring bytes are touched.
//
// A ring that processes share has a page 0 of its own in each of them, and nothing
// in the other pages is trusted. Behind the producer's positions are a lock and a
// word to wait on. In the place of the page offset a record names the process that
// made it; if that has died, whoever is stopped by the record discards it. The
// runtime knows which records are in shared rings (SharedRings).

#ifndef SKEP_MODEL_RINGBUF_H_
#define SKEP_MODEL_RINGBUF_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "skep/map.h"

#include "base/robust_lock.h"

namespace skep::model {

// bpf_ringbuf_output, submit and discard flags; bpf_ringbuf_query words.
inline constexpr uint64_t kRingbufNoWakeup = 1;
inline constexpr uint64_t kRingbufForceWakeup = 2;
inline constexpr uint64_t kRingbufAvailData = 0;
inline constexpr uint64_t kRingbufRingSize = 1;
inline constexpr uint64_t kRingbufConsPos = 2;
inline constexpr uint64_t kRingbufProdPos = 3;
inline constexpr uint32_t kRingbufBusy = 1u << 31;
inline constexpr uint32_t kRingbufDiscard = 1u << 30;

// Lives in page 0; made by Format, never constructed otherwise.
class Ringbuf {
 public:
  Ringbuf(const Ringbuf&) = delete;
  Ringbuf& operator=(const Ringbuf&) = delete;

  // Pages before the data: those that are each process's own, and the others.
  static constexpr uint64_t kOwnPages = 1;
  static constexpr uint64_t kSharedPages = 2;
  // Makes a ring of `bytes` data in memory with that many pages before them, and
  // the data twice. The own page and, but for a ring that was shared before, the
  // others are zero.
  static Ringbuf& Format(std::byte* memory, uint64_t bytes, const LockHolder& holder);
  // The ring behind a map of type kRingbuf.
  static Ringbuf& Of(const Map& map) {
    return *reinterpret_cast<Ringbuf*>(map.direct_view().base);  // page 0
  }

  // ---- producers ----
  // Returns the data of a new busy record, or null if it does not fit.
  std::byte* Reserve(uint64_t size, uint64_t flags) noexcept;
  // Ends a record from Reserve of this ring. REQUIRES: it was not committed yet.
  void CommitHere(std::byte* data, uint64_t flags, bool discard) noexcept;
  // The same for a record of some ring that is not shared.
  static void Commit(std::byte* data, uint64_t flags, bool discard) noexcept;
  // Returns 0, -EINVAL for unknown flags, -EAGAIN if there is no room.
  int Output(const std::byte* data, uint64_t size, uint64_t flags) noexcept;
  uint64_t Query(uint64_t what) const noexcept;

  // ---- the consumer ----
  // Calls function(argument, data, size) for each finished record, in order,
  // until there is none or it returns a negative number, which is returned.
  // Else returns how many records were seen; discarded ones do not count.
  using Sample = int (*)(void* argument, const std::byte* data, uint32_t size);
  int Consume(Sample function, void* argument) noexcept;
  // The descriptor that becomes readable when a wake-up is due (eventfd), or -1. In
  // a shared ring only this process's producers use it.
  std::atomic<int>& event_fd() { return event_fd_; }
  bool shared() const { return holder_.region != nullptr; }
  // The consumer of a shared ring waits for any producer's wake-up after `seen`, at
  // most so long. Returns 0, or -EINTR if a signal came.
  uint32_t wake_ups() const { return producer().wake_ups.load(std::memory_order_seq_cst); }
  int WaitForWake(uint32_t seen, uint32_t milliseconds) noexcept;

  // ---- rings that the host fills (BPF_MAP_TYPE_USER_RINGBUF) -------------------
  // The host moves the producer position, the program the consumer's. Nothing
  // that the host wrote is trusted.
  struct UserSample {
    std::byte* data = nullptr;
    uint32_t size = 0;
  };
  // Returns 0 and the next sample, -ENODATA if there is none, -EAGAIN after it
  // went past one that was discarded, -EINVAL and -E2BIG for positions and
  // lengths that make no sense.
  int PeekUserSample(UserSample* sample) noexcept;
  void ReleaseUserSample(const UserSample& sample) noexcept;
  // False if another program drains it.
  bool StartDrain() noexcept { return !draining_.exchange(true, std::memory_order_acquire); }
  void EndDrain() noexcept { draining_.store(false, std::memory_order_release); }
  void Wake() noexcept;
  // The host's side: room for a sample, busy until it is committed; null if there
  // is none. REQUIRES: one producer at a time.
  std::byte* ReserveUserSample(uint32_t size) noexcept;
  void CommitUserSample(std::byte* data, bool discard) noexcept;
  // The data, twice.
  Extent UserData() const noexcept { return {data(), 2 * (mask_ + 1), true}; }

  // The busy record that holds `address`, if there is one.
  std::optional<Extent> BusyRecordAt(const std::byte* address) noexcept;

 private:
  Ringbuf(std::byte* memory, uint64_t page, uint64_t bytes, const LockHolder& holder);

  struct Header {
    std::atomic<uint32_t> length;
    std::atomic<uint32_t> page_offset;  // in a shared ring: the producer's LockHolder::word
  };
  static_assert(sizeof(Header) == 8);
  struct Producer {  // page 2
    std::atomic<uint64_t> position;
    std::atomic<uint64_t> pending;  // changed under the lock
    // Of shared rings.
    alignas(64) std::atomic<uint32_t> lock;
    std::atomic<uint32_t> wake_ups;
    std::atomic<uint32_t> waiters;
  };

  std::atomic<uint64_t>& consumer_position() const { return consumed_by_reader_; }
  Producer& producer() const { return producer_; }
  std::byte* data() const { return data_; }
  // What producers need of this object, to be read at once.
  struct Place {
    const uint64_t mask;
    std::byte* const data;
    Producer& producer;
    // Records begin at multiples of 8, whatever the position says.
    Header& HeaderAt(uint64_t position) const {
      return *reinterpret_cast<Header*>(data + (position & mask & ~uint64_t{7}));
    }
  };
  Place TakePlace() const { return {mask_, data_, producer_}; }
  Header& HeaderAt(uint64_t position) const { return TakePlace().HeaderAt(position); }
  // Bytes of a record that are inside the ring, whatever its header says.
  uint32_t SizeOf(uint32_t length) const;
  std::atomic<uint32_t>& lock() { return shared() ? producer().lock : lock_; }
  // Where the oldest record is that may be busy. REQUIRES: the lock is held.
  uint64_t MovePending(uint64_t position) noexcept;
  std::byte* ReserveShared(uint64_t size) noexcept;
  // Writes the header of a new busy record. REQUIRES: the lock is held, there is room.
  std::byte* Put(uint64_t position, uint64_t size, uint32_t way) noexcept;
  bool IsFenced(uint64_t position) noexcept;
  // Tells the consumer's position, once in a while and at last.
  void MoveConsumer(uint64_t position) noexcept {
    consumer_position().store(position, std::memory_order_seq_cst);
  }
  // Discards a busy record if the process that made it has died.
  bool DiscardDead(Header& header) noexcept;

  const uint64_t mask_;
  const LockHolder holder_;
  const bool consumer_fences_;
  std::atomic<uint64_t>& consumed_by_reader_;  // page 1
  Producer& producer_;                         // page 2
  std::byte* const data_;                      // page 3
  std::atomic<int> event_fd_{-1};
  std::atomic<bool> draining_{false};
  // Producers and the consumer each write to lines of their own.
  alignas(64) uint64_t fenced_at_ = UINT64_MAX;  // the consumer's: where it fenced last
  alignas(64) std::atomic<uint32_t> lock_{0};
  uint64_t consumed_ = 0;  // under lock_: the consumer's position as it was seen last
};

}  // namespace skep::model

#endif  // SKEP_MODEL_RINGBUF_H_
