// SPDX-License-Identifier: Apache-2.0
// Scratch: memory of one job, given back all at once.
//
// Blocks grow: two small ones come from the heap, the others are 2 MiB each (or as
// large as one request), aligned so that Linux can back them with huge pages.
// For a job that touches megabytes once, faults by the page would cost more than
// the work: a huge page is one fault instead of 512.
//
// It is a std::pmr::memory_resource; deallocation does nothing.
//
// Threads: used by one at a time. Memory that the system does not give ends the
// process, as for operator new without exceptions.

#ifndef SKEP_BASE_SCRATCH_H_
#define SKEP_BASE_SCRATCH_H_

#include <cstddef>
#include <cstdint>
#include <memory_resource>

namespace skep::base {

class Scratch final : public std::pmr::memory_resource {
 public:
  static constexpr size_t kAlignment = 16;

  Scratch() = default;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() override;

  // `bytes` of memory with any content, aligned to kAlignment.
  void* Take(size_t bytes) {
    const size_t rounded = (bytes + kAlignment - 1) & ~(kAlignment - 1);
    if (rounded > left_) return TakeFromNewBlock(rounded);
    void* taken = next_;
    next_ += rounded;
    left_ -= rounded;
    return taken;
  }

 private:
  struct Block {
    Block* previous;
    size_t mapped;  // bytes of the mapping, 0 if it is of the heap
  };

  void* TakeFromNewBlock(size_t bytes);
  void* do_allocate(size_t bytes, size_t alignment) override;
  void do_deallocate(void*, size_t, size_t) override {}
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }

  std::byte* next_ = nullptr;
  size_t left_ = 0;
  size_t small_blocks_ = 0;
  Block* blocks_ = nullptr;
};

}  // namespace skep::base

#endif  // SKEP_BASE_SCRATCH_H_
