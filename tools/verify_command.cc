// SPDX-License-Identifier: Apache-2.0
// skep verify: the verdict for each program of an object, no run.
#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "skep/runtime.h"

#include "model/program_type_name.h"
#include "tools/command.h"
#include "tools/input.h"
#include "tools/kernel_run.h"
#include "tools/log_compare.h"
#include "tools/output.h"
#include "tools/report.h"

namespace skep::tools {
namespace {

struct VerifyCommandOptions {
  std::string object;
  TargetOptions target;
  std::string program;
  std::string type;
  std::string backend = "skep";
  uint32_t log = 0;
  uint32_t rounds = 1;
  bool unprivileged = false;
  bool strict_alignment = false;
  bool explain = false;
  bool json = false;
};

struct KernelVerdict {
  std::string verdict;  // accept, reject or error
  std::string message;
  uint64_t processed = 0;
  std::optional<uint64_t> time_us;  // if --rounds asks for it
  std::string log;
  // Beside ours: where the logs part, or why they were not compared.
  std::optional<LogDifference> difference;
  std::string not_compared;
};

struct Verdict {
  const ObjectProgram* from = nullptr;
  std::optional<Program> program;  // as it was judged; none if it could not be linked
  std::string verdict;             // accept, reject or error
  std::string message;
  std::string log;
  VerifierReport report;
  std::optional<KernelVerdict> kernel;  // if it was asked
  ProgramTypeId type = ProgramTypeId::kUnspec;
  size_t insns = 0;
};

class VerifyRun {
 public:
  VerifyRun(const VerifyCommandOptions& options, const Input& input, const Environment& environment)
      : options_(options), input_(input), environment_(environment) {}

  Result<Verdict> Judge(const ObjectProgram& from) const {
    Verdict out;
    out.from = &from;
    out.type = from.type;
    if (!from.program) {
      out.verdict = "error";
      out.message = from.program.error().message;
      return out;
    }
    Program program = *from.program;
    if (!options_.type.empty()) {
      SKEP_TRY(const ProgramTypeId type, ParseProgramType(options_.type));
      program = program.WithType(type, program.data().expected_attach_type);
    }
    out.type = program.type();
    out.program = program;
    out.insns = program.insns().size();
    if (options_.backend == "kernel") return out;
    out.report = Report(program, options_.log);
    out.verdict = out.report.accepted ? "accept" : "reject";
    if (!out.report.accepted && !out.report.findings.empty()) {
      const Finding& finding = out.report.findings.front();
      out.message = finding.message;
      if (finding.unsupported) out.verdict = "error";
    }
    return out;
  }

  VerifierReport Report(const Program& program, uint32_t log_level) const {
    VerifyOptions verify;
    verify.rights = options_.unprivileged ? Rights::kUnprivileged : Rights::kRoot;
    verify.mitigations = options_.unprivileged;
    verify.strict_alignment = options_.strict_alignment;
    verify.log_level = log_level;
    if (input_.test && input_.test->memory && program.type() == ProgramTypeId::kMemory) {
      verify.memory_size = static_cast<uint32_t>(input_.test->memory->size());
    }
    return Verify(program, environment_, verify).report;
  }

