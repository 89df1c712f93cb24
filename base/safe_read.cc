// SPDX-License-Identifier: Apache-2.0
#include "base/safe_read.h"

#include <algorithm>
#include <cstring>

#include <sys/uio.h>
#include <unistd.h>

namespace skep {

size_t SafeRead(uint64_t address, void* to, size_t bytes) noexcept {
  iovec local{to, bytes};
  iovec remote{reinterpret_cast<void*>(address), bytes};
  const ssize_t copied = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
  return copied < 0 ? 0 : static_cast<size_t>(copied);
}

SafeText SafeReadText(uint64_t address, char* to, size_t most) noexcept {
  SafeText text;
  // By pieces that no page boundary cuts, since the next page may not be there;
  // what lies behind the NUL is not for the caller.
  char piece[256];
  while (text.length < most) {
    const uint64_t from = address + text.length;
    const size_t wanted = std::min<size_t>(most - text.length, sizeof piece - from % sizeof piece);
    const size_t got = SafeRead(from, piece, wanted);
    const void* nul = std::memchr(piece, 0, got);
    const size_t characters =
        nul != nullptr ? static_cast<size_t>(static_cast<const char*>(nul) - piece) : got;
    std::memcpy(to + text.length, piece, characters);
    text.length += characters;
    text.terminated = nul != nullptr;
    text.bad = nul == nullptr && got < wanted;
    if (text.terminated || text.bad) break;
  }
  return text;
}

}  // namespace skep
