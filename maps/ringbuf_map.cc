// SPDX-License-Identifier: Apache-2.0
#include "maps/ringbuf_map.h"

#include <cerrno>

#include <sys/eventfd.h>
#include <unistd.h>

namespace skep {

RingbufMap::RingbufMap(const MapSpec& spec, const MapEnvironment& environment, MapMemory memory)
    : Map(spec, environment.id, 0),
      memory_(std::move(memory)),
      ring_(model::Ringbuf::Format(memory_.base(), spec.max_entries, memory_.holder())),
      shared_rings_(memory_.shared() == nullptr ? nullptr : environment.shared_rings) {
  if (shared_rings_ != nullptr) shared_rings_->Add(ring_);
}

RingbufMap::~RingbufMap() {
  if (shared_rings_ != nullptr) shared_rings_->Remove(ring_);
  const int fd = ring_.event_fd().load();
  if (fd >= 0) close(fd);
}

Result<std::shared_ptr<Map>> RingbufMap::Create(const MapSpec& spec,
                                                const MapEnvironment& environment) {
  const uint64_t page = PageBytes();
  SKEP_TRY(MapMemory memory,
           MapMemory::TakeRing(environment, model::Ringbuf::kOwnPages * page,
                               model::Ringbuf::kSharedPages * page, spec.max_entries));
  return std::shared_ptr<Map>(std::make_shared<RingbufMap>(spec, environment, std::move(memory)));
}

uint64_t RingbufMap::SharedBytesFor(const MapSpec& spec) {
  return model::Ringbuf::kSharedPages * PageBytes() + spec.max_entries;
}

DirectView RingbufMap::direct_view() const noexcept { return {memory_.base(), 0, 0, 0}; }

std::optional<Extent> RingbufMap::ElementAt(const std::byte* address) const noexcept {
  if (type() == MapType::kRingbuf) return ring_.BusyRecordAt(address);
  const Extent data = ring_.UserData();
  return address >= data.begin && address < data.begin + data.size ? std::optional(data)
                                                                   : std::nullopt;
}

int RingbufMap::EventFd() noexcept {
  int fd = ring_.event_fd().load(std::memory_order_acquire);
  if (fd >= 0) return fd;
  // Readable at once: there may be records that nobody was woken for.
  const int created = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
  if (created < 0) return -errno;
  if (ring_.event_fd().compare_exchange_strong(fd, created)) return created;
  close(created);
  return fd;
}

void RingbufMap::ClearEvent() noexcept {
  const int fd = ring_.event_fd().load(std::memory_order_acquire);
  uint64_t count = 0;
  if (fd >= 0 && read(fd, &count, sizeof count) < 0) return;  // nothing to clear
}

}  // namespace skep
