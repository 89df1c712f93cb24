// SPDX-License-Identifier: Apache-2.0
// The arguments of snprintf, trace_vprintk and seq_printf: an array of u64 in the
// program's memory.

#ifndef SKEP_HELPERS_PRINT_ARGUMENTS_H_
#define SKEP_HELPERS_PRINT_ARGUMENTS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/word_copy.h"
#include "helpers/format.h"
#include "helpers/registers.h"

namespace skep::helpers {

class PrintArguments {
 public:
  // False if `bytes` is not a length that Linux takes.
  bool Read(uint64_t address, uint64_t bytes) {
    const auto size = static_cast<uint32_t>(bytes);
    if (size % sizeof(uint64_t) != 0 || size > sizeof values_ || (size != 0 && address == 0)) {
      return false;
    }
    CopyWords(values_.data(), AsBytes(address), size);
    count_ = size / sizeof(uint64_t);
    return true;
  }
  std::span<const uint64_t> all() const { return std::span(values_).first(count_); }

 private:
  std::array<uint64_t, kMaxFormatArguments> values_{};
  size_t count_ = 0;
};

}  // namespace skep::helpers

#endif  // SKEP_HELPERS_PRINT_ARGUMENTS_H_
