// SPDX-License-Identifier: Apache-2.0
// Any bytes as assembler text: refused with a place and one line, or assembled
// to slots that come back from their disassembly.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "isa/assembler.h"
#include "isa/disasm.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const skep::Assembler assembler;
  const std::string text(data, data + size);
  const skep::Result<skep::AssembledProgram> program = assembler.Assemble(text);
  if (!program) {
    SKEP_CHECK(program.error().message.rfind("line ", 0) == 0);
    SKEP_CHECK(program.error().message.find('\n') == std::string::npos);
    return 0;
  }
  SKEP_CHECK(program->lines.size() == program->insns.size());
  const skep::Result<skep::AssembledProgram> again =
      assembler.Assemble(skep::DisassembleProgram(program->insns));
  SKEP_CHECK(again.has_value() && again->insns == program->insns);
  return 0;
}
