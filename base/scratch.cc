// SPDX-License-Identifier: Apache-2.0
#include "base/scratch.h"

#include <cstdlib>
#include <iterator>
#include <new>

#include <sys/mman.h>

#include "base/check.h"

namespace skep::base {
namespace {

constexpr size_t kSmall[] = {size_t{32} << 10, size_t{64} << 10};
constexpr size_t kHuge = size_t{2} << 20;

// `bytes`, a multiple of kHuge, aligned to kHuge; null if there are none.
std::byte* MapHuge(size_t bytes) {
  void* mapped =
      mmap(nullptr, bytes + kHuge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  auto* start = static_cast<std::byte*>(mapped);
  const size_t before = (kHuge - reinterpret_cast<uintptr_t>(start) % kHuge) % kHuge;
  if (before != 0) munmap(start, before);
  if (before != kHuge) munmap(start + before + bytes, kHuge - before);
  // Refused where the system has no huge pages: then these are small ones.
  madvise(start + before, bytes, MADV_HUGEPAGE);
  return start + before;
}

}  // namespace

Scratch::~Scratch() {
  for (Block* block = blocks_; block != nullptr;) {
    Block* previous = block->previous;
    if (block->mapped != 0) {
      munmap(block, block->mapped);
    } else {
      std::free(block);
    }
    block = previous;
  }
}

void* Scratch::TakeFromNewBlock(size_t bytes) {
  constexpr size_t kHead = (sizeof(Block) + kAlignment - 1) & ~(kAlignment - 1);
  const bool small = small_blocks_ < std::size(kSmall) && bytes <= kSmall[small_blocks_] - kHead;
  size_t size;
  std::byte* start;
  if (small) {
    size = kSmall[small_blocks_++];
    start = static_cast<std::byte*>(std::malloc(size));
  } else {
    SKEP_CHECK(bytes < SIZE_MAX / 2);
    size = (bytes + kHead + kHuge - 1) / kHuge * kHuge;
    start = MapHuge(size);
  }
  SKEP_CHECK(start != nullptr);
  blocks_ = new (start) Block{blocks_, small ? 0 : size};
  next_ = start + kHead + bytes;
  left_ = size - kHead - bytes;
  return start + kHead;
}

void* Scratch::do_allocate(size_t bytes, size_t alignment) {
  SKEP_CHECK(alignment <= kAlignment);
  return Take(bytes);
}

}  // namespace skep::base
