// SPDX-License-Identifier: Apache-2.0
#include "tests/loader/counted_memory.h"

#include <algorithm>
#include <cstdlib>
#include <new>

#include <malloc.h>

namespace {

size_t allocated = 0;  // now
size_t peak = 0;       // at most, since the last MemoryPeak was made

void* Allocate(size_t size) {
  void* memory = std::malloc(size);
  if (memory == nullptr) std::abort();
  allocated += malloc_usable_size(memory);
  peak = std::max(peak, allocated);
  return memory;
}
void Release(void* memory) {
  if (memory == nullptr) return;
  allocated -= malloc_usable_size(memory);
  std::free(memory);
}

}  // namespace

void* operator new(size_t size) { return Allocate(size); }
void* operator new[](size_t size) { return Allocate(size); }
// std::stable_sort uses these; where they are not replaced, a sanitizer's own
// would meet our delete.
void* operator new(size_t size, const std::nothrow_t&) noexcept { return Allocate(size); }
void* operator new[](size_t size, const std::nothrow_t&) noexcept { return Allocate(size); }
void operator delete(void* memory) noexcept { Release(memory); }
void operator delete[](void* memory) noexcept { Release(memory); }
void operator delete(void* memory, size_t) noexcept { Release(memory); }
void operator delete[](void* memory, size_t) noexcept { Release(memory); }

namespace skep::loader {

MemoryPeak::MemoryPeak() : before_(allocated) { peak = allocated; }
size_t MemoryPeak::bytes() const { return peak - before_; }

}  // namespace skep::loader
