// SPDX-License-Identifier: Apache-2.0
// Whatever a run leaves is an aspect of it: a name and bytes in hex. Both sides
// start from fresh maps each time. What the kernel itself does not repeat, on
// other threads and in maps at other addresses, cannot be compared.
#include "tools/compare_run.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <string_view>
#include <thread>
#include <utility>

#include <sched.h>
#include <unistd.h>

#include "skep/runtime.h"
#include "skep/test_run.h"

#include "loader/object_part.h"
#include "model/program_type_name.h"
#include "model/test_input.h"
#include "tools/compare_addresses.h"
#include "tools/compare_inputs.h"
#include "tools/current_task.h"
#include "tools/kernel_run.h"
#include "tools/output.h"
#include "tools/waiting_records.h"

namespace skep::tools {
namespace {

using Bytes = std::vector<std::byte>;
using Aspects = std::map<std::string, std::string>;

constexpr uint64_t kMostArrayElements = 4096;  // of each array, from the first on
constexpr uint64_t kMostElements = 1u << 16;   // of each other map
constexpr int kMoreRuns = 6;                   // in the kernel, before a difference counts
constexpr auto kSettle = std::chrono::milliseconds(60);

bool IsArray(MapType type) { return type == MapType::kArray || type == MapType::kPercpuArray; }

// Their values are ids or descriptors.
bool HoldsHandles(MapType type) {
  return type == MapType::kProgArray || type == MapType::kArrayOfMaps ||
         type == MapType::kHashOfMaps || type == MapType::kPerfEventArray ||
         type == MapType::kCgroupArray;
}

uint64_t MostElements(MapType type) { return IsArray(type) ? kMostArrayElements : kMostElements; }

bool IsZero(const Bytes& value) {
  return value.empty() || (value[0] == std::byte{0} &&
                           std::memcmp(value.data(), value.data() + 1, value.size() - 1) == 0);
}

// In hex; of values that would be megabytes of text, size and hash.
std::string ValueText(const Bytes& value) {
  constexpr size_t kMostHex = 64u << 10;
  if (value.size() <= kMostHex) return Hex(value.data(), value.size());
  const std::string_view bytes(reinterpret_cast<const char*>(value.data()), value.size());
  char hash[24];
  std::snprintf(hash, sizeof hash, "%016zx", std::hash<std::string_view>{}(bytes));
  return std::to_string(value.size()) + " bytes, hash " + hash;
}

void AddElement(const MapSpec& spec, const MapElement& element, Aspects& out) {
  if (IsArray(spec.type) && IsZero(element.value)) return;
  const std::string key = Hex(element.key.data(), element.key.size());
  out["map " + spec.name + "[" + key + "]"] =
      HoldsHandles(spec.type) ? "held" : ValueText(element.value);
}

void AddRecords(const std::string& name, const std::vector<std::string>& hex, Aspects& out) {
  std::string all;
  for (const std::string& record : hex) all += (all.empty() ? "" : " ") + record;
  if (!hex.empty()) out["records of " + name] = all;
}

void AddElements(Map& map, Aspects& out) {
  const MapSpec& spec = map.spec();
  if (spec.key_size == 0) return;
  Bytes next(spec.key_size);
  MapElement element{Bytes(spec.key_size), Bytes(map.host_value_size())};
  const std::byte* previous = nullptr;
  for (uint64_t n = 0; n < MostElements(spec.type); ++n) {
    if (map.NextKey(previous, next.data()) != 0) break;
    element.key = next;
    previous = element.key.data();
    if (map.HostLookup(previous, element.value.data()) == 0) AddElement(spec, element, out);
  }
}

// A reason without the names of the program and the place in it, so that equal
// reasons are equal.
std::string Reason(std::string message, const std::string& program) {
  for (const std::string& prefix : {program + ": ", std::string("instruction ")}) {
    if (!message.starts_with(prefix)) continue;
    const size_t end = prefix.ends_with(": ") ? prefix.size() : message.find(": ") + 2;
    if (end <= message.size()) message.erase(0, end);
  }
  return message;
}

class ProgramComparison {
 public:
  ProgramComparison(const Object& object, const Program& program, const CompareOptions& options,
                    const std::function<void(const std::string&)>& stage)
      : object_(object), program_(program), options_(options), stage_(stage) {}

  Comparison Run() {
    if (auto prepared = Prepare(); !prepared) {
      if (out_.result != CompareResult::kRefused) NotRun(prepared.error());
      return std::move(out_);
    }
    size_t compared = 0;
    for (const CompareInput& input : inputs_) {
      const auto done = Compare(input);
      if (!done) {
        NotRun(done.error());
        return std::move(out_);
      }
      if (*done) ++compared;
    }
    if (compared == 0) {
      out_.reason = "the kernel refuses every input: " + refused_input_;
    } else if (!out_.differences.empty()) {
      out_.result = CompareResult::kDiffer;
    } else {
      out_.result = stable_ ? CompareResult::kEqual : CompareResult::kUnstable;
    }
    return std::move(out_);
  }

