// SPDX-License-Identifier: Apache-2.0
// skep compare: programs run here and in the kernel over the same inputs.
#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <sched.h>

#include "model/program_type_name.h"
#include "tools/command.h"
#include "tools/compare_run.h"
#include "tools/find_files.h"
#include "tools/input.h"
#include "tools/isolated.h"
#include "tools/kernel_run.h"
#include "tools/output.h"
#include "tools/target.h"

namespace skep::tools {
namespace {

struct CompareCommandOptions {
  std::vector<std::string> paths;
  std::vector<std::string> engines;
  std::string program;
  CompareOptions compare;
  TargetOptions target;
  uint32_t seconds = 60;
  bool json = false;
};

const char* ResultName(CompareResult result) {
  switch (result) {
    case CompareResult::kEqual:
      return "equal";
    case CompareResult::kDiffer:
      return "differ";
    case CompareResult::kUnstable:
      return "unstable";
    case CompareResult::kNotRun:
      return "not run";
    case CompareResult::kRefused:
      return "refused";
  }
  return "";
}

std::string Shortened(const std::string& text) {
  constexpr size_t kMost = 4096;
  return text.size() <= kMost ? text : text.substr(0, kMost) + "...";
}

Json ToJson(const Comparison& comparison) {
  Json row = {{"result", ResultName(comparison.result)},
              {"reason", comparison.reason},
              {"verdict", comparison.verdict},
              {"kernel_verdict", comparison.kernel_verdict}};
  row["retvals"] = Json::object();
  for (const CompareValue& value : comparison.values)
    row["retvals"][value.input] = value.kernel ? Json(*value.kernel) : Json(nullptr);
  row["unstable"] = comparison.unstable;
  row["differences"] = Json::array();
  for (const Difference& difference : comparison.differences) {
    row["differences"].push_back({{"input", difference.input},
                                  {"engine", difference.engine},
                                  {"what", difference.what},
                                  {"skep", Shortened(difference.here)},
                                  {"kernel", Shortened(difference.kernel)}});
  }
  return row;
}

// A run that did not come back.
Json Ended(const IsolatedOutcome& outcome) {
  Comparison comparison;
  const std::string where =
      outcome.stage == "kernel" ? "in the kernel" : "here (" + outcome.stage + ")";
  comparison.reason = "the run " + where + " " + outcome.ended;
  // What the kernel does with the process is its affair; here it is a fault.
  if (outcome.stage != "kernel") {
    comparison.result = CompareResult::kDiffer;
    comparison.differences.push_back({"", outcome.stage, "end", outcome.ended, ""});
  }
  return ToJson(comparison);
}

// Both sides see the same CPU.
void StayOnOneCpu() {
  cpu_set_t allowed, one;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  CPU_ZERO(&one);
  for (size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    CPU_SET(cpu, &one);
    break;
  }
  static_cast<void>(sched_setaffinity(0, sizeof one, &one));
}

class CompareRun {
 public:
  explicit CompareRun(const CompareCommandOptions& options) : options_(options) {}

  Result<void> File(const std::string& path) {
    SKEP_TRY(const auto input, OpenInput(path, options_.target));
    ++objects_;
    for (const ObjectProgram& from : input.object.programs()) {
      if (!options_.program.empty() && from.name != options_.program) continue;
      SKEP_TRY(Json row, Compare(input.object, from));
      ++counts_[row["result"].get<std::string>()];
      const std::string reason = row["reason"];
      if (!reason.empty()) ++reasons_[row["result"].get<std::string>()][reason];
      Json named = {{"object", path},
                    {"program", from.name},
                    {"section", from.section},
                    {"type", ProgramTypeName(from.type)}};
      named.update(row);
      rows_.push_back(std::move(named));
    }
    return {};
  }

  int Finish() {
    const bool alike = counts_["differ"] == 0 && !AcceptedHereAlone();
    const int status = alike ? kDone : kFailed;
    if (!options_.json) return Write(Text(), status);
    Json summary = {{"objects", objects_}, {"programs", rows_.size()}};
    for (const char* name : {"equal", "differ", "unstable", "not run", "refused"})
      summary[name] = counts_[name];
    summary["reasons"] = reasons_;
    return WriteJson({{"programs", rows_}, {"summary", summary}}, status);
  }

 private:
  Result<Json> Compare(const Object& object, const ObjectProgram& from) const {
    if (!from.program) {
      Comparison comparison;
      comparison.result = CompareResult::kRefused;
      comparison.verdict = "error";
      comparison.reason = "cannot be linked: " + from.program.error().message;
      return ToJson(comparison);
    }
    const auto work = [&](const Stage& stage) {
      StayOnOneCpu();
      return ToJson(CompareProgram(object, *from.program, options_.compare, stage)).dump();
    };
    SKEP_TRY(const IsolatedOutcome outcome, RunIsolated(work, options_.seconds));
    if (!outcome.ended.empty()) return Ended(outcome);
    return Json::parse(outcome.result, nullptr, false);
  }

  bool AcceptedHereAlone() const {
    return std::any_of(rows_.begin(), rows_.end(), [](const Json& row) {
      return row["verdict"] == "accept" && row["kernel_verdict"] == "reject";
    });
  }

