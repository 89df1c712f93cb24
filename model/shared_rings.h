// SPDX-License-Identifier: Apache-2.0
// SharedRings: which ring buffers of a runtime other processes write to. A record
// of those does not say by itself which ring it belongs to in a way that could be
// trusted.
//
// Threads: any; Of takes no lock. Lifetime: a ring is removed before its memory
// goes.

#ifndef SKEP_MODEL_SHARED_RINGS_H_
#define SKEP_MODEL_SHARED_RINGS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace skep {
class ExecutionContext;
}

namespace skep::model {

class Ringbuf;

class SharedRings {
 public:
  void Add(Ringbuf& ring);
  void Remove(const Ringbuf& ring);
  // The ring whose data hold `address`; null if no shared one does.
  Ringbuf* Of(const std::byte* address) const noexcept {
    const List* list = list_.load(std::memory_order_acquire);
    return list == nullptr ? nullptr : Find(*list, address);
  }

 private:
  struct Entry {
    const std::byte* begin;
    const std::byte* end;
    Ringbuf* ring;
  };
  using List = std::vector<Entry>;
  static Ringbuf* Find(const List& list, const std::byte* address) noexcept;
  void Publish(List list);

  std::atomic<const List*> list_{nullptr};
  std::mutex mutex_;
  // All there ever were: a reader may still look at an old one.
  std::vector<std::unique_ptr<const List>> lists_;
};

// Ends a record of any ring of the context's runtime, as Ringbuf::Commit.
void CommitRecord(ExecutionContext& context, std::byte* data, uint64_t flags,
                  bool discard) noexcept;

}  // namespace skep::model

#endif  // SKEP_MODEL_SHARED_RINGS_H_