 private:
  void NotRun(const Error& error) {
    out_.result = CompareResult::kNotRun;
    out_.reason = Reason(error.message, program_.name());
  }

  // Verdicts of both, and whether both would run it.
  Result<void> Prepare() {
    SKEP_TRY(part_, loader::ReducedTo(object_, program_.name()));
    stage_("kernel");
    SKEP_TRY(const auto cpus, KernelCpus(*part_));
    RuntimeOptions options;
    options.cpu_slots = cpus;
    SKEP_TRY(runtime_, Runtime::Create(std::move(options)));
    const Error refused{ErrorCode::kInvalidArgument, "refused"};
    const VerifierReport report =
        Verify(program_, runtime_->environment(), LoadWith(Engine::kInterp).verify).report;
    out_.verdict = report.accepted ? "accept" : "reject";
    if (!report.accepted && report.findings.front().unsupported) out_.verdict = "error";
    const Error no_test_run{ErrorCode::kUnsupported,
                            "the kernel has no test run for programs of type " +
                                std::string(ProgramTypeName(program_.type()))};
    const bool runs = model::TestInputOf(program_.type()) != model::TestInput::kNone;
    // Some kernels let nobody load programs of some types.
    if (auto asked = AskKernel(); !asked) {
      if (!runs) return no_test_run;
      return asked;
    }
    const bool here = report.accepted, there = out_.kernel_verdict == "accept";
    if (!here || !there) {
      out_.result = CompareResult::kRefused;
      if (there)
        out_.reason = "refused here alone: " + report.findings.front().message;
      else if (here)
        out_.reason = "refused by the kernel alone: " + kernel_message_;
      else
        out_.reason = "refused by both";
      return refused;
    }
    if (!runs) return no_test_run;
    stage_("prepare");
    SKEP_TRY(const auto instance, runtime_->Instantiate(*part_));
    for (const Engine engine : options_.engines) {
      SKEP_TRY(const auto loaded, instance->Load(program_, LoadWith(engine)));
      if (loaded.executable == nullptr) return refused;
      inputs_ = MakeInputs(program_.type(), loaded.executable->min_context_bytes(), options_.random,
                           options_.seed);
      break;  // engines share no prog arrays: later ones have maps of their own
    }
    return {};
  }

  Result<void> AskKernel() {
    SKEP_TRY(const auto instance, InstantiateOnKernel(*part_));
    SKEP_TRY(const auto load, instance->Load(program_, {}));
    kernel_message_ = load.verdict.message;
    if (!load.verdict.accepted && load.verdict.log.empty()) {
      out_.kernel_verdict = "error";  // the verifier was not asked
      return Error{ErrorCode::kUnsupported, "the kernel takes no such program: " + kernel_message_};
    }
    out_.kernel_verdict = load.verdict.accepted ? "accept" : "reject";
    return {};
  }

  static LoadOptions LoadWith(Engine engine) {
    LoadOptions load;
    load.engine = engine;
    load.verify.rights = Rights::kRoot;
    load.verify.mitigations = false;
    return load;
  }

  // What a run in the kernel leaves. Instances are kept, so that the next one
  // has its maps at other addresses.
  Result<Aspects> OnKernel(const CompareInput& input, bool settle) {
    stage_("kernel");
    SKEP_TRY(auto instance, InstantiateOnKernel(*part_));
    SKEP_TRY(const auto load, instance->Load(program_, {.log_level = 0}));
    if (load.program == nullptr) {
      return Error{ErrorCode::kInvalidArgument, "the kernel refuses it now"};
    }
    const bool packet = model::TestInputOf(program_.type()) == model::TestInput::kPacket;
    BackendInput given;
    (packet ? given.packet : given.context) = input.bytes;
    SKEP_TRY(const auto output, load.program->Run(given));
    if (settle) std::this_thread::sleep_for(kSettle);
    Aspects out;
    AddRun(output.value, output.data, out);
    for (const MapSpec& spec : part_->maps()) {
      SKEP_TRY(const auto elements, instance->ReadMap(spec.name, MostElements(spec.type)));
      for (const MapElement& element : elements) AddElement(spec, element, out);
      SKEP_TRY(const auto records, instance->TakeRecords(spec.name));
      std::vector<std::string> hex;
      for (const Bytes& record : records) hex.push_back(Hex(record.data(), record.size()));
      AddRecords(spec.name, hex, out);
    }
    if (!HasArena()) kept_.push_back(std::move(instance));  // an arena wants its address
    return out;
  }

