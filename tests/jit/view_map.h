// SPDX-License-Identifier: Apache-2.0
// A map that is nothing but its direct view.

#ifndef SKEP_TESTS_JIT_VIEW_MAP_H_
#define SKEP_TESTS_JIT_VIEW_MAP_H_

#include <memory>

#include "skep/map.h"

namespace skep::jit {

std::shared_ptr<Map> MakeViewMap(MapType type, DirectView view);

}  // namespace skep::jit

#endif  // SKEP_TESTS_JIT_VIEW_MAP_H_
