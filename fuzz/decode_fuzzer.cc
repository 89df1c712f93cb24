// SPDX-License-Identifier: Apache-2.0
// Any bytes as a program: decoding and the control-flow graph neither crash nor
// read beyond it, and what decodes encodes and disassembles back to its bytes.
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "base/check.h"
#include "isa/assembler.h"
#include "isa/cfg.h"
#include "isa/decode.h"
#include "isa/disasm.h"
#include "isa/encode.h"

using skep::DecodedProgram;
using skep::Insn;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const skep::Assembler assembler;
  std::vector<Insn> code(size / sizeof(Insn));
  if (!code.empty()) std::memcpy(static_cast<void*>(code.data()), data, code.size() * sizeof(Insn));

  const skep::Result<skep::AssembledProgram> again =
      assembler.Assemble(skep::DisassembleProgram(code));
  SKEP_CHECK(again.has_value() && again->insns == code);

  const DecodedProgram program = skep::DecodeProgram(code);
  if (!program) {
    SKEP_CHECK(!skep::Message(program.error).empty());
    return 0;
  }
  std::vector<Insn> encoded;
  for (const skep::DecodedInsn& insn : program.insns) {
    if (insn.op != skep::Op::kInvalid) skep::AppendEncoded(insn, encoded);
  }
  SKEP_CHECK(encoded == code);

  const skep::Cfg cfg = skep::Cfg::Build(program.insns);
  if (!cfg) return 0;
  size_t slots = 0;
  for (const skep::BasicBlock& block : cfg.blocks()) slots += block.end - block.begin;
  SKEP_CHECK(slots == code.size());
  for (uint32_t i = 0; i < cfg.subprograms().size(); ++i) {
    SKEP_CHECK(cfg.ReversePostorder(i).size() <= cfg.subprograms()[i].block_count);
  }
  return 0;
}
