// SPDX-License-Identifier: Apache-2.0
// PerfBufferReader: takes samples out of a perf event array, as libbpf's
// perf_buffer does: one ring for each CPU slot that the array has room for.
//
// Threads: one thread at a time, and one reader for a map; programs may run
// meanwhile. Lifetime: keeps the map; while it lives, the array's slots are its
// rings, afterwards they are empty.

#ifndef SKEP_PERF_BUFFER_READER_H_
#define SKEP_PERF_BUFFER_READER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "skep/export.h"
#include "skep/map.h"
#include "skep/result.h"

namespace skep {

namespace model {
class PerfRing;
}

class SKEP_EXPORT PerfBufferReader {
 public:
  // `data` has the sample and up to 7 bytes of padding, as in Linux.
  using Sample = std::function<void(uint32_t cpu, std::span<const std::byte> data)>;
  using Lost = std::function<void(uint32_t cpu, uint64_t count)>;

  // Fails with kInvalidArgument if the map is not a perf event array or
  // `pages` is not a power of two, kSystem if there is no memory.
  static Result<std::unique_ptr<PerfBufferReader>> Create(std::shared_ptr<Map> map, uint32_t pages,
                                                          Sample sample, Lost lost = nullptr);
  ~PerfBufferReader();

  // Takes what is there. Returns the number of records.
  int Consume();
  // Waits until there is something, at most timeout_ms (-1: for ever), then as
  // Consume. Returns 0 on time-out, -EINTR if a signal came.
  int Poll(int timeout_ms);
  // Readable when a wake-up is due; for poll(2), to be followed by Consume.
  int fd() const { return fd_; }

 private:
  PerfBufferReader(std::shared_ptr<Map> map, int fd, Sample sample, Lost lost);

  std::shared_ptr<Map> map_;
  int fd_;
  Sample sample_;
  Lost lost_;
  std::vector<std::shared_ptr<model::PerfRing>> rings_;
};

}  // namespace skep

#endif  // SKEP_PERF_BUFFER_READER_H_
