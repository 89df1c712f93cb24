// SPDX-License-Identifier: Apache-2.0
// The real kernel as engine and as verifier of the tool. In builds without the
// kernel backend all of it fails with kUnsupported.

#ifndef SKEP_TOOLS_KERNEL_RUN_H_
#define SKEP_TOOLS_KERNEL_RUN_H_

#include <cstdint>
#include <memory>
#include <string>

#include "skep/backend.h"
#include "skep/execution_hooks.h"
#include "skep/program.h"
#include "skep/result.h"

#include "tools/engine_run.h"
#include "tools/input.h"
#include "tools/run_options.h"

namespace skep::tools {

// The object's maps in the kernel.
Result<std::unique_ptr<BackendInstance>> InstantiateOnKernel(const Object& object);

// Why the kernel cannot be asked, in one sentence; empty if it can.
std::string WhyNoKernel();

// How many CPUs programs may see there.
Result<uint32_t> KernelCpus(const Object& object);

// What a host of syscall programs grants that lets them call bpf(2) as Linux does:
// the commands that Linux allows them, and no others.
ExecutionHooks HooksOfKernel();

// A rejected program is a run whose report has the kernel's reason.
Result<EngineRun> RunOnKernel(const RunOptions& options, const Input& input, const Program& program,
                              const Workload& work);

// The kernel's verdicts on the programs of one object.
class KernelJudge {
 public:
  // Creates the object's maps in the kernel.
  static Result<KernelJudge> Create(const Object& object);
  // The CPUs that programs may see there.
  uint32_t cpu_slots() const { return cpu_slots_; }
  Result<BackendVerdict> Judge(const Program& program, BackendLoadOptions options);

 private:
  KernelJudge(std::unique_ptr<BackendInstance> instance, uint32_t cpu_slots);
  std::unique_ptr<BackendInstance> instance_;
  uint32_t cpu_slots_;
};

}  // namespace skep::tools

#endif  // SKEP_TOOLS_KERNEL_RUN_H_
