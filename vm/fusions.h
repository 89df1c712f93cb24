// SPDX-License-Identifier: Apache-2.0
// The rows of fusions.def, as threading chooses among them.
//
// Threads: constants only.

#ifndef SKEP_VM_FUSIONS_H_
#define SKEP_VM_FUSIONS_H_

#include <array>
#include <cstdint>
#include <span>

#include "isa/op.h"
#include "vm/interpreter.h"

namespace skep::interpreter {

inline constexpr uint32_t kMaxFused = 4;

// How an instruction of a sequence depends on the one before it, two bits each:
// its dst (its src) is the register that the one before has written.
inline constexpr unsigned kDstLink = 1;
inline constexpr unsigned kSrcLink = 2;
inline constexpr unsigned kLinkBits = 2;

struct Fusion {
  std::array<Op, kMaxFused> ops;
  uint32_t size = 0;
  // By the links of the second instruction (lowest bits), the third and so on,
  // then by whether the last one jumps backward. Links that the operations rule
  // out do not matter.
  const CellHandler* handlers = nullptr;

  Op last() const { return ops[size - 1]; }
  uint32_t variants() const { return 1u << (kLinkBits * (size - 1)); }
  const CellHandler& HandlerFor(unsigned links, bool backward) const {
    return handlers[links + (backward ? variants() : 0)];
  }
};

// All rows; those that begin with the same operation stand together.
std::span<const Fusion> Fusions();

}  // namespace skep::interpreter

#endif  // SKEP_VM_FUSIONS_H_
