// SPDX-License-Identifier: Apache-2.0
#include "model/ringbuf.h"

#include <algorithm>
#include <cerrno>
#include <new>

#include <unistd.h>

#include "base/spin_lock.h"
#include "base/word_copy.h"
#include "model/dynptr.h"

namespace skep::model {
namespace {

constexpr uint64_t kHeaderBytes = 8;
constexpr uint64_t kMaxRecord = 0x3fffffff;  // UINT_MAX / 4
constexpr uint64_t kControlPages = 3;

uint64_t RecordBytes(uint32_t length) {
  return RoundUp(uint64_t{length & ~(kRingbufBusy | kRingbufDiscard)} + kHeaderBytes, 8);
}

}  // namespace

Result<Region> Ringbuf::Reserve(uint64_t bytes) {
  return Region::Mirrored(kControlPages * PageBytes(), bytes);
}

Ringbuf& Ringbuf::Format(const Region& region, uint64_t bytes) {
  return *new (region.base()) Ringbuf(bytes);
}

std::byte* Ringbuf::Reserve(uint64_t size, uint64_t flags) noexcept {
  if (flags != 0 || size > kMaxRecord) return nullptr;
  const uint64_t bytes = RoundUp(size + kHeaderBytes, 8);
  if (bytes > mask_ + 1) return nullptr;

  const uint64_t consumed = consumer_position().load(std::memory_order_acquire);
  const SpinGuard guard(lock_);
  Producer& p = producer();
  const uint64_t position = p.position.load(std::memory_order_relaxed);
  const uint64_t end = position + bytes;
  // Move past the records that were committed since the last time.
  uint64_t pending = p.pending;
  while (pending < position) {
    const uint32_t length = HeaderAt(pending).length.load(std::memory_order_relaxed);
    if ((length & kRingbufBusy) != 0) break;
    pending += RecordBytes(length);
  }
  p.pending = pending;
  if (end - consumed > mask_ || end - pending > mask_) return nullptr;

  Header& header = HeaderAt(position);
  auto* record = reinterpret_cast<std::byte*>(&header);
  header.length.store(static_cast<uint32_t>(size) | kRingbufBusy, std::memory_order_relaxed);
  header.page_offset = static_cast<uint32_t>(static_cast<uint64_t>(record - page(0)) / page_);
  p.position.store(end, std::memory_order_release);
  return record + kHeaderBytes;
}

void Ringbuf::Commit(std::byte* data, uint64_t flags, bool discard) noexcept {
  std::byte* record = data - kHeaderBytes;
  auto& header = *reinterpret_cast<Header*>(record);
  const uint64_t page_bytes = PageBytes();
  const uint64_t in_page = reinterpret_cast<uint64_t>(record) % page_bytes;
  auto& ring = *reinterpret_cast<Ringbuf*>(record - in_page - header.page_offset * page_bytes);

  uint32_t length = header.length.load(std::memory_order_relaxed) & ~kRingbufBusy;
  if (discard) length |= kRingbufDiscard;
  // Sequentially consistent, as is the consumer's move: either it sees the
  // record, or we see that it has caught up and wake it.
  header.length.exchange(length, std::memory_order_seq_cst);
  const auto position = static_cast<uint64_t>(record - ring.data());
  const uint64_t consumed = ring.consumer_position().load(std::memory_order_seq_cst) & ring.mask_;
  if ((flags & kRingbufForceWakeup) != 0 ||
      (consumed == position && (flags & kRingbufNoWakeup) == 0)) {
    ring.Wake();
  }
}

int Ringbuf::Output(const std::byte* bytes, uint64_t size, uint64_t flags) noexcept {
  if ((flags & ~(kRingbufNoWakeup | kRingbufForceWakeup)) != 0) return -EINVAL;
  std::byte* record = Reserve(size, 0);
  if (record == nullptr) return -EAGAIN;
  CopyWords(record, bytes, size);
  Commit(record, flags, false);
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
  int seen = 0;
  uint64_t position = consumer_position().load(std::memory_order_relaxed);
  for (;;) {
    const uint64_t produced = producer().position.load(std::memory_order_seq_cst);
    if (position >= produced) return seen;
    while (position < produced) {
      const Header& header = HeaderAt(position);
      const uint32_t length = header.length.load(std::memory_order_seq_cst);
      if ((length & kRingbufBusy) != 0) return seen;
      int result = 0;
      if ((length & kRingbufDiscard) == 0) {
        // A record cannot be longer than the ring; a spoiled length is cut.
        const auto size =
            static_cast<uint32_t>(std::min(uint64_t{length}, mask_ + 1 - kHeaderBytes));
        result =
            function(argument, reinterpret_cast<const std::byte*>(&header) + kHeaderBytes, size);
        ++seen;
      }
      position += RecordBytes(length);
      consumer_position().store(position, std::memory_order_seq_cst);
      if (result < 0) return result;
    }
  }
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
  header.page_offset = 0;
  producer().position.store(produced + bytes, std::memory_order_release);
  return reinterpret_cast<std::byte*>(&header) + kHeaderBytes;
}

void Ringbuf::CommitUserSample(std::byte* data, bool discard) noexcept {
  auto& header = *reinterpret_cast<Header*>(data - kHeaderBytes);
  const uint32_t size = header.length.load(std::memory_order_relaxed) & ~kRingbufBusy;
  header.length.exchange(discard ? size | kRingbufDiscard : size, std::memory_order_acq_rel);
}

void Ringbuf::Wake() noexcept {
  const int fd = event_fd_.load(std::memory_order_acquire);
  const uint64_t one = 1;
  // It can only fail when the counter is full, and then the reader is awake.
  if (fd >= 0 && write(fd, &one, sizeof one) < 0) return;
}

std::optional<Extent> Ringbuf::BusyRecordAt(const std::byte* address) noexcept {
  if (address < data() || address >= data() + 2 * (mask_ + 1)) return std::nullopt;
  const SpinGuard guard(lock_);
  const Producer& p = producer();
  const uint64_t end = p.position.load(std::memory_order_relaxed);
  for (uint64_t position = p.pending; position < end;) {
    Header& header = HeaderAt(position);
    const uint32_t length = header.length.load(std::memory_order_relaxed);
    auto* begin = reinterpret_cast<std::byte*>(&header) + kHeaderBytes;
    if ((length & kRingbufBusy) != 0 && address >= begin &&
        address < begin + (length & ~kRingbufBusy)) {
      return Extent{begin, length & ~kRingbufBusy, true};
    }
    position += RecordBytes(length);
  }
  return std::nullopt;
}

}  // namespace skep::model
