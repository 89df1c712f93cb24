// SPDX-License-Identifier: Apache-2.0
// FormatText: the printf of BPF programs (trace_printk, trace_vprintk,
// snprintf), with the conversions, limits and errors of Linux's
// bpf_bprintf_prepare.
//
//   %d %i %u %x %X with none, l or ll; %c; %s, %pks, %pus: text at an address;
//   %p %px %pK: addresses; %ps %pS %pB: symbols; %pi4 %pI4 %pi6 %pI6: network
//   addresses in memory; %%. Flags 0 + - space, and a width.
//
// Threads: a pure function of its arguments and of the memory they point to.
// That memory is read so that a bad address gives empty text, not a fault.

#ifndef SKEP_HELPERS_FORMAT_H_
#define SKEP_HELPERS_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace skep::helpers {

inline constexpr size_t kMaxFormatArguments = 12;  // MAX_BPRINTF_VARARGS
inline constexpr size_t kMaxTraceText = 1024;      // MAX_BPRINTF_BUF

// The text up to its NUL; false if there is none within `size` bytes.
bool FormatOf(const char* bytes, size_t size, std::string_view* format);

// Writes the text to `out`, cut to fit and ended by NUL if there is room for
// one byte at least. Returns the length of the whole text without the NUL, as
// Linux counts it: %pB, %pks, %pus and network addresses count nothing where the
// room has ended before. -EINVAL for a format that Linux refuses or with more
// conversions than arguments, -ENOSPC if its arguments take more than 512 bytes;
// then `out` is as it was.
int FormatText(std::span<char> out, std::string_view format, std::span<const uint64_t> arguments);

}  // namespace skep::helpers

#endif  // SKEP_HELPERS_FORMAT_H_
