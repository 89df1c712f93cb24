// SPDX-License-Identifier: Apache-2.0
// Insn: one 64-bit slot of eBPF code, laid out as Linux's struct bpf_insn.
//
// Programs are arrays of it. A wide load (opcode 0x18) fills two slots. The
// fields mean what RFC 9669, section 3 says; isa/decode.h tells whether they
// are legal and turns them into an operation.
//
// Lifetime: a plain value, safe to copy, compare and read from any thread.

#ifndef SKEP_INSN_H_
#define SKEP_INSN_H_

#include <cstdint>

namespace skep {

struct Insn {
  uint8_t code = 0;     // operation
  uint8_t dst : 4 = 0;  // destination register, low half of byte 1
  uint8_t src : 4 = 0;  // source register, high half of byte 1
  int16_t off = 0;      // offset, little-endian
  int32_t imm = 0;      // immediate, little-endian

  friend bool operator==(const Insn&, const Insn&) = default;
};
static_assert(sizeof(Insn) == 8 && alignof(Insn) == 4, "the layout is Linux's");

}  // namespace skep

#endif  // SKEP_INSN_H_
