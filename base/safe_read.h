// SPDX-License-Identifier: Apache-2.0
// Reads of this process's memory at addresses that nobody vouches for: what is
// not mapped gives an error, never a signal. The kernel copies
// (process_vm_readv); where that call is forbidden, everything counts as not mapped.
//
// Threads: safe.

#ifndef SKEP_BASE_SAFE_READ_H_
#define SKEP_BASE_SAFE_READ_H_

#include <cstddef>
#include <cstdint>

namespace skep {

// Copies up to `bytes` bytes to `to` and returns how many could be read from
// `address` on; the rest of `to` stays as it is.
size_t SafeRead(uint64_t address, void* to, size_t bytes) noexcept;

struct SafeText {
  size_t length = 0;        // characters in front of the NUL, or read at all
  bool terminated = false;  // a NUL was found
  bool bad = false;         // memory ended before a NUL and before `most`
};
// Copies the text at `address`, without its NUL, and at most `most` characters.
SafeText SafeReadText(uint64_t address, char* to, size_t most) noexcept;

}  // namespace skep

#endif  // SKEP_BASE_SAFE_READ_H_
