// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <string>

#include <fmt/format.h>

#include "skep/typed_values.h"

#include "model/map_type_info.h"

namespace skep::typed {

Result<void> CheckMap(const std::shared_ptr<Map>& map, std::initializer_list<MapType> types,
                      size_t key_size, size_t value_size) {
  const auto invalid = [](std::string text) {
    return Error{ErrorCode::kInvalidArgument, std::move(text), EINVAL};
  };
  if (map == nullptr) return invalid("view of a map: there is no map");
  const MapSpec& spec = map->spec();
  if (std::find(types.begin(), types.end(), spec.type) == types.end()) {
    std::string wanted;
    for (const MapType type : types) {
      wanted += fmt::format("{}{}", wanted.empty() ? "" : " or ", model::FindMapType(type)->name);
    }
    return invalid(fmt::format("map '{}' is of type {}, the view is for {}", spec.name,
                               model::FindMapType(spec.type)->name, wanted));
  }
  if (spec.key_size != key_size || spec.value_size != value_size) {
    return invalid(fmt::format("map '{}' has keys of {} and values of {} bytes, the view {} and {}",
                               spec.name, spec.key_size, spec.value_size, key_size, value_size));
  }
  return {};
}

}  // namespace skep::typed
