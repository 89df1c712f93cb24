// SPDX-License-Identifier: Apache-2.0
// RingBufferReader: takes records out of one or several ring buffer maps, as libbpf's
// ring_buffer does.
//
//   auto reader = skep::RingBufferReader::Create(map, [](auto record) { ...; return 0; });
//   while (running) (*reader)->Poll(100);
//
// Threads: one thread at a time, and one reader for a map. Producers may run
// meanwhile. Lifetime: keeps the maps.

#ifndef SKEP_RING_BUFFER_READER_H_
#define SKEP_RING_BUFFER_READER_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <vector>

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

  // Another ring, with a callback of its own. Fails as Create; the reader stays as it
  // was then.
  Result<void> Add(std::shared_ptr<Map> map, Callback callback);

  // Takes what is there, ring by ring. Returns the number of records, or a
  // callback's negative result. The room of what it took is free for producers when
  // it returns, or some kilobytes earlier.
  int Consume();
  // As Consume, if records are there, also such as woke nobody (BPF_RB_NO_WAKEUP).
  // Else waits for a wake-up, at most timeout_ms (-1: for ever), and looks again.
  // Returns 0 on time-out, -EINTR if a signal came.
  int Poll(int timeout_ms);
  // Readable when a wake-up is due, and after a callback has stopped Consume; for
  // poll(2), to be followed by Consume. Records that woke nobody wait for the next
  // wake-up, as in Linux for one who waits already. Of a ring that processes share it
  // tells of this process's producers alone; Poll hears all.
  int fd() const { return fd_; }

 private:
  struct Ring {
    std::shared_ptr<Map> map;
    Callback callback;
  };
  explicit RingBufferReader(int epoll_fd) : fd_(epoll_fd) {}
  bool AnyShared() const;
  int PollShared(int timeout_ms);

  const int fd_;
  std::vector<Ring> rings_;
};

}  // namespace skep

#endif  // SKEP_RING_BUFFER_READER_H_