 private:
  const VerifyCommandOptions& options_;
  const Input& input_;
  const Environment& environment_;
};

// Fails if the kernel may not be asked.
Result<void> AskKernel(KernelJudge& judge, const VerifyCommandOptions& options, Verdict& out) {
  KernelVerdict& kernel = out.kernel.emplace();
  if (!out.program) {
    kernel.verdict = "error";
    kernel.message = out.message;
    return {};
  }
  BackendLoadOptions load;
  load.log_level = std::max(options.log, 1u);
  load.strict_alignment = options.strict_alignment;
  auto judged = judge.Judge(*out.program, load);
  if (judged) {
    kernel.verdict = judged->accepted ? "accept" : "reject";
    kernel.message = std::move(judged->message);
    kernel.processed = judged->processed;
    if (options.log != 0) kernel.log = std::move(judged->log);
    return {};
  }
  // Some kernels refuse single kinds of programs so (fentry where functions cannot be traced).
  const bool refused_all = judged.error().code == ErrorCode::kSystem && !WhyNoKernel().empty();
  if (refused_all) return std::move(judged).error();
  kernel.verdict = "error";
  kernel.message = std::move(judged).error().message;
  return {};
}

// Asks both for every step and says where they part.
Result<void> CompareSteps(KernelJudge& judge, const VerifyRun& run,
                          const VerifyCommandOptions& options, Verdict& out) {
  constexpr uint64_t kMostSteps = 50'000;
  KernelVerdict& kernel = *out.kernel;
  if (!out.program || kernel.verdict == "error") return {};
  if (std::max(kernel.processed, out.report.statistics.processed) > kMostSteps) {
    kernel.not_compared = "more than " + std::to_string(kMostSteps) + " steps";
    return {};
  }
  BackendLoadOptions load;
  load.log_level = 2;
  load.strict_alignment = options.strict_alignment;
  SKEP_TRY(const BackendVerdict judged, judge.Judge(*out.program, load));
  kernel.difference = CompareLogs(run.Report(*out.program, 2).log, judged.log);
  return {};
}

// Median of what was measured; not empty.
uint64_t Median(std::vector<uint64_t> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Judges it again and again, here and by the kernel in turn, so that both meet
// the same machine, and keeps the median times.
Result<void> TimeRounds(KernelJudge* judge, const VerifyRun& run,
                        const VerifyCommandOptions& options, Verdict& out) {
  if (options.rounds == 1 || !out.program) return {};
  BackendLoadOptions load;
  load.log_level = 4;  // its summary alone, which has the time
  load.strict_alignment = options.strict_alignment;
  std::vector<uint64_t> ours, kernels;
  for (uint32_t round = 0; round < options.rounds; ++round) {
    if (options.backend != "kernel") {
      ours.push_back(run.Report(*out.program, options.log).statistics.time_us);
    }
    if (judge == nullptr || out.kernel->verdict == "error") continue;
    SKEP_TRY(const BackendVerdict judged, judge->Judge(*out.program, load));
    if (judged.time_us) kernels.push_back(*judged.time_us);
  }
  if (!ours.empty()) out.report.statistics.time_us = Median(ours);
  if (!kernels.empty()) out.kernel->time_us = Median(kernels);
  return {};
}

// As the only judge, the kernel fills the fields that are ours otherwise.
void TakeKernelVerdict(Verdict& out) {
  out.verdict = out.kernel->verdict;
  out.message = out.kernel->message;
  out.report.statistics.processed = out.kernel->processed;
}

Json PathJson(const Finding& finding) {
  Json path = Json::array();
  for (const PathStep& step : finding.path) {
    path.push_back({{"insn", step.insn}, {"taken", step.taken}, {"source", step.source}});
  }
  return {{"omitted", finding.path_omitted}, {"branches", std::move(path)}};
}

Json ToJson(const Verdict& verdict, const VerifyCommandOptions& options) {
  const std::string& object = options.object;
  const bool both = options.backend == "both";
  const VerifierReport& report = verdict.report;
  Json json = {{"object", object},
               {"program", verdict.from->name},
               {"section", verdict.from->section},
               {"type", ProgramTypeName(verdict.type)},
               {"insns", verdict.insns},
               {"verdict", verdict.verdict}};
  const Finding* finding = report.findings.empty() ? nullptr : &report.findings.front();
  json["code"] = finding == nullptr ? Json(nullptr) : Json(FindingName(finding->code));
  json["message"] = verdict.message;
  json["insn"] = finding == nullptr ? Json(nullptr) : Json(finding->insn);
  json["source"] = finding == nullptr ? Json(nullptr) : Json(finding->source);
  if (options.explain && finding != nullptr) {
    json["path"] = PathJson(*finding);
    json["registers"] = finding->involved;
    json["advice"] = finding->advice;
  }
  json["processed"] = report.statistics.processed;
  json["states"] = report.statistics.total_states;
  json["peak_states"] = report.statistics.peak_states;
  json["stack"] = report.statistics.stack_depth;
  json["time_us"] = report.statistics.time_us;
  if (verdict.kernel && !both) {  // it does not say
    for (const char* field : {"states", "peak_states", "stack", "time_us"}) json[field] = nullptr;
    if (verdict.kernel->time_us) json["time_us"] = *verdict.kernel->time_us;
  }
  if (both) {
    json["kernel"] = {{"verdict", verdict.kernel->verdict},
                      {"message", verdict.kernel->message},
                      {"processed", verdict.kernel->processed}};
    if (verdict.kernel->time_us) json["kernel"]["time_us"] = *verdict.kernel->time_us;
    const std::optional<LogDifference>& parts = verdict.kernel->difference;
    json["kernel"]["parts"] = parts ? Json{{"step", parts->step},
                                           {"insn", parts->insn},
                                           {"what", parts->what},
                                           {"skep", parts->first},
                                           {"kernel", parts->second}}
                                    : Json(nullptr);
    if (!verdict.kernel->not_compared.empty()) {
      json["kernel"]["not_compared"] = verdict.kernel->not_compared;
    }
  }
  return json;
}

std::string DifferenceText(const KernelVerdict& kernel) {
  if (!kernel.not_compared.empty()) return "logs not compared: " + kernel.not_compared + "\n";
  if (!kernel.difference) return "logs agree at every step\n";
  const LogDifference& d = *kernel.difference;
  const std::string where =
      "logs part at instruction " + std::to_string(d.insn) + ", step " + std::to_string(d.step);
  const std::string what = d.what == "path" || d.what == "end" ? "" : d.what + " = ";
  return where + "\n    skep: " + what + d.first + "\n  kernel: " + what + d.second + "\n";
}

std::string KernelText(const KernelVerdict& kernel) {
  std::string out = "kernel: ";
  if (kernel.verdict == "accept") {
    out +=
        Green("accepted") + ", " + std::to_string(kernel.processed) + " instructions walked over";
    out += kernel.time_us ? " in " + std::to_string(*kernel.time_us) + " us\n" : "\n";
  } else {
    out +=
        Red(kernel.verdict == "reject" ? "rejected" : "not judged") + ": " + kernel.message + "\n";
  }
  return out + kernel.log;
}

std::string ToText(const Verdict& verdict, bool kernel_only, bool explain) {
  std::string out = Bold(verdict.from->name) + " (" + std::string(ProgramTypeName(verdict.type)) +
                    ", " + std::to_string(verdict.insns) + " instructions): ";
  const VerifierStatistics& statistics = verdict.report.statistics;
  if (kernel_only) return out + KernelText(*verdict.kernel);
  if (verdict.verdict == "accept") {
    out += Green("accepted") + ", " + std::to_string(statistics.processed) +
           " instructions walked over in " + std::to_string(statistics.time_us) + " us, " +
           std::to_string(statistics.stack_depth) + " bytes of stack\n";
  } else if (verdict.verdict == "reject") {
    out += Red("rejected") + "\n";
  } else {
    out += Red("not judged");
    out += verdict.report.findings.empty() ? ": " + verdict.message + "\n" : "\n";
  }
  for (const Finding& finding : verdict.report.findings) {
    out += DescribeFinding(*verdict.program, finding);
    if (explain) out += ExplainFinding(*verdict.program, finding);
  }
  out += verdict.report.log;
  if (!verdict.kernel) return out;
  out += KernelText(*verdict.kernel);
  return verdict.kernel->verdict == "error" ? out : out + DifferenceText(*verdict.kernel);
}

// How many of each, if there are several; and how to see more of a refusal.
std::string Summary(const std::vector<Verdict>& verdicts, const VerifyCommandOptions& options) {
  std::map<std::string, size_t> counts;
  const Verdict* refused = nullptr;
  for (const Verdict& verdict : verdicts) {
    ++counts[verdict.verdict];
    if (refused == nullptr && verdict.verdict == "reject") refused = &verdict;
  }
  std::string out;
  if (verdicts.size() > 1) {
    out += std::to_string(verdicts.size()) + " programs: " + std::to_string(counts["accept"]) +
           " accepted, " + std::to_string(counts["reject"]) + " rejected, " +
           std::to_string(counts["error"]) + " not judged\n";
  }
  if (refused != nullptr && (options.log & 2) == 0) {
    out += "each step to a refusal: skep verify " + options.object + " -p " + refused->from->name +
           " --log 2\n";
  }
  return out;
}

int VerifyCommand(const VerifyCommandOptions& options) {
  const bool both = options.backend == "both", kernel_only = options.backend == "kernel";
  if ((both || kernel_only) && options.unprivileged) {
    return Fail(Error{ErrorCode::kInvalidArgument,
                      "--unprivileged does not reach the kernel, need --backend skep"});
  }
  auto input = OpenInput(options.object, options.target);
  if (!input) return Fail(input.error());
  std::optional<KernelJudge> judge;
  if (both || kernel_only) {
    auto created = KernelJudge::Create(input->object);
    if (!created) return Fail(created.error());
    judge = *std::move(created);
  }
  auto runtime = Runtime::Create({});
  if (!runtime) return Fail(runtime.error());
  Environment environment = (*runtime)->environment();
  if (judge) environment.cpu_slots = judge->cpu_slots();  // both judge the same machine
  const VerifyRun run(options, *input, environment);
  Json all = Json::array();
  std::string text;
  std::vector<Verdict> verdicts;
  bool good = true;
  bool found = false;
  Progress progress("program", options.program.empty() ? input->object.programs().size() : 1);
  for (const ObjectProgram& from : input->object.programs()) {
    if (!options.program.empty() && from.name != options.program) continue;
    found = true;
    auto verdict = run.Judge(from);
    if (!verdict) return Fail(verdict.error());
    if (judge) {
      if (auto asked = AskKernel(*judge, options, *verdict); !asked) return Fail(asked.error());
      if (both) {
        auto compared = CompareSteps(*judge, run, options, *verdict);
        if (!compared) return Fail(compared.error());
      }
      if (kernel_only) TakeKernelVerdict(*verdict);
      good = good && verdict->kernel->verdict == "accept";
    }
    if (auto timed = TimeRounds(judge ? &*judge : nullptr, run, options, *verdict); !timed) {
      return Fail(timed.error());
    }
    good = good && verdict->verdict == "accept";
    all.push_back(ToJson(*verdict, options));
    text += ToText(*verdict, kernel_only, options.explain);
    verdicts.push_back(*std::move(verdict));
    verdicts.back().report.log.clear();  // it is in `text`
    progress.Step();
  }
  if (!found && !options.program.empty()) {
    return Fail(input->object.FindProgram(options.program).error());
  }
  const int status = good ? kDone : kFailed;
  if (options.json) return WriteJson(all, status);
  if (verdicts.empty()) return Write(options.object + ": no programs\n", status);
  return Write(text + Summary(verdicts, options), status);
}

}  // namespace

void AddVerify(CLI::App& app, int& status) {
  auto options = std::make_shared<VerifyCommandOptions>();
  CLI::App* verify = app.add_subcommand("verify", "Judge each program of an object, without a run");
  verify->add_option("object", options->object, "ELF object or .ebpf file")->required();
  verify->add_option("-p,--program", options->program, "Only this program");
  verify->add_option("--type", options->type, "Take the programs as this type");
  verify
      ->add_option("--log", options->log,
                   "1: findings and summary, 2: every instruction, 4: statistics")
      ->check(CLI::Range(0u, 15u));
  verify->add_option("--backend", options->backend, "Whose verifier")
      ->check(CLI::IsMember({"skep", "kernel", "both"}))
      ->capture_default_str();
  AddTargetOptions(verify, options->target);
  verify->add_flag("--explain", options->explain,
                   "For each refusal the branches that led there and what was known");
  verify->add_flag("--unprivileged", options->unprivileged, "The rules for untrusted programs");
  verify->add_flag("--strict-alignment", options->strict_alignment,
                   "Refuse accesses that are not aligned");
  verify->add_option("--rounds", options->rounds, "Judge so many times and give the median time")
      ->check(CLI::Range(1u, 100'000u))
      ->capture_default_str();
  verify->add_flag("--json", options->json, "Machine output on standard output");
  verify->footer(
      "Examples:\n"
      "  skep verify filter.bpf.o\n"
      "  skep verify filter.bpf.o -p filter --log 2\n"
      "  skep verify filter.bpf.o -p filter --explain\n"
      "  skep verify filter.bpf.o --backend both\n"
      "  skep verify filter.bpf.o --backend both --rounds 11\n"
      "  skep verify filter.bpf.o --json | jq '.[].verdict'\n");
  verify->callback([options, &status] { status = VerifyCommand(*options); });
}

}  // namespace skep::tools
