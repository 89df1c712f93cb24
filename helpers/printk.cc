// SPDX-License-Identifier: Apache-2.0
// bpf_trace_printk, bpf_trace_vprintk and bpf_snprintf.
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>

#include "base/word_copy.h"
#include "helpers/format.h"
#include "helpers/functions.h"
#include "helpers/print_arguments.h"
#include "helpers/registers.h"

namespace skep::helpers {
namespace {

const char* AsText(uint64_t r) { return reinterpret_cast<const char*>(r); }

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
  PrintArguments arguments;
  if (!arguments.Read(data, data_size)) return FromResult(-EINVAL);
  return Trace(format, size, arguments.all(), context);
}

// Returns the length of the whole text with its NUL, even if it was cut.
uint64_t Snprintf(uint64_t out, uint64_t out_size, uint64_t format, uint64_t data,
                  uint64_t data_size, ExecutionContext&) noexcept {
  PrintArguments arguments;
  if (!arguments.Read(data, data_size)) return FromResult(-EINVAL);
  const std::span<char> room(reinterpret_cast<char*>(out), static_cast<uint32_t>(out_size));
  const int length = FormatText(room, AsText(format),  // NUL-terminated, as verified
                                arguments.all());
  return FromResult(length < 0 ? length : length + 1);
}

}  // namespace skep::helpers
