// SPDX-License-Identifier: Apache-2.0
// Encoding: the inverse of isa/decode.h.
//
// Threads: pure functions.

#ifndef SKEP_ISA_ENCODE_H_
#define SKEP_ISA_ENCODE_H_

#include <array>
#include <vector>

#include "skep/insn.h"

#include "isa/decode.h"

namespace skep {

// The slots of one instruction: `count` is 2 for wide loads, else 1.
struct EncodedInsn {
  std::array<Insn, 2> slots;
  int count = 1;
};

// Writes the fields of `insn` under the opcode byte and selector of its
// operation. Fields that the form does not use are written as they are, so that
// Decode(Encode(x)) gives x for every x that came from Decode, and a caller who
// sets a reserved field gets an instruction that Decode refuses.
// REQUIRES: insn.op is not kInvalid.
EncodedInsn Encode(const DecodedInsn& insn);

// Appends the slots of `insn` to `code`.
void AppendEncoded(const DecodedInsn& insn, std::vector<Insn>& code);

}  // namespace skep

#endif  // SKEP_ISA_ENCODE_H_
