// SPDX-License-Identifier: Apache-2.0
#include "model/ringbuf.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <ctime>
#include <new>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/process_fence.h"
#include "base/region.h"
#include "base/shared_region.h"
#include "base/word_copy.h"
#include "model/dynptr.h"

namespace skep::model {
namespace {

constexpr uint64_t kHeaderBytes = 8;
constexpr uint64_t kMaxRecord = 0x3fffffff;  // UINT_MAX / 4
constexpr uint64_t kConsumerStep = 4096;     // bytes

// What a record's way back to page 0 is counted in: the kernel's pages, whatever the
// size of this system's.
constexpr uint64_t kUnit = 4096;

uint64_t RecordBytes(uint32_t length) {
  return RoundUp(uint64_t{length & ~(kRingbufBusy | kRingbufDiscard)} + kHeaderBytes, 8);
}

}  // namespace

// Other processes cannot be fenced from here.
Ringbuf::Ringbuf(std::byte* memory, uint64_t page, uint64_t bytes, const LockHolder& holder)
    : mask_(bytes - 1),
      holder_(holder),
      consumer_fences_(holder.region == nullptr && CanFenceProcess()),
      consumed_by_reader_(*reinterpret_cast<std::atomic<uint64_t>*>(memory + page)),
      producer_(*reinterpret_cast<Producer*>(memory + 2 * page)),
      data_(memory + 3 * page) {}

Ringbuf& Ringbuf::Format(std::byte* memory, uint64_t bytes, const LockHolder& holder) {
  return *new (memory) Ringbuf(memory, PageBytes(), bytes, holder);
}

uint32_t Ringbuf::SizeOf(uint32_t length) const {
  const uint64_t size = length & ~(kRingbufBusy | kRingbufDiscard);
  return static_cast<uint32_t>(std::min(size, mask_ + 1 - kHeaderBytes));
}

// Moves past the records that were committed since the last time.
inline uint64_t Ringbuf::MovePending(uint64_t position) noexcept {
  const Place place = TakePlace();
  uint64_t pending = place.producer.pending.load(std::memory_order_relaxed);
  // There is no more than the ring holds, unless others have spoiled it.
  if (position - pending > place.mask + 1) pending = position;
  while (pending < position) {
    const uint32_t length = place.HeaderAt(pending).length.load(std::memory_order_relaxed);
    if ((length & kRingbufBusy) != 0) break;
    pending += RecordBytes(length);
  }
  place.producer.pending.store(pending, std::memory_order_relaxed);
  return pending;
}

bool Ringbuf::DiscardDead(Header& header) noexcept {
  if (!shared()) return false;
  uint32_t length = header.length.load(std::memory_order_acquire);
  if ((length & kRingbufBusy) == 0) return true;
  const uint32_t word = header.page_offset.load(std::memory_order_relaxed);
  if (!holder_.region->IsDead(word)) return false;
  const uint32_t discarded = (length & ~kRingbufBusy) | kRingbufDiscard;
  header.length.compare_exchange_strong(length, discarded, std::memory_order_seq_cst);
  return true;
}

std::byte* Ringbuf::Put(uint64_t position, uint64_t size, uint32_t way) noexcept {
  const Place place = TakePlace();
  Header& header = place.HeaderAt(position);
  header.length.store(static_cast<uint32_t>(size) | kRingbufBusy, std::memory_order_relaxed);
  header.page_offset.store(way, std::memory_order_relaxed);
  place.producer.position.store(position + RecordBytes(static_cast<uint32_t>(size)),
                                std::memory_order_release);
  return reinterpret_cast<std::byte*>(&header) + kHeaderBytes;
}

std::byte* Ringbuf::Reserve(uint64_t size, uint64_t flags) noexcept {
  if (flags != 0 || size > kMaxRecord) return nullptr;
  if (shared()) return ReserveShared(size);
  const uint64_t bytes = RoundUp(size + kHeaderBytes, 8);
  // Read before the lock, whose instruction later loads wait for.
  const Place place = TakePlace();
  if (bytes > place.mask + 1) return nullptr;
  const RobustGuard guard(lock_, LockHolder{}, [] {});
  const uint64_t position = place.producer.position.load(std::memory_order_relaxed);
  const uint64_t end = position + bytes;
  if (end - MovePending(position) > place.mask) return nullptr;
  // The consumer changes its line all the time: it is looked at only if what was there
  // last does not do. It is not trusted; only ring bytes are written whatever it says.
  if (end - consumed_ > place.mask) {
    consumed_ = consumer_position().load(std::memory_order_acquire);
    if (end - consumed_ > place.mask) return nullptr;
  }
  const std::byte* const record = reinterpret_cast<std::byte*>(&place.HeaderAt(position));
  const auto distance = static_cast<uint64_t>(record - reinterpret_cast<std::byte*>(this));
  return Put(position, size, static_cast<uint32_t>(distance / kUnit));
}

std::byte* Ringbuf::ReserveShared(uint64_t size) noexcept {
  const uint64_t bytes = RoundUp(size + kHeaderBytes, 8);
  if (bytes > mask_ + 1) return nullptr;
  const uint64_t consumed = consumer_position().load(std::memory_order_acquire);
  // One who dies leaves a record that nobody has seen yet, or a whole one.
  const RobustGuard guard(lock(), holder_, [] {});
  const uint64_t position = producer().position.load(std::memory_order_relaxed);
  const uint64_t end = position + bytes;
  uint64_t pending = MovePending(position);
  while (end - pending > mask_ && pending != position && DiscardDead(HeaderAt(pending))) {
    pending = MovePending(position);
  }
  if (end - consumed > mask_ || end - pending > mask_) return nullptr;
  return Put(position, size, holder_.word);
}

void Ringbuf::Commit(std::byte* data, uint64_t flags, bool discard) noexcept {
  std::byte* record = data - kHeaderBytes;
  const auto& header = *reinterpret_cast<Header*>(record);
  const uint64_t in_page = reinterpret_cast<uint64_t>(record) % kUnit;
  const uint64_t offset = header.page_offset.load(std::memory_order_relaxed) * kUnit;
  reinterpret_cast<Ringbuf*>(record - in_page - offset)->CommitHere(data, flags, discard);
}

void Ringbuf::CommitHere(std::byte* to_commit, uint64_t flags, bool discard) noexcept {
  std::byte* record = to_commit - kHeaderBytes;
  auto& header = *reinterpret_cast<Header*>(record);
  uint32_t length = header.length.load(std::memory_order_relaxed) & ~kRingbufBusy;
  if (discard) length |= kRingbufDiscard;
  // Either the consumer sees the record, or we see that it has caught up and wake it:
  // both are sequentially consistent, or the consumer fences for both.
  if (consumer_fences_) {
    header.length.store(length, std::memory_order_release);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    // Who makes the descriptor looks at the ring afterwards.
    if (event_fd_.load(std::memory_order_relaxed) < 0) return;
  } else {
    header.length.exchange(length, std::memory_order_seq_cst);
  }
  if ((flags & kRingbufForceWakeup) != 0) return Wake();
  if ((flags & kRingbufNoWakeup) != 0) return;
  const auto position = static_cast<uint64_t>(record - data());
  const uint64_t consumed = consumer_position().load(std::memory_order_seq_cst) & mask_;
  if (consumed == position) Wake();
}

int Ringbuf::Output(const std::byte* bytes, uint64_t size, uint64_t flags) noexcept {
  if ((flags & ~(kRingbufNoWakeup | kRingbufForceWakeup)) != 0) return -EINVAL;
  std::byte* record = Reserve(size, 0);
  if (record == nullptr) return -EAGAIN;
  CopyWords(record, bytes, size);
  CommitHere(record, flags, false);
  return 0;
}

uint64_t Ringbuf::Query(uint64_t what) const noexcept {
  const uint64_t consumed = consumer_position().load(std::memory_order_acquire);
  const uint64_t produced = producer().position.load(std::memory_order_acquire);
  switch (what) {
    case kRingbufAvailData:
      return produced - consumed;
    case kRingbufRingSize:
      return mask_ + 1;
    case kRingbufConsPos:
      return consumed;
    case kRingbufProdPos:
      return produced;
    default:
      return 0;
  }
}

int Ringbuf::Consume(Sample function, void* argument) noexcept {
  // Producers read the consumer's position all the time, so it moves in steps.
  const uint64_t step = std::min((mask_ + 1) / 8, kConsumerStep);
  int seen = 0;
  uint64_t position = consumer_position().load(std::memory_order_relaxed);
  for (;;) {
    const uint64_t produced = producer().position.load(std::memory_order_seq_cst);
    // There is no more than the ring holds, unless others have spoiled it.
    if (position < produced && produced - position > mask_ + 1) {
      MoveConsumer(produced);
      return seen;
    }
    uint64_t told = position;
    bool more = position < produced;
    while (more) {
      Header& header = HeaderAt(position);
      const uint32_t length = header.length.load(std::memory_order_seq_cst);
      if ((length & kRingbufBusy) != 0) {
        if (DiscardDead(header)) continue;
        break;
      }
      int result = 0;
      if ((length & kRingbufDiscard) == 0) {
        result = function(argument, reinterpret_cast<const std::byte*>(&header) + kHeaderBytes,
                          SizeOf(length));
        ++seen;
      }
      position += RecordBytes(length);
      more = position < produced;
      if (position - told >= step || !more || result < 0) {
        MoveConsumer(position);
        told = position;
      }
      if (result < 0) return result;
    }
    if (position != told) MoveConsumer(position);
    if (more) {
      if (IsFenced(position)) return seen;  // a busy record
    } else if (position >= producer().position.load(std::memory_order_seq_cst) &&
               IsFenced(position)) {
      return seen;
    }
  }
}

// Whether all has been done so that a producer that ends a record from now on sees the
// consumer's position; if not, fences, and the consumer has to look again.
bool Ringbuf::IsFenced(uint64_t position) noexcept {
  if (!consumer_fences_ || position == fenced_at_ ||
      event_fd_.load(std::memory_order_relaxed) < 0) {
    return true;
  }
  fenced_at_ = position;
  FenceProcess();
  return false;
}

int Ringbuf::PeekUserSample(UserSample* sample) noexcept {
  const uint64_t produced = producer().position.load(std::memory_order_acquire);
  if (produced % 8 != 0) return -EINVAL;
  const uint64_t consumed = consumer_position().load(std::memory_order_acquire);
  if (consumed >= produced) return -ENODATA;
  Header& header = HeaderAt(consumed);
  const uint32_t word = header.length.load(std::memory_order_acquire);
  const uint32_t size = word & ~(kRingbufBusy | kRingbufDiscard);
  const uint64_t bytes = RecordBytes(size);
  if (bytes > produced - consumed) return -EINVAL;
  if (bytes > mask_ + 1 || size > Dynptr::kMaxSize) return -E2BIG;
  if ((word & kRingbufDiscard) != 0) {
    consumer_position().store(consumed + bytes, std::memory_order_release);
    return -EAGAIN;
  }
  if ((word & kRingbufBusy) != 0) return -ENODATA;
  *sample = {reinterpret_cast<std::byte*>(&header) + kHeaderBytes, size};
  return 0;
}

void Ringbuf::ReleaseUserSample(const UserSample& sample) noexcept {
  const uint64_t consumed = consumer_position().load(std::memory_order_relaxed);
  consumer_position().store(consumed + RecordBytes(sample.size), std::memory_order_release);
}

std::byte* Ringbuf::ReserveUserSample(uint32_t size) noexcept {
  if ((size & (kRingbufBusy | kRingbufDiscard)) != 0) return nullptr;
  const uint64_t bytes = RecordBytes(size);
  const uint64_t consumed = consumer_position().load(std::memory_order_acquire);
  const uint64_t produced = producer().position.load(std::memory_order_relaxed);
  if (bytes > mask_ + 1 || produced - consumed > mask_ + 1 - bytes) return nullptr;
  Header& header = HeaderAt(produced);
  header.length.store(size | kRingbufBusy, std::memory_order_relaxed);
  header.page_offset.store(0, std::memory_order_relaxed);
  producer().position.store(produced + bytes, std::memory_order_release);
  return reinterpret_cast<std::byte*>(&header) + kHeaderBytes;
}

void Ringbuf::CommitUserSample(std::byte* data, bool discard) noexcept {
  auto& header = *reinterpret_cast<Header*>(data - kHeaderBytes);
  const uint32_t size = header.length.load(std::memory_order_relaxed) & ~kRingbufBusy;
  header.length.exchange(discard ? size | kRingbufDiscard : size, std::memory_order_acq_rel);
}

void Ringbuf::Wake() noexcept {
  if (shared()) {
    Producer& p = producer();
    p.wake_ups.fetch_add(1, std::memory_order_seq_cst);
    if (p.waiters.load(std::memory_order_seq_cst) != 0) {
      syscall(SYS_futex, &p.wake_ups, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
    }
  }
  const int fd = event_fd_.load(std::memory_order_acquire);
  const uint64_t one = 1;
  // It can only fail when the counter is full, and then the reader is awake.
  if (fd >= 0 && write(fd, &one, sizeof one) < 0) return;
}

// One who dies while it waits leaves a waiter too many, which costs a call.
int Ringbuf::WaitForWake(uint32_t seen, uint32_t milliseconds) noexcept {
  Producer& p = producer();
  const timespec time = {.tv_sec = milliseconds / 1000,
                         .tv_nsec = static_cast<long>(milliseconds % 1000) * 1000000};
  p.waiters.fetch_add(1, std::memory_order_seq_cst);
  const bool failed = syscall(SYS_futex, &p.wake_ups, FUTEX_WAIT, seen, &time, nullptr, 0) != 0;
  const int error = failed ? errno : 0;
  p.waiters.fetch_sub(1, std::memory_order_seq_cst);
  return error == EINTR ? -EINTR : 0;
}

std::optional<Extent> Ringbuf::BusyRecordAt(const std::byte* address) noexcept {
  if (address < data() || address >= data() + 2 * (mask_ + 1)) return std::nullopt;
  const RobustGuard guard(lock(), holder_, [] {});
  const uint64_t end = producer().position.load(std::memory_order_relaxed);
  for (uint64_t position = MovePending(end); position < end;) {
    Header& header = HeaderAt(position);
    const uint32_t length = header.length.load(std::memory_order_relaxed);
    auto* begin = reinterpret_cast<std::byte*>(&header) + kHeaderBytes;
    if ((length & kRingbufBusy) != 0 && address >= begin && address < begin + SizeOf(length)) {
      return Extent{begin, SizeOf(length), true};
    }
    position += RecordBytes(length);
  }
  return std::nullopt;
}

}  // namespace skep::model
