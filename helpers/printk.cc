// SPDX-License-Identifier: Apache-2.0
// bpf_trace_printk, bpf_trace_vprintk and bpf_snprintf.
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>

#include "base/word_copy.h"
#include "helpers/format.h"
#include "helpers/functions.h"
#include "helpers/registers.h"

namespace skep::helpers {
namespace {

const char* AsText(uint64_t r) { return reinterpret_cast<const char*>(r); }

// The arguments of the v-forms: an array of u64 in the program's memory.
struct Arguments {
  std::array<uint64_t, kMaxFormatArguments> values{};
  size_t count = 0;

  // False if `bytes` is not a length that Linux takes.
  bool Read(uint64_t address, uint64_t bytes) {
    const auto size = static_cast<uint32_t>(bytes);
    if (size % sizeof(uint64_t) != 0 || size > sizeof values || (size != 0 && address == 0)) {
      return false;
    }
    CopyWords(values.data(), AsBytes(address), size);
    count = size / sizeof(uint64_t);
    return true;
  }
};

uint64_t Trace(uint64_t format, uint64_t format_size, std::span<const uint64_t> arguments,
               ExecutionContext& context) {
  std::string_view text;
  if (!FormatOf(AsText(format), static_cast<uint32_t>(format_size), &text)) {
    return FromResult(-EINVAL);
  }
  char line[kMaxTraceText];
  const int length = FormatText(line, text, arguments);
  if (length < 0) return FromResult(length);
  if (const auto& hook = context.hooks().trace; hook != nullptr) hook(line);
  return FromResult(length);
}

}  // namespace

uint64_t TracePrintk(uint64_t format, uint64_t size, uint64_t a, uint64_t b, uint64_t c,
                     ExecutionContext& context) noexcept {
  const std::array<uint64_t, 3> arguments{a, b, c};
  return Trace(format, size, arguments, context);
}

uint64_t TraceVprintk(uint64_t format, uint64_t size, uint64_t data, uint64_t data_size, uint64_t,
                      ExecutionContext& context) noexcept {
  Arguments arguments;
  if (!arguments.Read(data, data_size)) return FromResult(-EINVAL);
  return Trace(format, size, std::span(arguments.values).first(arguments.count), context);
}

// Returns the length of the whole text with its NUL, even if it was cut.
uint64_t Snprintf(uint64_t out, uint64_t out_size, uint64_t format, uint64_t data,
                  uint64_t data_size, ExecutionContext&) noexcept {
  Arguments arguments;
  if (!arguments.Read(data, data_size)) return FromResult(-EINVAL);
  const std::span<char> room(reinterpret_cast<char*>(out), static_cast<uint32_t>(out_size));
  const int length = FormatText(room, AsText(format),  // NUL-terminated, as verified
                                std::span(arguments.values).first(arguments.count));
  return FromResult(length < 0 ? length : length + 1);
}

}  // namespace skep::helpers
