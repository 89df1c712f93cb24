// SPDX-License-Identifier: Apache-2.0
// What objects are linked against: the kernel's types, configuration and symbols,
// of files that the command line names or of the running kernel.

#ifndef SKEP_TOOLS_TARGET_H_
#define SKEP_TOOLS_TARGET_H_

#include <memory>
#include <string>

#include "skep/btf.h"
#include "skep/program.h"
#include "skep/result.h"

namespace CLI {
class App;
}

namespace skep::tools {

struct TargetOptions {
  std::string btf;      // empty: the running kernel's, if it has any
  std::string kconfig;  // empty: the running kernel's, if it can be read
};

// Adds --btf, or what `btf_option` names it, and --kconfig to a subcommand.
void AddTargetOptions(CLI::App* command, TargetOptions& options, const char* btf_option = "--btf");

// All but the BTF. Fails if a file that was named cannot be read or makes no
// sense; what was not named and is not there is left out.
Result<ObjectOptions> ReadTarget(const TargetOptions& options);

// The BTF; null if none was named and the running kernel has none to show.
Result<std::shared_ptr<const btf::Btf>> ReadTargetBtf(const TargetOptions& options);

// Whether the verdict on a program depends on the kernel's types by what it
// attaches to or calls. (What an object as a whole refers to,
// Object::needs_target_btf says.)
bool NeedsTargetBtf(const ProgramData& program);

}  // namespace skep::tools

#endif  // SKEP_TOOLS_TARGET_H_
