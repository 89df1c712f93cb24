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
// Threads: any number of producers, one consumer. Positions that the consumer
// writes are not trusted: whatever they are, only ring bytes are touched.

#ifndef SKEP_MODEL_RINGBUF_H_
#define SKEP_MODEL_RINGBUF_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "skep/map.h"

#include "base/region.h"

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

  // The memory of a ring of `bytes` data: zeroed pages with the data mirrored.
  static Result<Region> Reserve(uint64_t bytes);
  // Makes a ring in fresh memory of Reserve(bytes).
  static Ringbuf& Format(const Region& region, uint64_t bytes);
  // The ring behind a map of type kRingbuf.
  static Ringbuf& Of(const Map& map) {
    return *reinterpret_cast<Ringbuf*>(map.direct_view().base);  // page 0
  }

  // ---- producers ----
  // Returns the data of a new busy record, or null if it does not fit.
  std::byte* Reserve(uint64_t size, uint64_t flags) noexcept;
  // Ends a record from Reserve. REQUIRES: `data` is from Reserve of some
  // Ringbuf, and was not committed yet.
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
  // The descriptor that becomes readable when a wake-up is due (eventfd), or -1.
  std::atomic<int>& event_fd() { return event_fd_; }

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
  explicit Ringbuf(uint64_t bytes) : page_(PageBytes()), mask_(bytes - 1) {}

  struct Header {
    std::atomic<uint32_t> length;
    uint32_t page_offset;
  };
  static_assert(sizeof(Header) == 8);
  struct Producer {  // page 2
    std::atomic<uint64_t> position;
    uint64_t pending;  // guarded by lock_
  };

  std::byte* page(uint64_t number) const {
    return reinterpret_cast<std::byte*>(const_cast<Ringbuf*>(this)) + number * page_;
  }
  std::atomic<uint64_t>& consumer_position() const {
    return *reinterpret_cast<std::atomic<uint64_t>*>(page(1));
  }
  Producer& producer() const { return *reinterpret_cast<Producer*>(page(2)); }
  std::byte* data() const { return page(3); }
  Header& HeaderAt(uint64_t position) const {
    return *reinterpret_cast<Header*>(data() + (position & mask_));
  }

  const uint64_t page_;
  const uint64_t mask_;
  std::atomic<uint32_t> lock_{0};
  std::atomic<int> event_fd_{-1};
  std::atomic<bool> draining_{false};
};

}  // namespace skep::model

#endif  // SKEP_MODEL_RINGBUF_H_
