// SPDX-License-Identifier: Apache-2.0
// Programs after lowering, for `disasm --lowered` and `jit`.

#ifndef SKEP_TOOLS_LOWERED_H_
#define SKEP_TOOLS_LOWERED_H_

#include <memory>
#include <string>

#include "skep/runtime.h"

#include "model/exec_program.h"
#include "tools/input.h"

namespace skep::tools {

// A loaded program with what it needs to stay alive, in the order of making.
struct LoweredProgram {
  std::unique_ptr<Runtime> runtime;
  std::shared_ptr<Instance> instance;
  VerifierReport report;
  std::shared_ptr<Executable> executable;  // null if rejected
};

// Verifies by root's rules and prepares for `engine`.
Result<LoweredProgram> LoadLowered(const Input& input, const Program& program, Engine engine);

// One line for each instruction: its index, and itself.
std::string DisassembleLowered(const model::ExecProgram& exec);
// The instruction at `index` alone.
std::string DisassembleLowered(const model::ExecProgram& exec, size_t index);

}  // namespace skep::tools

#endif  // SKEP_TOOLS_LOWERED_H_
