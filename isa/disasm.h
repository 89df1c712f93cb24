// SPDX-License-Identifier: Apache-2.0
// Disassembler: one instruction as one line of kernel syntax, as `bpftool prog
// dump xlated` and the verifier log print it wherever that form loses nothing.
// Assemble() turns every line back into the same bytes. It differs from bpftool
// for wide loads (`r1 = 0x5 ll`, so that they are not taken for a move, and
// `r1 = map[3] ll`), for helpers without a known name (`call 1`), for kfuncs
// (`call kfunc[id][fd index]`) and for an exit whose ignored offset is not zero
// (`exit off 5`).
//
// Threads: pure functions.

#ifndef SKEP_ISA_DISASM_H_
#define SKEP_ISA_DISASM_H_

#include <span>
#include <string>

#include "isa/asm_symbols.h"
#include "isa/decode.h"

namespace skep {

// REQUIRES: insn came from Decode. `symbols` may be null.
std::string Disassemble(const DecodedInsn& insn, const AsmSymbols* symbols = nullptr);

// The whole program, one line an instruction, each ended by a newline. A slot
// that Decode refuses is printed as `.insn 0x...`, its eight bytes as one
// little-endian number, which Assemble() accepts too.
std::string DisassembleProgram(std::span<const Insn> code, const AsmSymbols* symbols = nullptr);

}  // namespace skep

#endif  // SKEP_ISA_DISASM_H_
