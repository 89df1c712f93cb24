// SPDX-License-Identifier: Apache-2.0
// The subcommands of `skep`, one file each. Each Add function adds its
// subcommand to `app`; running it sets `status` to the exit status: 0 done,
// accepted, all passed; 1 rejected, trapped or failed; 2 bad usage or
// unreadable input.

#ifndef SKEP_TOOLS_COMMAND_H_
#define SKEP_TOOLS_COMMAND_H_

#include <CLI/CLI.hpp>

namespace skep::tools {

inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kBadInput = 2;

void AddRun(CLI::App& app, int& status);
void AddVerify(CLI::App& app, int& status);
void AddTest(CLI::App& app, int& status);
void AddAsm(CLI::App& app, int& status);
void AddLink(CLI::App& app, int& status);
void AddGen(CLI::App& app, int& status);
void AddDisasm(CLI::App& app, int& status);
void AddInspect(CLI::App& app, int& status);
void AddJit(CLI::App& app, int& status);
void AddAudit(CLI::App& app, int& status);
void AddCompare(CLI::App& app, int& status);
void AddMap(CLI::App& app, int& status);
void AddBench(CLI::App& app, int& status);

}  // namespace skep::tools

#endif  // SKEP_TOOLS_COMMAND_H_
