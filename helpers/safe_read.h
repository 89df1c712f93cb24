// SPDX-License-Identifier: Apache-2.0
// SafeReader: reads bytes at an address that nobody has checked, as Linux's
// copy_from_kernel_nofault does.
//
// Threads: a value on the stack of one thread.

#ifndef SKEP_HELPERS_SAFE_READ_H_
#define SKEP_HELPERS_SAFE_READ_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace skep::helpers {

// Copies `bytes` bytes to `to`. Returns 0, -EFAULT if they cannot be read, or
// -ERANGE if the address is so low that nothing is ever there.
int ReadMemory(void* to, uint64_t address, uint64_t bytes) noexcept;

// A string, read piece by piece.
class SafeReader {
 public:
  explicit SafeReader(uint64_t address) : address_(address) {}

  // The byte at `index`, 0 .. 255, or as ReadMemory.
  int At(uint64_t index) noexcept {
    if (index - start_ >= filled_) {
      if (const int refused = Fill(index); refused != 0) return refused;
    }
    return buffer_[index - start_];
  }

 private:
  int Fill(uint64_t index) noexcept;

  const uint64_t address_;
  uint64_t start_ = 0;   // index of the first byte in the buffer
  uint64_t filled_ = 0;  // bytes in it
  std::array<uint8_t, 128> buffer_;
};

}  // namespace skep::helpers

#endif  // SKEP_HELPERS_SAFE_READ_H_
