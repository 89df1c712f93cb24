// SPDX-License-Identifier: Apache-2.0
// skep disasm: the instructions of an object as text that assembles back.
#include <algorithm>
#include <memory>
#include <string>

#define FMT_HEADER_ONLY 1
#include <fmt/format.h>

#include "skep/runtime.h"

#include "isa/decode.h"
#include "isa/disasm.h"
#include "model/exec_program.h"
#include "model/map_type_info.h"
#include "model/program_type_name.h"
#include "tools/command.h"
#include "tools/input.h"
#include "tools/lowered.h"
#include "tools/output.h"
#include "tools/report.h"
#include "vm/helper_symbols.h"

namespace skep::tools {
namespace {

struct DisasmOptions {
  std::string object;
  TargetOptions target;
  std::string program;
  bool lowered = false;
};

bool IsNews(const SourceLine* line, const SourceLine* shown) {
  return line != nullptr && line->line != 0 &&
         (shown == nullptr || line->line != shown->line || line->file != shown->file);
}

std::string SourceComment(const SourceLine& line) {
  const size_t begin = std::min(line.text.find_first_not_of(" \t"), line.text.size());
  return fmt::format("# {}:{}: {}\n", line.file, line.line, line.text.substr(begin));
}

// A word of the section `-- maps`, which ends at spaces and comments.
std::string Word(const std::string& name) {
  std::string out = name;
  for (char& c : out) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '#' || c == '=') c = '_';
  }
  return out;
}

std::string MapLine(const MapSpec& map, const std::string& inner) {
  const model::MapTypeInfo* type = model::FindMapType(map.type);
  std::string out = fmt::format("{} {} key={} value={} entries={}", Word(map.name),
                                type == nullptr ? "unknown" : type->name, map.key_size,
                                map.value_size, map.max_entries);
  if (map.flags != 0) out += fmt::format(" flags={:#x}", map.flags);
  if (!inner.empty()) out += " inner=" + inner;
  if (map.initial_value != nullptr) out += "  # without its initial contents";
  if (!map.initial_slots.empty()) out += "  # without what the object puts into its slots";
  return out + "\n";
}

// What a test file says of the program besides its code. Map references are
// indexes, so the templates of inner maps come after all others have their
// place; a line may name only maps above it, hence such a template cannot be
// told, and the map says so.
std::string Header(const Program& program) {
  std::string out;
  if (program.type() != ProgramTypeId::kMemory && program.type() != ProgramTypeId::kUnspec) {
    out += fmt::format("-- type\n{}{}\n", ProgramTypeName(program.type()),
                       program.data().sleepable ? " sleepable" : "");
  }
  if (!program.maps().empty()) out += "-- maps\n";
  for (size_t i = 0; i < program.maps().size(); ++i) {
    const MapSpec& map = program.maps()[i];
    std::string inner;
    for (size_t j = 0; map.inner != nullptr && j < i; ++j) {
      if (program.maps()[j].name == map.inner->name) inner = Word(map.inner->name);
    }
    if (map.inner != nullptr && inner.empty()) {
      out += fmt::format("# the next map's inner maps: {}", MapLine(*map.inner, {}));
    }
    out += MapLine(map, inner);
  }
  return out.empty() ? out : out + "-- asm\n";
}

// A test file, with source lines as comments, so that the text assembles.
std::string DisassembleText(const Program& program) {
  const HelperSymbols symbols;
  std::string out = Header(program);
  const SourceLine* shown = nullptr;
  size_t next_sub = 0;
  for (uint32_t slot = 0; slot < program.insns().size(); ++slot) {
    if (next_sub < program.subprograms().size() && program.subprograms()[next_sub].start == slot) {
      out +=
          fmt::format("{}# {}\n", next_sub == 0 ? "" : "\n", program.subprograms()[next_sub].name);
      ++next_sub;
    }
    const SourceLine* line = program.LineAt(slot);
    if (IsNews(line, shown)) out += SourceComment(*line);
    shown = line;
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
  auto input = OpenInput(options.object, options.target);
  if (!input) return Fail(input.error());
  auto program = input->object.FindProgram(options.program);
  if (!program) return Fail(program.error());
  if (!options.lowered) return Write(DisassembleText(*program), kDone);
  auto lowered = LoadLowered(*input, *program, Engine::kInterp);
  if (!lowered) return Fail(lowered.error());
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
  AddTargetOptions(disasm, options->target);
  disasm->footer(
      "Examples:\n"
      "  skep disasm filter.bpf.o\n"
      "  skep disasm filter.bpf.o -p filter --lowered\n");
  disasm->callback([options, &status] { status = DisasmCommand(*options); });
}

}  // namespace skep::tools
