// SPDX-License-Identifier: Apache-2.0
// MemoryPeak: how much memory operator new gave out at most since it was made.
// A binary with counted_memory.cc in it has an operator new that counts.
//
// Threads: the binary that counts has one thread.

#ifndef SKEP_TESTS_LOADER_COUNTED_MEMORY_H_
#define SKEP_TESTS_LOADER_COUNTED_MEMORY_H_

#include <cstddef>

namespace skep::loader {

class MemoryPeak {
 public:
  MemoryPeak();
  size_t bytes() const;

  // What reading a file of `size` bytes may take: 64 times as much, and what a
  // small one may want.
  static constexpr size_t Allowed(size_t size) { return (size_t{1} << 20) + 64 * size; }

 private:
  size_t before_;
};

}  // namespace skep::loader

#endif  // SKEP_TESTS_LOADER_COUNTED_MEMORY_H_
