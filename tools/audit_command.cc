// SPDX-License-Identifier: Apache-2.0
// skep audit: runs of accepted programs, held against what the verifier proved.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "skep/runtime.h"

#include "isa/disasm.h"
#include "tools/command.h"
#include "tools/find_files.h"
#include "tools/input.h"
#include "tools/output.h"
#include "tools/program_generator.h"
#include "tools/target.h"
#include "vm/audit_runner.h"

namespace skep::tools {
namespace {

struct AuditCommandOptions {
  std::vector<std::string> paths;
  uint64_t random = 0;
  uint32_t runs = 16;
  uint64_t seed = 1;
  uint64_t budget = 100'000;
  TargetOptions target;
  bool unprivileged = false;
  bool json = false;
};

const char* OutcomeName(AuditOutcome outcome) {
  switch (outcome) {
    case AuditOutcome::kPassed:
      return "pass";
    case AuditOutcome::kViolated:
      return "fail";
    case AuditOutcome::kRejected:
      return "rejected";
    case AuditOutcome::kCannotRun:
      return "skip";
  }
  return "fail";
}

class AuditRun {
 public:
  AuditRun(const AuditCommandOptions& options, Runtime& runtime)
      : options_(options), runtime_(runtime) {
    audit_.runs = options.runs;
    audit_.seed = options.seed;
    audit_.budget = options.budget;
    audit_.verify.rights = options.unprivileged ? Rights::kUnprivileged : Rights::kRoot;
    audit_.verify.mitigations = options.unprivileged;
  }

  void File(const std::string& path) {
    const auto input = OpenInput(path, options_.target);
    if (!input) {
      ++unreadable_;
      return PrintError(input.error().message);
    }
    ++readable_;
    for (const ObjectProgram& from : input->object.programs()) {
      AuditResult result;
      if (from.program) {
        AuditOptions audit = audit_;
        if (input->test) audit.input = input->test->memory;
        if (audit.input && from.program->type() == ProgramTypeId::kMemory) {
          audit.verify.memory_size = static_cast<uint32_t>(audit.input->size());
        }
        result = AuditProgram(runtime_, *from.program, audit);
      } else {
        result.outcome = AuditOutcome::kRejected;
        result.reason = from.program.error().message;
      }
      Count(result);
      Json row = ToJson(result);
      row["object"] = path;
      row["program"] = from.name;
      rows_.push_back(std::move(row));
      if (result.violation) Say(path + " " + from.name, result, from.program->insns());
    }
  }

  void RandomProgram(uint64_t number) {
    ++readable_;
    AuditOptions audit = audit_;
    audit.seed = options_.seed * 1'000'003 + number;
    audit.verify.max_processed = 20'000;
    ProgramGenerator generator(audit.seed);
    const GeneratedProgram program = generator.Next();
    const AuditResult result = AuditProgram(runtime_, program.ToProgram(), audit);
    Count(result);
    if (!result.violation) return;
    Json row = ToJson(result);
    row["object"] = "random";
    row["program"] = std::to_string(number);
    rows_.push_back(std::move(row));
    Say("random program " + std::to_string(number), result, program.insns);
  }

  int Finish() {
    // Nothing was audited: no table that looks as if.
    if (readable_ == 0) return kBadInput;
    const int status = unreadable_ != 0 ? kBadInput : violated_ != 0 ? kFailed : kDone;
    if (options_.json) {
      Json all = {{"programs", rows_},        {"audited", passed_ + violated_},
                  {"violated", violated_},    {"rejected", rejected_},
                  {"skipped", cannot_run_},   {"runs", runs_},
                  {"instructions", checked_}, {"seed", options_.seed}};
      return WriteJson(all, status);
    }
    text_ += std::to_string(passed_ + violated_) + " programs audited, " +
             std::to_string(rejected_) + " rejected, " + std::to_string(cannot_run_) +
             " cannot run; " + std::to_string(runs_) + " runs, " + std::to_string(checked_) +
             " instructions checked, " + std::to_string(violated_) + " violations\n";
    return Write(text_, status);
  }

