// SPDX-License-Identifier: Apache-2.0
#include "skep/ring_buffer_reader.h"

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include <poll.h>

#include "maps/ringbuf_map.h"

namespace skep {
namespace {

RingbufMap& Ring(const std::shared_ptr<Map>& map) { return static_cast<RingbufMap&>(*map); }

}  // namespace

RingBufferReader::RingBufferReader(std::shared_ptr<Map> map, Callback callback)
    : map_(std::move(map)), callback_(std::move(callback)) {}

RingBufferReader::~RingBufferReader() = default;

Result<std::unique_ptr<RingBufferReader>> RingBufferReader::Create(std::shared_ptr<Map> map,
                                                                   Callback callback) {
  if (map == nullptr || map->type() != MapType::kRingbuf || callback == nullptr) {
    return Error{ErrorCode::kInvalidArgument,
                 "ring buffer reader: need a ringbuf map and a callback"};
  }
  const int fd = Ring(map).EventFd();
  if (fd < 0) {
    return Error{ErrorCode::kSystem,
                 std::string("ring buffer reader: eventfd: ") + std::strerror(-fd), -fd};
  }
  return std::unique_ptr<RingBufferReader>(
      new RingBufferReader(std::move(map), std::move(callback)));
}

int RingBufferReader::fd() const { return Ring(map_).EventFd(); }

int RingBufferReader::Consume() {
  // First the event, then the records: a record that comes in between leaves an
  // event behind.
  Ring(map_).ClearEvent();
  return Ring(map_).ring().Consume(
      [](void* self, const std::byte* data, uint32_t size) {
        return static_cast<RingBufferReader*>(self)->callback_({data, size});
      },
      this);
}

int RingBufferReader::Poll(int timeout_ms) {
  pollfd wait{fd(), POLLIN, 0};
  const int ready = poll(&wait, 1, timeout_ms);
  if (ready < 0) return -errno;
  return ready == 0 ? 0 : Consume();
}

}  // namespace skep
