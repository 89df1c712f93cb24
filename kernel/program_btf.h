// SPDX-License-Identifier: Apache-2.0
// The BTF of one program as the kernel takes it: types of its object, and the
// tables that tie functions and lines to instructions.

#ifndef SKEP_KERNEL_PROGRAM_BTF_H_
#define SKEP_KERNEL_PROGRAM_BTF_H_

#include <vector>

#include "skep/program.h"

#include "kernel/bpf_syscall.h"

namespace skep::kernel {

struct ProgramBtf {
  Fd fd;                            // invalid if the program has no BTF, or the kernel refuses it
  std::vector<FuncInfo> functions;  // empty, or one a subprogram
  std::vector<LineInfo> lines;      // empty unless each subprogram's first instruction has a line
  // Why the kernel refused it; the program may still load without.
  std::string refused;
};

// `map_types`: what the program's maps were created with; may be invalid. Where
// the maps own objects of the program's types, the program must have the same BTF
// as they, and then it has no lines.
ProgramBtf LoadProgramBtf(const Program& program, const Fd& map_types);

// The object's types alone, for maps. Invalid if there are none or the kernel
// refuses them.
Fd LoadBtf(const btf::Btf* btf);

}  // namespace skep::kernel

#endif  // SKEP_KERNEL_PROGRAM_BTF_H_
