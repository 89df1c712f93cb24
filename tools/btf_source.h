// SPDX-License-Identifier: Apache-2.0
// Types as text: `skep inspect FILE --btf`, and with `--raw`.
//
// Threads: a pure function, but for the files.

#ifndef SKEP_TOOLS_BTF_SOURCE_H_
#define SKEP_TOOLS_BTF_SOURCE_H_

#include <string>

#include "skep/result.h"

namespace skep::tools {

struct BtfDumpOptions {
  std::string path;  // BTF, or an object with a section .BTF
  std::string type;  // empty: all types
  std::string base;  // BTF that this one continues; empty: the kernel's for its modules
  bool raw = false;  // a line for each type, not C
};

// All types as a header like vmlinux.h, or one with what it needs. Fails as OpenBtf
// and btf::DumpC do, and with kUnresolved if there is no such type.
Result<std::string> BtfText(const BtfDumpOptions& options);

}  // namespace skep::tools

#endif  // SKEP_TOOLS_BTF_SOURCE_H_
