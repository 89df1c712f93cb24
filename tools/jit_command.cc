// SPDX-License-Identifier: Apache-2.0
// skep jit: machine code beside the instructions it was made from.
#include <memory>
#include <string>

#define FMT_HEADER_ONLY 1
#include <fmt/format.h>

#include "jit/listing.h"
#include "model/exec_program.h"
#include "tools/command.h"
#include "tools/input.h"
#include "tools/lowered.h"
#include "tools/output.h"
#include "tools/report.h"

namespace skep::tools {
namespace {

struct JitOptions {
  std::string object;
  TargetOptions target;
  std::string program;
  std::string arch = "x64";
  bool metered = false;
  bool json = false;
};

const char* KindName(jit::ListingPiece::Kind kind) {
  switch (kind) {
    case jit::ListingPiece::Kind::kEntry:
      return "entry";
    case jit::ListingPiece::Kind::kInsns:
      return "insns";
    case jit::ListingPiece::Kind::kCold:
      return "cold";
    case jit::ListingPiece::Kind::kCallback:
      return "callback";
  }
  return "";
}

std::string Indent(const std::string& text) {
  std::string out;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    out += "          " + text.substr(begin, end - begin) + "\n";
    begin = end + 1;
  }
  return out;
}

std::string Source(const Program& program, const model::ExecProgram& exec, uint32_t insn) {
  const uint32_t slot = exec.origin[insn];
  const SourceLine* line = program.LineAt(slot);
  if (line == nullptr || line->insn != slot) return {};
  return fmt::format("; {}:{}: {}\n", line->file, line->line, line->text);
}

std::string ToText(const Program& program, const model::ExecProgram& exec,
                   const jit::Listing& listing) {
  std::string out;
  for (const jit::ListingPiece& piece : listing.pieces) {
    if (piece.kind != jit::ListingPiece::Kind::kInsns) {
      out += Bold(
          fmt::format("{}, +{:#x}, {} bytes\n", KindName(piece.kind), piece.offset, piece.size));
    } else {
      for (uint32_t i = 0; i < piece.count; ++i) {
        out += Source(program, exec, piece.insn + i);
        out += fmt::format("{:4}: {}\n", piece.insn + i, DisassembleLowered(exec, piece.insn + i));
      }
    }
    out += Indent(piece.text);
  }
  return out;
}

Json ToJson(const Program& program, const model::ExecProgram& exec, const jit::Listing& listing) {
  Json pieces = Json::array();
  for (const jit::ListingPiece& piece : listing.pieces) {
    Json insns = Json::array();
    if (piece.kind == jit::ListingPiece::Kind::kInsns) {
      for (uint32_t i = 0; i < piece.count; ++i) {
        insns.push_back(DisassembleLowered(exec, piece.insn + i));
      }
    }
    pieces.push_back({{"kind", KindName(piece.kind)},
                      {"insn", piece.insn},
                      {"insns", std::move(insns)},
                      {"offset", piece.offset},
                      {"size", piece.size},
                      {"text", piece.text}});
  }
  return {{"program", program.name()}, {"arch", "x64"}, {"pieces", std::move(pieces)}};
}

int JitCommand(const JitOptions& options) {
  if (options.arch != "x64") {
    PrintError("this build compiles for x64 only, not for " + options.arch);
    return kBadInput;
  }
  auto input = OpenInput(options.object, options.target);
  if (!input) return Fail(input.error());
  auto program = input->object.FindProgram(options.program);
  if (!program) return Fail(program.error());
  auto lowered = LoadLowered(*input, *program, Engine::kJit);
  if (!lowered) return Fail(lowered.error());
  if (lowered->executable == nullptr) {
    PrintRejection(*program, lowered->report);
    return kFailed;
  }
  const model::ExecProgram& exec = lowered->executable->exec();
  auto listing = jit::List(exec, {.optimized = true, .metered = options.metered});
  if (!listing) {
    PrintError(listing.error().message);
    return kFailed;
  }
  if (options.json) return WriteJson(ToJson(*program, exec, *listing), kDone);
  return Write(ToText(*program, exec, *listing), kDone);
}

}  // namespace

void AddJit(CLI::App& app, int& status) {
  auto options = std::make_shared<JitOptions>();
  CLI::App* jit = app.add_subcommand("jit", "Print machine code beside the instructions");
  jit->add_option("object", options->object, "ELF object or .ebpf file")->required();
  jit->add_option("-p,--program", options->program,
                  "Program to compile; not needed if it is the only one");
  jit->add_option("--arch", options->arch, "Machine to compile for")
      ->check(CLI::IsMember({"x64", "arm64"}))
      ->capture_default_str();
  jit->add_flag("--metered", options->metered, "With budget and interrupt checks");
  jit->add_flag("--json", options->json, "Machine output on standard output");
  AddTargetOptions(jit, options->target);
  jit->footer(
      "Examples:\n"
      "  skep jit filter.bpf.o\n"
      "  skep jit filter.bpf.o -p filter --json\n");
  jit->callback([options, &status] { status = JitCommand(*options); });
}

}  // namespace skep::tools
