// SPDX-License-Identifier: Apache-2.0
#include "vm/test_runner.h"

#include <utility>

#define FMT_HEADER_ONLY 1
#include <fmt/format.h>

#include "skep/runtime.h"

namespace skep {
namespace {

// One run with maps, memory and random state of its own.
struct OneRun {
  Result<void> prepared;
  RunResult result;
  std::string trap_detail;
};

class Runner {
 public:
  Runner(const TestFile& file, const TestRunOptions& options) : file_(file), options_(options) {}

  // As RunOnce.
  Result<uint64_t> Value(Engine engine) {
    if (!file_.load_error.empty()) return Error{ErrorCode::kMalformedObject, file_.load_error};
    SKEP_TRY(program_, Program::Create(file_.program));
    SKEP_TRY(runtime_, Runtime::Create({}));
    Judge();
    if (!IsPlainMemory() && !outcome_.report.accepted) {
      return Error{ErrorCode::kInvalidArgument, "rejected: " + Reason()};
    }
    OneRun run;
    if (IsPlainMemory()) run = RunOn(Engine::kChecked);
    if (!IsPlainMemory() || (engine != Engine::kChecked && run.prepared && run.result.ok())) {
      run = RunOn(engine);
    }
    if (!run.prepared) return std::move(run.prepared).error();
    if (!run.result.ok()) return Error{ErrorCode::kInvalidArgument, std::move(run.trap_detail)};
    return run.result.value;
  }

  std::vector<TestRow> Run() {
    if (!file_.load_error.empty()) {
      Everywhere(TestOutcome::kPass, {});
      return std::move(rows_);
    }
    auto program = Program::Create(file_.program);
    if (!program) {
      Everywhere(file_.expect_error ? TestOutcome::kPass : TestOutcome::kFail,
                 file_.expect_error ? std::string() : program.error().message);
      return std::move(rows_);
    }
    program_ = *std::move(program);
    auto runtime = Runtime::Create({});
    if (!runtime) {
      Everywhere(TestOutcome::kFail, runtime.error().message);
      return std::move(rows_);
    }
    runtime_ = *std::move(runtime);
    Judge();
    if (file_.result || file_.expect_error) RunEngines();
    return std::move(rows_);
  }

 private:
  bool IsPlainMemory() const { return file_.program.type == ProgramTypeId::kMemory; }
  bool AsksForVerdict() const { return file_.verdict != Expectation::kNothing; }

  void Add(std::string engine, TestOutcome outcome, std::string detail) {
    rows_.push_back({std::move(engine), outcome, std::move(detail)});
  }

  void Everywhere(TestOutcome outcome, const std::string& detail) {
    if (AsksForVerdict()) Add("verifier", outcome, detail);
    if (!file_.result && !file_.expect_error) return;
    for (const Engine engine : options_.engines) {
      Add(std::string(EngineName(engine)), outcome, detail);
    }
  }

  void Judge() {
    if (!AsksForVerdict() && IsPlainMemory()) return;
    VerifyOptions verify = options_.verify;
    verify.log_level = 1;
    if (file_.unprivileged) {
      verify.rights = Rights::kUnprivileged;
      verify.mitigations = true;
    }
    if (IsPlainMemory() && file_.memory) {
      verify.memory_size = static_cast<uint32_t>(file_.memory->size());
    }
    verify_ = verify;
    outcome_ = Verify(*program_, runtime_->environment(), verify);
    if (!AsksForVerdict()) return;
    const VerifierReport& report = outcome_.report;
    if (file_.verdict == Expectation::kAccept) {
      Add("verifier", report.accepted ? TestOutcome::kPass : TestOutcome::kFail,
          report.accepted ? std::string() : "rejected: " + Reason());
      return;
    }
    if (report.accepted) return Add("verifier", TestOutcome::kFail, "accepted, expected a reject");
    for (const std::string& text : file_.reject_texts) {
      if (report.log.find(text) == std::string::npos && !FindingsHave(text)) {
        return Add("verifier", TestOutcome::kFail,
                   fmt::format("rejected with '{}', expected '{}'", Reason(), text));
      }
    }
    Add("verifier", TestOutcome::kPass, {});
  }

  std::string Reason() const {
    const auto& findings = outcome_.report.findings;
    return findings.empty() ? std::string("no finding") : findings.front().message;
  }

  // "V031 at 1: ..." names a finding by code and place.
  bool FindingsHave(const std::string& text) const {
    for (const Finding& finding : outcome_.report.findings) {
      const std::string line =
          fmt::format("{} at {}: {}", FindingName(finding.code), finding.insn, finding.message);
      if (line.find(text) != std::string::npos) return true;
    }
    return false;
  }

