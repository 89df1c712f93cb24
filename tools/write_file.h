// SPDX-License-Identifier: Apache-2.0
// WriteFile: bytes to a file, all or nothing.

#ifndef SKEP_TOOLS_WRITE_FILE_H_
#define SKEP_TOOLS_WRITE_FILE_H_

#include <cstddef>
#include <span>
#include <string>

#include "skep/result.h"

namespace skep::tools {

// Written to a new file first, so that a failure leaves no half object. Fails
// with kSystem.
Result<void> WriteFile(const std::string& path, std::span<const std::byte> bytes);

}  // namespace skep::tools

#endif  // SKEP_TOOLS_WRITE_FILE_H_
