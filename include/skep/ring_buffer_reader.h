// SPDX-License-Identifier: Apache-2.0
// RingBufferReader: takes records out of a ring buffer map, as libbpf's
// ring_buffer does.
//
//   auto reader = skep::RingBufferReader::Create(map, [](auto record) { ...; return 0; });
//   while (running) (*reader)->Poll(100);
//
// Threads: one thread at a time, and one reader for a map. Producers may run
// meanwhile. Lifetime: keeps the map.

#ifndef SKEP_RING_BUFFER_READER_H_
#define SKEP_RING_BUFFER_READER_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <span>

#include "skep/export.h"
#include "skep/map.h"
#include "skep/result.h"

namespace skep {

class SKEP_EXPORT RingBufferReader {
 public:
  // The bytes are good until the function returns. A negative result stops
  // Consume, which returns it; that record counts as taken.
  using Callback = std::function<int(std::span<const std::byte> record)>;

  // Fails with kInvalidArgument if the map is not a ring buffer, kSystem if
  // there is no descriptor.
  static Result<std::unique_ptr<RingBufferReader>> Create(std::shared_ptr<Map> map,
                                                          Callback callback);
  ~RingBufferReader();

  // Takes what is there. Returns the number of records, or the callback's
  // negative result.
  int Consume();
  // Waits until there is something, at most timeout_ms (-1: for ever), then as
  // Consume. Returns 0 on time-out, -EINTR if a signal came.
  int Poll(int timeout_ms);
  // Readable when a wake-up is due; for poll(2), to be followed by Consume.
  int fd() const;

 private:
  RingBufferReader(std::shared_ptr<Map> map, Callback callback);

  std::shared_ptr<Map> map_;
  Callback callback_;
};

}  // namespace skep

#endif  // SKEP_RING_BUFFER_READER_H_
