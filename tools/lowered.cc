// SPDX-License-Identifier: Apache-2.0
#include "tools/lowered.h"

#include <utility>

#define FMT_HEADER_ONLY 1
#include <fmt/format.h>

#include "isa/decode.h"
#include "isa/disasm.h"
#include "isa/op.h"
#include "model/helper_entry.h"

namespace skep::tools {

Result<LoweredProgram> LoadLowered(const Input& input, const Program& program, Engine engine) {
  LoweredProgram out;
  SKEP_TRY(out.runtime, Runtime::Create({}));
  SKEP_TRY(out.instance, out.runtime->Instantiate(input.object));
  LoadOptions load;
  load.engine = engine;
  load.verify.rights = Rights::kRoot;
  if (input.test && input.test->memory && program.type() == ProgramTypeId::kMemory) {
    load.verify.memory_size = static_cast<uint32_t>(input.test->memory->size());
  }
  SKEP_TRY(auto outcome, out.instance->Load(program, load));
  out.report = std::move(outcome.report);
  out.executable = std::move(outcome.executable);
  return out;
}

std::string DisassembleLowered(const model::ExecProgram& exec, size_t index) {
  const model::ExecInsn& insn = exec.insns[index];
  const OpInfo& info = Info(insn.op);
  const int64_t distance = int64_t{insn.target} - static_cast<int64_t>(index) - 1;
  if (info.kind == OpKind::kCallHelper) {
    return fmt::format("call {}  # call base + {:#x}", exec.HelperAt(insn).spec->name, insn.imm);
  }
  if (info.kind == OpKind::kCallLocal) return fmt::format("call pc{:+}", distance);
  if (info.kind == OpKind::kJa) return fmt::format("goto {:+}", distance);
  DecodedInsn decoded;
  decoded.op = insn.op;
  decoded.dst = insn.dst;
  decoded.src = insn.src;
  decoded.off = info.Has(kBranches) ? static_cast<int16_t>(distance) : insn.off;
  decoded.imm = insn.imm;
  decoded.imm64 = insn.op == Op::kLdImm64 ? static_cast<int64_t>(insn.wide()) : insn.imm;
  return Disassemble(decoded);
}

std::string DisassembleLowered(const model::ExecProgram& exec) {
  std::string out;
  for (size_t i = 0; i < exec.insns.size(); ++i) {
    for (const model::ExecSubprogram& sub : exec.subprograms) {
      if (sub.start == i)
        out += fmt::format("# {} ({} bytes of stack)\n", sub.name, sub.stack_depth);
    }
    out += fmt::format("{:4}: {}\n", i, DisassembleLowered(exec, i));
  }
  return out;
}

}  // namespace skep::tools
