// SPDX-License-Identifier: Apache-2.0
// skep asm: text to an ELF object.
#include <memory>
#include <string>

#include "isa/decode.h"
#include "loader/object_writer.h"
#include "model/program_type_name.h"
#include "tools/command.h"
#include "tools/input.h"
#include "tools/output.h"
#include "tools/write_file.h"
#include "vm/test_file.h"

namespace skep::tools {
namespace {

struct AsmOptions {
  std::string file;
  std::string output;
  std::string section;
};

// A test file, or assembly text alone.
Result<TestFile> ReadText(const std::string& path) {
  SKEP_TRY(auto bytes, ReadFile(path, size_t{64} << 20));
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const bool is_test = text.starts_with("-- ") || text.find("\n-- ") != std::string_view::npos;
  return is_test ? ParseTestFile(text, path) : TestFileFromAssembly(text, path);
}

// The section that libbpf's naming gives this type.
std::string SectionFor(ProgramTypeId type) {
  switch (type) {
    case ProgramTypeId::kSocketFilter:
      return "socket";
    case ProgramTypeId::kSchedCls:
      return "tc";
    case ProgramTypeId::kSchedAct:
      return "action";
    case ProgramTypeId::kRawTracepoint:
      return "raw_tp";
    case ProgramTypeId::kMemory:
      return "memory";
    default:
      return std::string(ProgramTypeName(type));
  }
}

int AsmCommand(const AsmOptions& options) {
  auto file = ReadText(options.file);
  if (!file) return Fail(file.error());
  if (!file->load_error.empty()) {
    PrintError(file->load_error);
    return kBadInput;
  }
  const std::string section =
      options.section.empty() ? SectionFor(file->program.type) : options.section;
  const DecodedProgram decoded = DecodeProgram(file->program.insns);
  if (!decoded) {
    PrintError(options.file + ": instruction " + std::to_string(decoded.error.at) + ": " +
               Message(decoded.error));
    return kBadInput;
  }
  if (auto program = Program::Create(file->program); !program) {
    PrintError(options.file + ": " + program.error().message);
    return kBadInput;
  }
  auto object = loader::WriteObject(file->program, section);
  if (!object) {
    PrintError(options.file + ": " + object.error().message);
    return kBadInput;
  }
  if (auto written = WriteFile(options.output, *object); !written) return Fail(written.error());
  return kDone;
}

}  // namespace

void AddAsm(CLI::App& app, int& status) {
  auto options = std::make_shared<AsmOptions>();
  CLI::App* assemble = app.add_subcommand("asm", "Assemble text into an object");
  assemble->add_option("file", options->file, "Assembly text or .ebpf file; - is standard input")
      ->required();
  assemble->add_option("-o,--output", options->output, "Object to write")->required();
  assemble->add_option("--section", options->section,
                       "Section name, which says the program's type (default: by `-- type`)");
  assemble->footer(
      "Examples:\n"
      "  skep asm add.ebpf -o add.o\n"
      "  echo 'r0 = 2; exit' | skep asm - -o pass.o --section xdp\n");
  assemble->callback([options, &status] { status = AsmCommand(*options); });
}

}  // namespace skep::tools
