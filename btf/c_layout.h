// SPDX-License-Identifier: Apache-2.0
// CLayout: how a C compiler for a 64-bit machine would lay out the types of a
// Btf, as far as a C dump needs to know: where it has to say "packed".
//
// Threads: one. Lifetime: of the Btf.

#ifndef SKEP_BTF_C_LAYOUT_H_
#define SKEP_BTF_C_LAYOUT_H_

#include <cstdint>
#include <vector>

#include "btf/btf.h"

namespace skep::btf {

class CLayout {
 public:
  explicit CLayout(const Btf& btf) : btf_(btf), alignments_(btf.type_count(), 0) {}

  // Bytes that the type is aligned to without attributes; 1 for a struct that
  // must be packed, and for what has no alignment.
  uint32_t AlignOf(uint32_t id);
  // Whether the members of the struct or its size lie as only a packed one's do.
  bool IsPacked(uint32_t id);

 private:
  uint32_t AlignOfMembers(uint32_t id);

  const Btf& btf_;
  std::vector<uint8_t> alignments_;  // by id; 0: not known yet
};

// Unnamed bitfields between two places of a struct.
struct Padding {
  const char* type = "";  // "long", "int", "short" or "char"
  uint32_t bits = 0;      // 0: up to the next boundary of the type
};

// What a C compiler needs to be told so that a member that could begin at bit
// `from` begins at bit `to`; `align` is the member's own alignment in bytes.
// Between two bitfields nothing is skipped by itself.
std::vector<Padding> PaddingBetween(uint32_t from, uint32_t to, uint32_t align, bool in_bitfield);

}  // namespace skep::btf

#endif  // SKEP_BTF_C_LAYOUT_H_