  bool HasArena() const {
    return std::any_of(part_->maps().begin(), part_->maps().end(),
                       [](const MapSpec& spec) { return spec.type == MapType::kArena; });
  }

  // The same from a thread of its own: with another kernel stack and thread id, and
  // on another CPU if there is one and it is asked for.
  Result<Aspects> OnKernelThread(const CompareInput& input, bool settle, bool other_cpu = false) {
    Result<Aspects> out = Error{ErrorCode::kSystem, "no run"};
    std::thread([&] {
      if (other_cpu) MoveToOtherCpu();
      out = OnKernel(input, settle);
    }).join();
    return out;
  }

  // Of this thread.
  static void MoveToOtherCpu() {
    const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    if (cpus < 2) return;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<size_t>((sched_getcpu() + 1) % cpus), &one);
    static_cast<void>(sched_setaffinity(0, sizeof one, &one));
  }

  // On another CPU, another lane is written: that says nothing.
  void DropPerCpu(std::set<std::string>& names) const {
    for (const MapSpec& spec : part_->maps()) {
      const bool percpu = spec.type == MapType::kPercpuArray || spec.type == MapType::kPercpuHash ||
                          spec.type == MapType::kLruPercpuHash;
      const std::string prefix = "map " + spec.name + "[";
      if (percpu) std::erase_if(names, [&](const auto& name) { return name.starts_with(prefix); });
    }
  }

  Result<Aspects> Here(Engine engine, const CompareInput& input, bool settle) {
    stage_(std::string(EngineName(engine)));
    SKEP_TRY(auto instance, runtime_->Instantiate(*part_));
    SKEP_TRY(const auto loaded, instance->Load(program_, LoadWith(engine)));
    SKEP_TRY(auto context, runtime_->NewContext());
    ExecutionHooks hooks = HooksOfKernel();
    hooks.current_task = CurrentTask(program_);
    context->set_hooks(std::move(hooks));
    SKEP_TRY(auto waiting, WaitingRecords::Create(WithoutPerf(instance->maps())));
    Bytes bytes = input.bytes;
    SKEP_TRY(const RunResult run, RunOver(*loaded.executable, *context, bytes));
    Aspects out;
    if (!run.ok()) {
      if (run.trap == TrapCode::kBadCall && engine != Engine::kChecked) {
        return Error{ErrorCode::kUnsupported, context->trap_detail()};
      }
      out["retval"] = "trap: " + context->trap_detail();
      return out;
    }
    if (settle) std::this_thread::sleep_for(kSettle);
    AddRun(run.value & 0xffffffff, bytes, out);
    for (const auto& [name, map] : instance->maps()) AddElements(*map, out);
    SKEP_TRY(const auto records, waiting.Take());
    for (const auto& [name, found] : records) AddRecords(name, found.hex, out);
    return out;
  }

  // Leaves in `bytes` what a test run gives back: the packet, the context, or the
  // flow keys.
  static Result<RunResult> RunOver(const Executable& executable, ExecutionContext& context,
                                   Bytes& bytes) {
    const ProgramTypeId type = executable.program().type();
    if (type == ProgramTypeId::kNetfilter) return executable.RunPacket(context, {.data = bytes});
    if (type == ProgramTypeId::kFlowDissector) {
      FlowKeys keys;
      const RunResult run = executable.RunFlowDissector(context, bytes, keys);
      const auto* found = reinterpret_cast<const std::byte*>(&keys);
      bytes.assign(found, found + sizeof keys);
      return run;
    }
    if (model::TestInputOf(type) != model::TestInput::kPacket) {
      return executable.RunBytes(context, bytes);
    }
    TestRunInput input;
    input.data = bytes;
    SKEP_TRY(TestRunOutput output, TestRun(executable, context, input));
    bytes = std::move(output.data);
    return output.result;
  }

  // Nobody reads perf buffers in the kernel either.
  static WaitingRecords::Maps WithoutPerf(WaitingRecords::Maps maps) {
    std::erase_if(
        maps, [](const auto& entry) { return entry.second->type() == MapType::kPerfEventArray; });
    return maps;
  }

  void AddRun(uint64_t value, const Bytes& data, Aspects& out) const {
    char text[24];
    std::snprintf(text, sizeof text, "%#lx", value);
    out["retval"] = text;
    // The context of the one and the packet of the other stay as they were.
    if (program_.type() == ProgramTypeId::kRawTracepoint) return;
    if (program_.type() == ProgramTypeId::kNetfilter) return;
    const bool packet = model::TestInputOf(program_.type()) == model::TestInput::kPacket;
    out[packet ? "packet" : "context"] = Hex(data.data(), data.size());
  }

