// SPDX-License-Identifier: Apache-2.0
#include "model/perf_ring.h"

#include <cerrno>

#include <unistd.h>

#include "base/memory_access.h"
#include "base/word_copy.h"

namespace skep::model {
namespace {

constexpr uint64_t kHeaderBytes = 8;
constexpr uint64_t kRawSizeBytes = 4;
constexpr uint64_t kLostBytes = kHeaderBytes + 16;
constexpr uint64_t kMaxRecordBytes = 0xffff;  // perf_event_header.size is u16

}  // namespace

PerfRing::PerfRing(uint32_t cpu, Region region, uint64_t bytes, int event_fd)
    : region_(std::move(region)), mask_(bytes - 1), cpu_(cpu), event_fd_(event_fd) {}

Result<std::shared_ptr<PerfRing>> PerfRing::Create(uint32_t cpu, uint64_t bytes, int event_fd) {
  SKEP_TRY(Region region, Region::Mirrored(0, bytes));
  return std::make_shared<PerfRing>(cpu, std::move(region), bytes, event_fd);
}

void PerfRing::PutHeader(uint64_t position, uint32_t type, uint64_t size) noexcept {
  const auto at = reinterpret_cast<uint64_t>(At(position));
  StoreRelaxed<uint32_t>(at, type);
  StoreRelaxed<uint32_t>(at + 4, static_cast<uint32_t>(size << 16));  // misc = 0, size
}

int PerfRing::Output(std::span<const std::byte> data, std::span<const std::byte> more) noexcept {
  // The raw data with its size is padded to 8 bytes; the size counts the padding.
  const uint64_t raw = RoundUp(kRawSizeBytes + data.size() + more.size(), 8);
  const uint64_t sample = kHeaderBytes + raw;
  if (sample > kMaxRecordBytes) return -E2BIG;
  const uint64_t head = head_.load(std::memory_order_relaxed);
  const uint64_t tail = tail_.load(std::memory_order_seq_cst);
  const uint64_t bytes = sample + (lost_ != 0 ? kLostBytes : 0);
  if (bytes > mask_ + 1 - (head - tail)) {
    ++lost_;
    return -ENOSPC;
  }
  uint64_t position = head;
  if (lost_ != 0) {
    PutHeader(position, kPerfRecordLost, kLostBytes);
    const auto at = reinterpret_cast<uint64_t>(At(position));
    StoreRelaxed<uint64_t>(at + kHeaderBytes, 0);
    StoreRelaxed<uint64_t>(at + kHeaderBytes + 8, lost_);
    lost_ = 0;
    position += kLostBytes;
  }
  PutHeader(position, kPerfRecordSample, sample);
  std::byte* at = At(position) + kHeaderBytes;
  StoreRelaxed(reinterpret_cast<uint64_t>(at), static_cast<uint32_t>(raw - kRawSizeBytes));
  at += kRawSizeBytes;
  CopyWords(at, data.data(), data.size());
  CopyWords(at + data.size(), more.data(), more.size());
  const uint64_t used = data.size() + more.size();
  ZeroWords(at + used, raw - kRawSizeBytes - used);

  head_.store(position + sample, std::memory_order_seq_cst);
  // Either the consumer sees the record, or we see that it had caught up.
  const uint64_t one = 1;
  if (tail_.load(std::memory_order_seq_cst) >= head && event_fd_ >= 0 &&
      write(event_fd_, &one, sizeof one) < 0) {
    return 0;  // the counter is full: the reader is awake
  }
  return 0;
}

int PerfRing::Consume(Record function, void* argument) noexcept {
  int records = 0;
  uint64_t tail = tail_.load(std::memory_order_relaxed);
  while (tail != head_.load(std::memory_order_seq_cst)) {
    const auto at = reinterpret_cast<uint64_t>(At(tail));
    const uint32_t type = LoadRelaxed<uint32_t>(at);
    const uint64_t size = LoadRelaxed<uint32_t>(at + 4) >> 16;
    if (type == kPerfRecordSample) {
      function(argument, cpu_, At(tail) + kHeaderBytes + kRawSizeBytes,
               LoadRelaxed<uint32_t>(at + kHeaderBytes));
    } else {
      function(argument, cpu_, nullptr, LoadRelaxed<uint64_t>(at + kHeaderBytes + 8));
    }
    ++records;
    tail += size;
    tail_.store(tail, std::memory_order_seq_cst);
  }
  return records;
}

}  // namespace skep::model
