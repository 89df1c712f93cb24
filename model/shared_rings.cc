// SPDX-License-Identifier: Apache-2.0
#include "model/shared_rings.h"

#include <utility>

#include "model/execution_layout.h"
#include "model/ringbuf.h"
#include "model/runtime_services.h"

namespace skep::model {

void SharedRings::Publish(List list) {
  lists_.push_back(std::make_unique<const List>(std::move(list)));
  list_.store(lists_.back().get(), std::memory_order_release);
}

void SharedRings::Add(Ringbuf& ring) {
  const std::lock_guard lock(mutex_);
  List list = lists_.empty() ? List() : *lists_.back();
  const Extent data = ring.UserData();
  list.push_back({data.begin, data.begin + data.size, &ring});
  Publish(std::move(list));
}

void SharedRings::Remove(const Ringbuf& ring) {
  const std::lock_guard lock(mutex_);
  List list = *lists_.back();
  std::erase_if(list, [&](const Entry& entry) { return entry.ring == &ring; });
  Publish(std::move(list));
}

// A ring that goes meanwhile is not the one that holds the address.
Ringbuf* SharedRings::Find(const List& list, const std::byte* address) noexcept {
  for (const Entry& entry : list) {
    if (address >= entry.begin && address < entry.end) return entry.ring;
  }
  return nullptr;
}

void CommitRecord(ExecutionContext& context, std::byte* data, uint64_t flags,
                  bool discard) noexcept {
  const RuntimeServices* services = ExecutionLayout::extras(context).services;
  Ringbuf* ring = services == nullptr || services->shared_rings == nullptr
                      ? nullptr
                      : services->shared_rings->Of(data);
  if (ring != nullptr) return ring->CommitHere(data, flags, discard);
  Ringbuf::Commit(data, flags, discard);
}

}  // namespace skep::model