  static std::string At(const Aspects& aspects, const std::string& name) {
    const auto at = aspects.find(name);
    return at == aspects.end() ? "-" : at->second;
  }

  // Adds the names of what two runs in the kernel do not share.
  static void AddUnstable(const Aspects& first, const Aspects& second,
                          std::set<std::string>& unstable) {
    for (const auto& [name, value] : first)
      if (At(second, name) != value) unstable.insert(name);
    for (const auto& [name, value] : second)
      if (!first.contains(name)) unstable.insert(name);
  }

  static bool HoldAddresses(const std::string& name, const std::string& kernel,
                            const std::string& here) {
    if (name != "retval") return DifferInAddresses(kernel, here);
    const auto number = [](const std::string& text) {
      return static_cast<uint32_t>(std::stoull(text, nullptr, 0));
    };
    return AreUpperHalves(number(kernel), number(here));
  }

  // What holds an address on each side goes to `unstable`.
  std::vector<Difference> Differences(const CompareInput& input, Engine engine,
                                      const Aspects& kernel, const Aspects& here,
                                      std::set<std::string>& unstable) const {
    std::set<std::string> differ;
    AddUnstable(kernel, here, differ);
    // A run that was stopped left nothing to compare.
    const bool stopped = At(here, "retval").starts_with("trap");
    if (stopped) differ = {"retval"};
    std::vector<Difference> out;
    for (const std::string& name : differ) {
      if (unstable.contains(name)) continue;
      if (!stopped && HoldAddresses(name, At(kernel, name), At(here, name))) {
        unstable.insert(name);
        continue;
      }
      out.push_back(
          {input.name, std::string(EngineName(engine)), name, At(here, name), At(kernel, name)});
    }
    return out;
  }

  Result<std::vector<Difference>> RunHere(const CompareInput& input, const Aspects& kernel,
                                          std::set<std::string>& unstable, bool settle) {
    std::vector<Difference> all;
    for (const Engine engine : options_.engines) {
      SKEP_TRY(const Aspects here, Here(engine, input, settle));
      for (Difference& difference : Differences(input, engine, kernel, here, unstable))
        all.push_back(std::move(difference));
    }
    return all;
  }

  // False: the kernel does not take this input.
  Result<bool> Compare(const CompareInput& input) {
    auto first = OnKernel(input, false);
    if (!first && first.error().code == ErrorCode::kInvalidArgument) {
      refused_input_ = Reason(first.error().message, program_.name());
      return false;
    }
    if (!first) return std::move(first).error();
    std::set<std::string> unstable;
    SKEP_TRY(const Aspects second, OnKernelThread(input, false));
    AddUnstable(*first, second, unstable);
    SKEP_TRY(auto differences, RunHere(input, *first, unstable, false));
    if (!differences.empty()) {
      // What comes later or varies seldom must not count: both once more, with
      // time for what goes on behind the run's back, and the kernel often.
      SKEP_TRY(const Aspects settled, OnKernel(input, true));
      unstable.clear();
      for (int i = 0; i < kMoreRuns; ++i) {
        const bool other_cpu = i % 2 == 1;
        SKEP_TRY(const Aspects again, OnKernelThread(input, true, other_cpu));
        std::set<std::string> varies;
        AddUnstable(settled, again, varies);
        if (other_cpu) DropPerCpu(varies);
        unstable.merge(varies);
      }
      SKEP_TRY(differences, RunHere(input, settled, unstable, true));
      *first = settled;
    }
    kept_.clear();
    for (Difference& difference : differences) out_.differences.push_back(std::move(difference));
    CompareValue value{input.name, std::nullopt};
    if (!unstable.contains("retval")) value.kernel = std::stoull(first->at("retval"), nullptr, 0);
    out_.values.push_back(value);
    for (const auto& [name, bytes] : *first)
      if (name != "packet" && name != "context" && !unstable.contains(name)) stable_ = true;
    out_.unstable.merge(unstable);
    return true;
  }

  const Object& object_;
  const Program& program_;
  const CompareOptions& options_;
  const std::function<void(const std::string&)>& stage_;
  std::optional<Object> part_;
  std::unique_ptr<Runtime> runtime_;
  std::vector<CompareInput> inputs_;
  std::vector<std::unique_ptr<BackendInstance>> kept_;
  std::string kernel_message_, refused_input_;
  bool stable_ = false;
  Comparison out_;
};

}  // namespace

Comparison CompareProgram(const Object& object, const Program& program,
                          const CompareOptions& options,
                          const std::function<void(const std::string&)>& stage) {
  return ProgramComparison(object, program, options, stage).Run();
}

}  // namespace skep::tools
