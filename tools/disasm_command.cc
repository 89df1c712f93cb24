// SPDX-License-Identifier: Apache-2.0
// skep disasm: the instructions of an object as text that assembles back.
#include <memory>
#include <string>

#define FMT_HEADER_ONLY 1
#include <fmt/format.h>

#include "skep/runtime.h"

#include "isa/decode.h"
#include "isa/disasm.h"
#include "model/exec_program.h"
#include "tools/command.h"
#include "tools/input.h"
#include "tools/lowered.h"
#include "tools/output.h"
#include "tools/report.h"
#include "tools/symbols.h"

namespace skep::tools {
namespace {

struct DisasmOptions {
  std::string object;
  std::string program;
  bool lowered = false;
};

std::string SourceComment(const Program& program, uint32_t slot) {
  const SourceLine* line = program.LineAt(slot);
  if (line == nullptr || line->insn != slot) return {};
  return fmt::format("# {}:{}: {}\n", line->file, line->line, line->text);
}

// With source lines as comments, so that the text assembles.
std::string DisassembleText(const Program& program) {
  const HelperSymbols symbols;
  std::string out;
  size_t next_sub = 0;
  for (uint32_t slot = 0; slot < program.insns().size(); ++slot) {
    if (next_sub < program.subprograms().size() && program.subprograms()[next_sub].start == slot) {
      out +=
          fmt::format("{}# {}\n", next_sub == 0 ? "" : "\n", program.subprograms()[next_sub].name);
      ++next_sub;
    }
    out += SourceComment(program, slot);
    const DecodeResult decoded = Decode(program.insns(), slot);
    if (!decoded) {
      out += DisassembleProgram(program.insns().subspan(slot, 1));
      continue;
    }
    out += fmt::format("{}\n", Disassemble(decoded.insn, &symbols));
    slot += static_cast<uint32_t>(decoded.slots()) - 1;
  }
  return out;
}

int DisasmCommand(const DisasmOptions& options) {
  auto input = OpenInput(options.object);
  if (!input) {
    PrintError(input.error().message);
    return kBadInput;
  }
  auto program = input->object.FindProgram(options.program);
  if (!program) {
    PrintError(program.error().message);
    return kBadInput;
  }
  if (!options.lowered) return Write(DisassembleText(*program), kDone);
  auto lowered = LoadLowered(*input, *program, Engine::kInterp);
  if (!lowered) {
    PrintError(lowered.error().message);
    return kBadInput;
  }
  if (lowered->executable == nullptr) {
    PrintRejection(*program, lowered->report);
    return kFailed;
  }
  return Write(DisassembleLowered(lowered->executable->exec()), kDone);
}

}  // namespace

void AddDisasm(CLI::App& app, int& status) {
  auto options = std::make_shared<DisasmOptions>();
  CLI::App* disasm = app.add_subcommand("disasm", "Print a program's instructions as text");
  disasm->add_option("object", options->object, "ELF object or .ebpf file")->required();
  disasm->add_option("-p,--program", options->program,
                     "Program to print; not needed if it is the only one");
  disasm->add_flag("--lowered", options->lowered,
                   "As engines run it: helper offsets, map addresses, host contexts");
  disasm->footer(
      "Examples:\n"
      "  skep disasm filter.bpf.o\n"
      "  skep disasm filter.bpf.o -p filter --lowered\n");
  disasm->callback([options, &status] { status = DisasmCommand(*options); });
}

}  // namespace skep::tools
