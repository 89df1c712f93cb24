// SPDX-License-Identifier: Apache-2.0
#include "tools/kernel_run.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <span>
#include <string>
#include <utility>

#include "loader/object_part.h"
#include "tools/map_dump.h"
#ifdef SKEP_HAVE_KERNEL
#include "kernel/bpf_syscall.h"
#include "kernel/kernel_backend.h"
#endif

namespace skep::tools {
namespace {

// What the kernel cannot be told.
Result<void> CheckOptions(const RunOptions& options) {
  const char* flag = options.threads != 1       ? "--threads"
                     : options.has_seed         ? "--seed"
                     : options.budget != 0      ? "--budget"
                     : options.unprivileged     ? "--unprivileged"
                     : options.clock == "fixed" ? "--clock fixed"
                                                : nullptr;
  if (flag == nullptr) return {};
  return Error{ErrorCode::kInvalidArgument,
               std::string(flag) + " does not reach the kernel engine"};
}

// As the engines do, zeroes for a context that was not given.
Bytes Context(const Bytes& given, ProgramTypeId type) {
  constexpr size_t kRawTracepoint = 12 * sizeof(uint64_t), kOther = 4096;
  if (!given.empty()) return given;
  return Bytes(type == ProgramTypeId::kRawTracepoint ? kRawTracepoint : kOther);
}

void Reject(const BackendVerdict& verdict, EngineRun& run) {
  Finding finding;
  finding.sys_errno = verdict.sys_errno;
  finding.message = verdict.message;
  run.report.findings.push_back(std::move(finding));
  run.report.log = verdict.log;
}

Result<std::unique_ptr<Backend>> OpenKernel(const Object& object) {
#ifdef SKEP_HAVE_KERNEL
  static_cast<void>(object);
  return kernel::CreateKernelBackend();
#else
  return Error{ErrorCode::kUnsupported, object.name() + ": this build has no kernel backend"};
#endif
}

}  // namespace

Result<std::unique_ptr<BackendInstance>> InstantiateOnKernel(const Object& object) {
  SKEP_TRY(const auto kernel, OpenKernel(object));
  return kernel->Instantiate(object);
}

ExecutionHooks HooksOfKernel() {
  ExecutionHooks hooks;
#ifdef SKEP_HAVE_KERNEL
  hooks.sys_bpf = [](uint32_t number, std::span<const std::byte> attributes) {
    using kernel::Command;
    constexpr Command kAllowed[] = {
        Command::kMapCreate,     Command::kMapLookupElem, Command::kMapUpdateElem,
        Command::kMapDeleteElem, Command::kMapFreeze,     Command::kProgLoad,
        Command::kBtfLoad,       Command::kLinkCreate,    Command::kRawTracepointOpen};
    const auto command = static_cast<Command>(number);
    if (std::find(std::begin(kAllowed), std::end(kAllowed), command) == std::end(kAllowed)) {
      return -EINVAL;
    }
    Bytes copy(attributes.begin(), attributes.end());
    return kernel::Bpf(command, copy.data(), static_cast<uint32_t>(copy.size()));
  };
#endif
  return hooks;
}

std::string WhyNoKernel() {
#ifdef SKEP_HAVE_KERNEL
  return kernel::WhyUnavailable();
#else
  return "this build has no kernel backend";
#endif
}

Result<uint32_t> KernelCpus(const Object& object) {
  SKEP_TRY(const auto kernel, OpenKernel(object));
  return kernel->cpu_slots();
}

Result<EngineRun> RunOnKernel(const RunOptions& options, const Input& input, const Program& program,
                              const Workload& work) {
  SKEP_TRY_VOID(CheckOptions(options));
  constexpr uint64_t kMaxRepeat = 1u << 30;
  if (options.repeat > kMaxRepeat) {
    return Error{ErrorCode::kInvalidArgument, "--repeat " + std::to_string(options.repeat) +
                                                  ", the kernel takes at most " +
                                                  std::to_string(kMaxRepeat)};
  }
  EngineRun run;
  run.engine = "kernel";
  SKEP_TRY(auto instance, InstantiateOnKernel(input.object));
  SKEP_TRY(auto load, instance->Load(program, {}));
  if (load.program == nullptr) {
    Reject(load.verdict, run);
    return run;
  }
  run.report.accepted = true;
  double ns = 0;
  for (const Bytes& bytes : work.inputs) {
    BackendInput one;
    one.repeat = static_cast<uint32_t>(options.repeat);
    const Bytes context = work.packets ? Bytes() : Context(bytes, program.type());
    if (work.packets) {
      one.packet = bytes;
    } else {
      one.context = context;
    }
    SKEP_TRY(const auto output, load.program->Run(one));
    run.last.value = output.value;
    run.retvals[output.value] += options.repeat;
    ns += static_cast<double>(output.ns_per_run);
    if (work.packets && work.inputs.size() == 1) run.packet = output.data;
  }
  run.ns_per_run = ns / static_cast<double>(work.inputs.size());
  if (!options.show_maps) return run;
  run.maps = Json::object();
  for (const MapSpec& spec : input.object.maps()) {
    SKEP_TRY(const auto elements, instance->ReadMap(spec.name));
    run.maps[spec.name] = DumpElements(spec, elements, input.object.btf().get());
    run.maps_text += PrintMap(spec, run.maps[spec.name]);
  }
  return run;
}

KernelJudge::KernelJudge(std::unique_ptr<BackendInstance> instance, uint32_t cpu_slots)
    : instance_(std::move(instance)), cpu_slots_(cpu_slots) {}

Result<KernelJudge> KernelJudge::Create(const Object& object) {
  SKEP_TRY(const auto kernel, OpenKernel(object));
  SKEP_TRY(auto instance, kernel->Instantiate(loader::WithLeastSizes(object)));
  SKEP_TRY(const uint32_t cpus, kernel->cpu_slots());
  return KernelJudge(std::move(instance), cpus);
}

Result<BackendVerdict> KernelJudge::Judge(const Program& program, BackendLoadOptions options) {
  options.verdict_only = true;
  SKEP_TRY(auto load, instance_->Load(program, options));
  return std::move(load.verdict);
}

}  // namespace skep::tools