  std::string Text() {
    std::string out;
    for (const Json& row : rows_) out += DifferenceText(row);
    for (const auto& [result, reasons] : reasons_) {
      if (result != "not run" && result != "refused") continue;
      out += Bold(result) + "\n";
      std::vector<std::pair<size_t, std::string>> sorted;
      for (const auto& [reason, count] : reasons) sorted.emplace_back(count, reason);
      std::sort(sorted.rbegin(), sorted.rend());
      for (const auto& [count, reason] : sorted)
        out += "  " + std::to_string(count) + "  " + reason + "\n";
    }
    const size_t compared = counts_["equal"] + counts_["differ"] + counts_["unstable"];
    return out + std::to_string(rows_.size()) + " programs of " + std::to_string(objects_) +
           " objects: " + std::to_string(compared) + " compared (" +
           std::to_string(counts_["equal"]) + " equal, " + std::to_string(counts_["differ"]) +
           " differ, " + std::to_string(counts_["unstable"]) +
           " not the same twice in the kernel), " + std::to_string(counts_["not run"]) +
           " not run, " + std::to_string(counts_["refused"]) + " refused\n";
  }

  // The first differences of each engine.
  static std::string DifferenceText(const Json& row) {
    constexpr size_t kShown = 4, kWidth = 160;
    if (row["result"] != "differ") return {};
    std::string out = Red("differ") + "  " + row["object"].get<std::string>() + " " +
                      row["program"].get<std::string>() + "\n";
    size_t shown = 0;
    for (const Json& difference : row["differences"]) {
      if (++shown > kShown) break;
      const auto field = [&](const char* name) {
        return difference[name].get<std::string>().substr(0, kWidth);
      };
      out += "  " + field("engine") + ", input " + field("input") + ": " + field("what") +
             "\n      skep: " + field("skep") + "\n    kernel: " + field("kernel") + "\n";
    }
    const size_t all = row["differences"].size();
    if (all > kShown) out += "  and " + std::to_string(all - kShown) + " more\n";
    return out;
  }

  const CompareCommandOptions& options_;
  Json rows_ = Json::array();
  size_t objects_ = 0;
  std::map<std::string, size_t> counts_;
  std::map<std::string, std::map<std::string, size_t>> reasons_;
};

int CompareCommand(CompareCommandOptions& options) {
  if (options.engines.empty()) options.engines = {"interp", "checked", "jit"};
  for (const std::string& name : options.engines) {
    const auto engine = EngineByName(name);
    if (!engine) {
      return Fail(
          Error{ErrorCode::kInvalidArgument,
                "unknown engine '" + name + "', expected interp, checked, baseline or jit"});
    }
    options.compare.engines.push_back(*engine);
  }
  if (const std::string why = WhyNoKernel(); !why.empty()) {
    return Fail(Error{ErrorCode::kSystem, why});
  }
  const auto files = FindFiles(options.paths, {".o"});
  if (!files) return Fail(files.error());
  CompareRun run(options);
  Progress progress("comparing", files->size());
  size_t unreadable = 0;
  for (const std::string& path : *files) {
    if (const auto done = run.File(path); !done) {
      ++unreadable;
      PrintError(done.error().message);
    }
    progress.Step();
  }
  if (unreadable == files->size()) return kBadInput;
  const int status = run.Finish();
  return unreadable != 0 ? kBadInput : status;
}

}  // namespace

void AddCompare(CLI::App& app, int& status) {
  auto options = std::make_shared<CompareCommandOptions>();
  CLI::App* compare =
      app.add_subcommand("compare", "Run programs here and in the kernel over the same inputs");
  compare->add_option("path", options->paths, "Objects, or folders of them")->required();
  compare->add_option("-p,--program", options->program, "Only programs of this name");
  compare
      ->add_option("--engine", options->engines,
                   "interp, checked, baseline or jit; may be repeated (default: interp, checked "
                   "and jit)")
      ->allow_extra_args(false);
  compare
      ->add_option("--random", options->compare.random,
                   "Random inputs besides the fixed ones (default: 4)")
      ->check(CLI::Range(0, 1000));
  compare->add_option("--seed", options->compare.seed, "Other random inputs (default: 1)");
  compare->add_option("--seconds", options->seconds, "Time for one program at most (default: 60)")
      ->check(CLI::Range(1, 3600));
  AddTargetOptions(compare, options->target);
  compare->add_flag("--json", options->json, "Machine output on standard output");
  compare->footer(
      "Each program runs on fresh maps, on each engine and by BPF_PROG_TEST_RUN; what it returns,\n"
      "the packet or context and the maps afterwards must be equal. What the kernel does not "
      "repeat\n"
      "(time, random numbers, addresses) is left out. Status 1: something differs, or a program "
      "is\n"
      "accepted that the kernel refuses. Needs the right to call bpf(2).\n\n"
      "Examples:\n"
      "  skep compare filter.bpf.o\n"
      "  skep compare objects/ --json\n"
      "  skep compare filter.bpf.o -p drop --engine jit --random 100\n");
  compare->callback([options, &status] { status = CompareCommand(*options); });
}

}  // namespace skep::tools
