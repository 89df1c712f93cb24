// SPDX-License-Identifier: Apache-2.0
#include "skep/perf_buffer_reader.h"

#include <bit>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "maps/perf_event_array.h"

namespace skep {
namespace {

PerfEventArray& Array(const std::shared_ptr<Map>& map) {
  return static_cast<PerfEventArray&>(*map);
}

}  // namespace

PerfBufferReader::PerfBufferReader(std::shared_ptr<Map> map, int fd, Sample sample, Lost lost)
    : map_(std::move(map)), fd_(fd), sample_(std::move(sample)), lost_(std::move(lost)) {}

Result<std::unique_ptr<PerfBufferReader>> PerfBufferReader::Create(std::shared_ptr<Map> map,
                                                                   uint32_t pages, Sample sample,
                                                                   Lost lost) {
  if (map == nullptr || map->type() != MapType::kPerfEventArray || sample == nullptr) {
    return Error{ErrorCode::kInvalidArgument,
                 "perf buffer reader: need a perf_event_array map and a callback"};
  }
  if (!std::has_single_bit(pages) || pages > (1u << 18)) {
    return Error{ErrorCode::kInvalidArgument, "perf buffer reader: " + std::to_string(pages) +
                                                  " pages, need a power of two up to 262144"};
  }
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) {
    return Error{ErrorCode::kSystem,
                 std::string("perf buffer reader: eventfd: ") + std::strerror(errno), errno};
  }
  std::unique_ptr<PerfBufferReader> reader(
      new PerfBufferReader(std::move(map), fd, std::move(sample), std::move(lost)));
  PerfEventArray& array = Array(reader->map_);
  for (uint32_t cpu = 0; cpu < array.rings(); ++cpu) {
    SKEP_TRY(auto ring, model::PerfRing::Create(cpu, pages * PageBytes(), fd));
    reader->rings_.push_back(ring);
    array.SetRing(cpu, std::move(ring));
  }
  return reader;
}

PerfBufferReader::~PerfBufferReader() {
  for (uint32_t cpu = 0; cpu < rings_.size(); ++cpu) Array(map_).SetRing(cpu, nullptr);
  close(fd_);
}

int PerfBufferReader::Consume() {
  // First the event, then the records: a record that comes in between leaves an
  // event behind.
  uint64_t count = 0;
  if (read(fd_, &count, sizeof count) < 0) count = 0;  // none is due
  int records = 0;
  for (const auto& ring : rings_) {
    records += ring->Consume(
        [](void* self, uint32_t cpu, const std::byte* data, uint64_t size) {
          auto* reader = static_cast<PerfBufferReader*>(self);
          if (data != nullptr) {
            reader->sample_(cpu, {data, size});
          } else if (reader->lost_ != nullptr) {
            reader->lost_(cpu, size);
          }
        },
        this);
  }
  return records;
}

int PerfBufferReader::Poll(int timeout_ms) {
  pollfd wait{fd_, POLLIN, 0};
  const int ready = poll(&wait, 1, timeout_ms);
  if (ready < 0) return -errno;
  return ready == 0 ? 0 : Consume();
}

}  // namespace skep
