// SPDX-License-Identifier: Apache-2.0
// The text of `skep gen skeleton`: a C++ header for one object, over skep's public
// API, with the object's bytes in it.
//
// Threads: a pure function.

#ifndef SKEP_TOOLS_SKELETON_H_
#define SKEP_TOOLS_SKELETON_H_

#include <cstddef>
#include <span>
#include <string>

#include "skep/program.h"

namespace skep::tools {

// `name` is the class's, an identifier; `bytes` are those that `object` was parsed
// from, under the name that the skeleton will parse them by.
std::string SkeletonText(const Object& object, const std::string& name,
                         std::span<const std::byte> bytes);

}  // namespace skep::tools

#endif  // SKEP_TOOLS_SKELETON_H_
