// SPDX-License-Identifier: Apache-2.0
// ReadFile: the bytes of an object or of BTF.

#ifndef SKEP_LOADER_READ_FILE_H_
#define SKEP_LOADER_READ_FILE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "skep/result.h"

namespace skep::loader {

// Fails with kSystem if `path` is no regular file that can be read, and with
// kResourceLimit beyond 1 GiB.
Result<std::vector<std::byte>> ReadFile(const std::string& path);

}  // namespace skep::loader

#endif  // SKEP_LOADER_READ_FILE_H_
