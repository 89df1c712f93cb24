// SPDX-License-Identifier: Apache-2.0
#include "maps/create.h"

#include <cerrno>

#include <fmt/format.h>

#include "base/check.h"
#include "maps/array_map.h"
#include "maps/hash_map.h"
#include "model/map_type_info.h"

namespace skep {

Result<std::shared_ptr<Map>> CreateMap(const MapSpec& spec, const MapEnvironment& environment) {
  SKEP_CHECK(environment.cpu_slots != 0 && environment.epochs != nullptr);
  SKEP_TRY_VOID(CheckMapSpec(spec));
  switch (spec.type) {
    case MapType::kHash:
      return CreateHashMap(spec, environment);
    case MapType::kPercpuHash:
      return CreatePercpuHashMap(spec, environment);
    case MapType::kArray:
    case MapType::kPercpuArray:
      return ArrayMap::Create(spec, environment);
    default:
      break;  // refused by name below
  }
  return Error{ErrorCode::kUnsupported,
               fmt::format("map '{}': map type {} is not supported by this build", spec.name,
                           model::FindMapType(spec.type)->name),
               EOPNOTSUPP};
}

}  // namespace skep
