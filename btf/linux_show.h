// SPDX-License-Identifier: Apache-2.0
// Values printed by their type as Linux's bpf_snprintf_btf and bpf_seq_printf_btf
// print them, byte for byte, with what is odd about it: members that are zero are
// left out, elements of arrays of pointers and of arrays repeat the first one,
// names go missing inside arrays.
//
// Threads: pure functions.

#ifndef SKEP_BTF_LINUX_SHOW_H_
#define SKEP_BTF_LINUX_SHOW_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "btf/btf.h"

namespace skep::btf {

// Linux's BTF_F_*.
inline constexpr uint64_t kShowCompact = 1;  // one line
inline constexpr uint64_t kShowNoName = 2;   // neither types nor members
inline constexpr uint64_t kShowPtrRaw = 4;   // addresses as they are
inline constexpr uint64_t kShowZero = 8;     // members that are zero too
inline constexpr uint64_t kShowAll = 15;

// What is printed for an address that is neither null nor an error code, without
// kShowPtrRaw. Linux prints a hash that nobody can foresee.
using ConcealAddress = uint64_t (*)(uint64_t address);

// Appends the text of the object of type `id` to `out`. Returns 0; -EINVAL for
// flags that Linux does not know and for types that have no objects (void,
// variables, sections); -EFAULT if the object has fewer bytes than its type;
// -E2BIG if it takes more than a million steps. After an error `out` holds
// what was printed until then. A null `conceal` prints addresses as they are.
// REQUIRES: 0 < id < btf.type_count().
int ShowAsLinux(const Btf& btf, uint32_t id, std::span<const std::byte> object, uint64_t flags,
                ConcealAddress conceal, std::string& out);

// The same into a buffer, cut to fit and ended by NUL if it has room for one
// byte. Returns the length of the whole text, or the error.
int SnprintfAsLinux(const Btf& btf, uint32_t id, std::span<const std::byte> object, uint64_t flags,
                    ConcealAddress conceal, std::span<char> out);

}  // namespace skep::btf

#endif  // SKEP_BTF_LINUX_SHOW_H_
