// SPDX-License-Identifier: Apache-2.0
// NeedsTargetBtf: whether an object says anything about the kernel's own types.

#ifndef SKEP_LOADER_TARGET_NEED_H_
#define SKEP_LOADER_TARGET_NEED_H_

#include "loader/link.h"

namespace skep::loader {

bool NeedsTargetBtf(const ObjectFile& object);

}  // namespace skep::loader

#endif  // SKEP_LOADER_TARGET_NEED_H_