 private:
  void Count(const AuditResult& result) {
    runs_ += result.runs;
    checked_ += result.checked_insns;
    switch (result.outcome) {
      case AuditOutcome::kPassed:
        ++passed_;
        break;
      case AuditOutcome::kViolated:
        ++violated_;
        break;
      case AuditOutcome::kRejected:
        ++rejected_;
        break;
      case AuditOutcome::kCannotRun:
        ++cannot_run_;
        break;
    }
  }

  static Json ToJson(const AuditResult& result) {
    Json row = {{"object", nullptr},
                {"program", nullptr},
                {"result", OutcomeName(result.outcome)},
                {"runs", result.runs},
                {"instructions", result.checked_insns},
                {"detail", result.reason},
                {"violation", nullptr}};
    if (result.violation) {
      row["violation"] = {{"insn", result.violation->insn},
                          {"instruction", result.violation->instruction},
                          {"message", result.violation->message},
                          {"state", result.violation->state}};
    }
    return row;
  }

  void Say(const std::string& name, const AuditResult& result, std::span<const Insn> insns) {
    const AuditViolation& v = *result.violation;
    text_ += Red("violation") + "  " + name + ", run " + std::to_string(result.runs) +
             ", instruction " + std::to_string(v.insn) + " (" + v.instruction + "): " + v.message +
             "\n  proved:" + v.state + "\n";
    if (!insns.empty()) text_ += DisassembleProgram(insns);
  }

  const AuditCommandOptions& options_;
  Runtime& runtime_;
  AuditOptions audit_;
  Json rows_ = Json::array();
  std::string text_;
  size_t passed_ = 0, violated_ = 0, rejected_ = 0, cannot_run_ = 0;
  size_t readable_ = 0, unreadable_ = 0;
  uint64_t runs_ = 0, checked_ = 0;
};

int AuditCommand(const AuditCommandOptions& options) {
  const auto files = FindFiles(options.paths, {".ebpf", ".data", ".o"});
  if (!files) return Fail(files.error());
  const auto runtime = Runtime::Create({});
  if (!runtime) return Fail(runtime.error());
  AuditRun run(options, **runtime);
  {
    Progress progress("file", files->size());
    for (const std::string& path : *files) {
      run.File(path);
      progress.Step();
    }
  }
  Progress progress("random program", options.random);
  for (uint64_t i = 0; i < options.random; ++i) {
    run.RandomProgram(i);
    progress.Step();
  }
  return run.Finish();
}

}  // namespace

void AddAudit(CLI::App& app, int& status) {
  auto options = std::make_shared<AuditCommandOptions>();
  CLI::App* audit =
      app.add_subcommand("audit", "Hold runs of programs against what the verifier proved");
  CLI::Option* path = audit->add_option("path", options->paths,
                                        "Objects, .ebpf or .data files, or folders of them");
  CLI::Option* random =
      audit
          ->add_option("--random", options->random,
                       "Also audit this many generated programs (then no path is required)")
          ->check(CLI::PositiveNumber);
  audit->add_option("--runs", options->runs, "Runs of each program, on random inputs (default: 16)")
      ->check(CLI::Range(1, 1'000'000));
  audit->add_option("--seed", options->seed, "Other inputs and generated programs (default: 1)");
  audit->add_option("--budget", options->budget, "Instructions a run at most (default: 100000)")
      ->check(CLI::PositiveNumber);
  audit->add_flag("--unprivileged", options->unprivileged,
                  "Verify by the rules for untrusted programs");
  AddTargetOptions(audit, options->target);
  audit->add_flag("--json", options->json, "Machine output on standard output");
  audit->footer(
      "A program is verified, then run on the checked engine. After each instruction every\n"
      "register and stack slot must lie within what was proved about it.\n\n"
      "Examples:\n"
      "  skep audit filter.bpf.o\n"
      "  skep audit tests/data --runs 100\n"
      "  skep audit --random 10000 --seed 7\n");
  audit->callback([options, path, random, &status] {
    if (path->count() == 0 && random->count() == 0) {
      throw CLI::RequiredError("path or --random");
    }
    status = AuditCommand(*options);
  });
}

}  // namespace skep::tools
