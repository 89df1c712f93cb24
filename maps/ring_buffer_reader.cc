// SPDX-License-Identifier: Apache-2.0
#include "skep/ring_buffer_reader.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <utility>

#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "maps/ringbuf_map.h"

namespace skep {
namespace {

Error Failed(const char* what, int error) {
  return Error{ErrorCode::kSystem,
               std::string("ring buffer reader: ") + what + ": " + std::strerror(error), error};
}

}  // namespace

RingBufferReader::~RingBufferReader() { close(fd_); }

Result<std::unique_ptr<RingBufferReader>> RingBufferReader::Create(std::shared_ptr<Map> map,
                                                                   Callback callback) {
  const int fd = epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) return Failed("epoll_create1", errno);
  std::unique_ptr<RingBufferReader> reader(new RingBufferReader(fd));
  SKEP_TRY_VOID(reader->Add(std::move(map), std::move(callback)));
  return reader;
}

Result<void> RingBufferReader::Add(std::shared_ptr<Map> map, Callback callback) {
  if (map == nullptr || map->type() != MapType::kRingbuf || callback == nullptr) {
    return Error{ErrorCode::kInvalidArgument,
                 "ring buffer reader: need a ringbuf map and a callback"};
  }
  const int event = static_cast<RingbufMap&>(*map).EventFd();
  if (event < 0) return Failed("eventfd", -event);
  epoll_event interest{};
  interest.events = EPOLLIN;
  // EEXIST: a map that the reader has already.
  if (epoll_ctl(fd_, EPOLL_CTL_ADD, event, &interest) != 0) return Failed("epoll_ctl", errno);
  rings_.push_back({std::move(map), std::move(callback)});
  return {};
}

int RingBufferReader::Consume() {
  int records = 0;
  for (Ring& ring : rings_) {
    auto& map = static_cast<RingbufMap&>(*ring.map);
    // First the event, then the records: a record that comes in between leaves an
    // event behind.
    map.ClearEvent();
    const int taken = map.ring().Consume(
        [](void* self, const std::byte* data, uint32_t size) {
          return static_cast<Ring*>(self)->callback({data, size});
        },
        &ring);
    if (taken < 0) {
      map.ring().Wake();  // there may be more
      return taken;
    }
    records += taken;
  }
  return records;
}

bool RingBufferReader::AnyShared() const {
  return std::any_of(rings_.begin(), rings_.end(), [](const Ring& ring) {
    return static_cast<RingbufMap&>(*ring.map).ring().shared();
  });
}

// No descriptor tells of the producers of other processes, and one that has died
// wakes nobody: so look now and then.
int RingBufferReader::PollShared(int timeout_ms) {
  constexpr int kLookEveryMs = 20;
  constexpr int kLookAtSeveralEveryMs = 1;
  model::Ringbuf& first = static_cast<RingbufMap&>(*rings_.front().map).ring();
  const bool alone = rings_.size() == 1;
  const int slice = alone ? kLookEveryMs : kLookAtSeveralEveryMs;
  const auto start = std::chrono::steady_clock::now();
  for (;;) {
    const uint32_t wake_ups = first.wake_ups();
    if (const int records = Consume(); records != 0) return records;
    const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - start);
    const int64_t left = timeout_ms < 0 ? slice : timeout_ms - waited.count();
    if (left <= 0) return 0;
    const int wait_ms = static_cast<int>(std::min<int64_t>(left, slice));
    if (alone) {
      const int code = first.WaitForWake(wake_ups, static_cast<uint32_t>(wait_ms));
      if (code != 0) return code;
    } else {
      pollfd wait{fd_, POLLIN, 0};
      if (poll(&wait, 1, wait_ms) < 0) return -errno;
    }
  }
}

int RingBufferReader::Poll(int timeout_ms) {
  if (AnyShared()) return PollShared(timeout_ms);
  if (const int records = Consume(); records != 0) return records;
  pollfd wait{fd_, POLLIN, 0};
  const int ready = poll(&wait, 1, timeout_ms);
  if (ready < 0) return -errno;
  return ready == 0 ? 0 : Consume();
}

}  // namespace skep
