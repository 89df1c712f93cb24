// SPDX-License-Identifier: Apache-2.0
// PerfRing: what a slot of a perf event array holds here: the ring of one CPU
// slot, with records as perf_event_open(2) documents them:
//
//   sample  {u32 type = 9, u16 misc, u16 size} {u32 bytes} data, padding to 8
//   lost    {u32 type = 2, u16 misc, u16 size} {u64 id} {u64 lost}
//
// Threads: one producer (the thread that owns the CPU slot), one consumer.

#ifndef SKEP_MODEL_PERF_RING_H_
#define SKEP_MODEL_PERF_RING_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "skep/result.h"

#include "base/region.h"

namespace skep::model {

inline constexpr uint32_t kPerfRecordLost = 2;
inline constexpr uint32_t kPerfRecordSample = 9;

// bpf_perf_event_output flags.
inline constexpr uint64_t kPerfIndexMask = 0xffffffff;                 // BPF_F_INDEX_MASK
inline constexpr uint64_t kPerfCurrentCpu = 0xffffffff;                // BPF_F_CURRENT_CPU
inline constexpr uint64_t kPerfContextMask = uint64_t{0xfffff} << 32;  // BPF_F_CTXLEN_MASK

class PerfRing {
 public:
  // `bytes` of records: a power of two that is a multiple of the page size.
  // `event_fd` is written when a wake-up is due; not owned.
  static Result<std::shared_ptr<PerfRing>> Create(uint32_t cpu, uint64_t bytes, int event_fd);

  uint32_t cpu() const { return cpu_; }

  // Appends one sample made of two pieces. Returns 0, or -ENOSPC if it does not
  // fit; then it is counted, and a lost record comes before the next sample.
  int Output(std::span<const std::byte> data, std::span<const std::byte> more) noexcept;

  // Calls for each record in order; `data` is a sample's bytes with their
  // padding, or null for a lost record, then `size` is how many were lost.
  // Returns the number of records.
  using Record = void (*)(void* argument, uint32_t cpu, const std::byte* data, uint64_t size);
  int Consume(Record function, void* argument) noexcept;

  PerfRing(uint32_t cpu, Region region, uint64_t bytes, int event_fd);

 private:
  struct Header {
    uint32_t type;
    uint16_t misc;
    uint16_t size;
  };
  std::byte* At(uint64_t position) const { return region_.base() + (position & mask_); }
  void PutHeader(uint64_t position, uint32_t type, uint64_t size) noexcept;

  const Region region_;
  const uint64_t mask_;
  const uint32_t cpu_;
  const int event_fd_;
  uint64_t lost_ = 0;  // the producer's
  alignas(64) std::atomic<uint64_t> head_{0};
  alignas(64) std::atomic<uint64_t> tail_{0};
};

}  // namespace skep::model

#endif  // SKEP_MODEL_PERF_RING_H_
