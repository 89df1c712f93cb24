// SPDX-License-Identifier: Apache-2.0
// skep inspect --btf: the types of an object or of a file of BTF, as C or raw.

#ifndef SKEP_TOOLS_BTF_SOURCE_H_
#define SKEP_TOOLS_BTF_SOURCE_H_

#include <cstddef>
#include <span>
#include <string>

#include "skep/result.h"

namespace skep::tools {

struct BtfDumpOptions {
  std::string path;
  std::string type;  // empty: all
  std::string base;  // file of what a split BTF continues
  bool raw = false;  // "format raw" instead of C
};

// Whether the bytes are BTF by themselves, as in /sys/kernel/btf.
bool IsBtf(std::span<const std::byte> bytes);

// The text. Fails if there is no BTF, no such type, or if C cannot say it.
Result<std::string> BtfText(const BtfDumpOptions& options);

}  // namespace skep::tools

#endif  // SKEP_TOOLS_BTF_SOURCE_H_