  void RunEngines() {
    if (!IsPlainMemory() && !outcome_.report.accepted) {
      const std::string why = "rejected: " + Reason();
      for (const Engine engine : options_.engines) {
        Add(std::string(EngineName(engine)),
            file_.expect_error ? TestOutcome::kPass : TestOutcome::kFail,
            file_.expect_error ? std::string() : why);
      }
      return;
    }
    std::optional<OneRun> vouching;
    if (IsPlainMemory()) vouching = RunOn(Engine::kChecked);
    for (const Engine engine : options_.engines) {
      if (engine == Engine::kChecked && vouching) {
        Report(engine, *vouching);
      } else if (vouching && (!vouching->prepared || !vouching->result.ok())) {
        Report(engine, *vouching, " (on the checked engine; not run here)");
      } else {
        Report(engine, RunOn(engine));
      }
    }
  }

  void Report(Engine engine, const OneRun& run, const char* note = "") {
    const std::string name(EngineName(engine));
    const bool failed = !run.prepared || !run.result.ok();
    if (failed) {
      const std::string why = !run.prepared ? run.prepared.error().message : run.trap_detail;
      Add(name, file_.expect_error ? TestOutcome::kPass : TestOutcome::kFail,
          file_.expect_error ? std::string() : why + note);
      return;
    }
    if (file_.expect_error) {
      return Add(name, TestOutcome::kFail,
                 fmt::format("r0 is {:#x}, expected an error", run.result.value));
    }
    const bool equal = run.result.value == *file_.result;
    Add(name, equal ? TestOutcome::kPass : TestOutcome::kFail,
        equal ? std::string()
              : fmt::format("r0 is {:#x}, expected {:#x}", run.result.value, *file_.result));
  }

  Result<std::shared_ptr<Executable>> Prepare(Engine engine) {
    std::vector<std::shared_ptr<Map>> maps;
    SKEP_TRY(auto instance, runtime_->Instantiate(program_->maps()));
    for (const MapSpec& spec : program_->maps()) maps.push_back(instance->FindMap(spec.name));
    instances_.push_back(std::move(instance));
    if (!IsPlainMemory()) return runtime_->Prepare(*outcome_.verified, engine, maps);
    if (engine == Engine::kChecked) return runtime_->PrepareUnverified(*program_, engine, maps);
    return runtime_->PrepareVouched(*program_, engine, maps);
  }

  OneRun RunOn(Engine engine) {
    OneRun run;
    auto executable = Prepare(engine);
    if (!executable) return {std::move(executable).error(), {}, {}};
    auto context = runtime_->NewContext();
    if (!context) return {std::move(context).error(), {}, {}};
    (*context)->set_seed(1);
    (*context)->set_budget(options_.budget);
    std::vector<std::byte> memory = file_.memory.value_or(std::vector<std::byte>());
    switch (file_.program.type) {
      case ProgramTypeId::kMemory:
        run.result =
            (*executable)->Run(**context, memory.empty() ? nullptr : memory.data(), memory.size());
        break;
      case ProgramTypeId::kXdp:
      case ProgramTypeId::kSocketFilter:
      case ProgramTypeId::kSchedCls:
      case ProgramTypeId::kSchedAct:
      case ProgramTypeId::kCgroupSkb:
      case ProgramTypeId::kLwtIn:
      case ProgramTypeId::kLwtOut:
      case ProgramTypeId::kLwtXmit:
      case ProgramTypeId::kLwtSeg6local:
      case ProgramTypeId::kNetfilter:
        if (!file_.memory) memory.assign(64, std::byte{0});
        run.result = (*executable)->RunPacket(**context, {.data = memory});
        break;
      case ProgramTypeId::kFlowDissector: {
        if (!file_.memory) memory.assign(64, std::byte{0});
        FlowKeys keys;
        run.result = (*executable)->RunFlowDissector(**context, memory, keys);
        break;
      }
      default:
        if (!file_.memory) memory.assign((*executable)->min_context_bytes(), std::byte{0});
        run.result = (*executable)->RunBytes(**context, memory);
        break;
    }
    run.trap_detail = (*context)->trap_detail();
    return run;
  }

  const TestFile& file_;
  const TestRunOptions& options_;
  std::optional<Program> program_;
  std::unique_ptr<Runtime> runtime_;  // outlives what is made from it, below
  VerifyOptions verify_;
  VerifyOutcome outcome_;
  std::vector<std::shared_ptr<Instance>> instances_;
  std::vector<TestRow> rows_;
};

}  // namespace

std::vector<TestRow> RunTestFile(const TestFile& file, const TestRunOptions& options) {
  return Runner(file, options).Run();
}

Result<uint64_t> RunOnce(const TestFile& file, Engine engine, TestRunOptions options) {
  return Runner(file, options).Value(engine);
}

std::vector<TestRow> FailedTestFile(const Error& error, const TestRunOptions& options) {
  std::vector<TestRow> rows;
  for (const Engine engine : options.engines) {
    rows.push_back({std::string(EngineName(engine)), TestOutcome::kFail, error.message});
  }
  return rows;
}

}  // namespace skep
