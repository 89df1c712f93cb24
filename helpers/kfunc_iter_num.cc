// SPDX-License-Identifier: Apache-2.0
// bpf_iter_num: counts from start up to end, which is left out. The iterator is
// eight bytes of the program's stack.
#include <cerrno>
#include <cstdint>

#include "helpers/functions.h"
#include "helpers/registers.h"

namespace skep::helpers {
namespace {

constexpr int64_t kMaxRounds = int64_t{1} << 23;  // BPF_MAX_LOOPS

struct Numbers {
  uint32_t current;  // the number given last; before the first one start - 1, which wraps
  int32_t end;
};

Numbers& AsNumbers(uint64_t r) { return *reinterpret_cast<Numbers*>(r); }

}  // namespace

uint64_t IterNumNew(uint64_t iterator, uint64_t first, uint64_t last, uint64_t, uint64_t,
                    ExecutionContext&) noexcept {
  const auto start = static_cast<int32_t>(first);
  const auto end = static_cast<int32_t>(last);
  Numbers& numbers = AsNumbers(iterator);
  numbers = {0, 0};
  if (start > end) return FromResult(-EINVAL);
  if (int64_t{end} - int64_t{start} > kMaxRounds) return FromResult(-E2BIG);
  numbers = {static_cast<uint32_t>(start) - 1, end};
  return 0;
}

uint64_t IterNumNext(uint64_t iterator, uint64_t, uint64_t, uint64_t, uint64_t,
                     ExecutionContext&) noexcept {
  Numbers& numbers = AsNumbers(iterator);
  const uint32_t next = numbers.current + 1;
  if (static_cast<int32_t>(next) >= numbers.end) {
    numbers = {0, 0};
    return 0;
  }
  numbers.current = next;
  return reinterpret_cast<uint64_t>(&numbers.current);
}

uint64_t IterNumDestroy(uint64_t iterator, uint64_t, uint64_t, uint64_t, uint64_t,
                        ExecutionContext&) noexcept {
  AsNumbers(iterator) = {0, 0};
  return 0;
}

}  // namespace skep::helpers
