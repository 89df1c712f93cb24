// SPDX-License-Identifier: Apache-2.0
// What typed views of maps (skep/typed_maps.h) know of keys and values.

#ifndef SKEP_TYPED_VALUES_H_
#define SKEP_TYPED_VALUES_H_

#include <cstddef>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <type_traits>
#include <vector>

#include "skep/export.h"
#include "skep/map.h"
#include "skep/result.h"

namespace skep::typed {

template <class T>
concept Plain = std::is_trivially_copyable_v<T> && std::is_default_constructible_v<T>;

// What Open checks. `key_size` 0: the type has no keys.
SKEP_EXPORT Result<void> CheckMap(const std::shared_ptr<Map>& map,
                                  std::initializer_list<MapType> types, size_t key_size,
                                  size_t value_size);

// How values travel: one, or one for each CPU slot.
template <Plain V>
struct OneValue {
  using Value = V;
  static constexpr size_t kSize = sizeof(V);
  static constexpr bool kPerCpu = false;
  static Value Read(const std::byte* from, size_t) {
    Value value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  static void Write(const Value& value, std::vector<std::byte>& to) {
    std::memcpy(to.data(), &value, sizeof value);
  }
};
template <Plain V>
struct ValuePerCpu {
  using Value = std::vector<V>;  // by CPU slot; missing ones are written as zeroes
  static constexpr size_t kSize = sizeof(V);
  static constexpr bool kPerCpu = true;
  static constexpr size_t kStride = (sizeof(V) + 7) / 8 * 8;
  static Value Read(const std::byte* from, size_t bytes) {
    Value values(bytes / kStride);
    for (size_t i = 0; i < values.size(); ++i) {
      std::memcpy(&values[i], from + i * kStride, sizeof(V));
    }
    return values;
  }
  static void Write(const Value& values, std::vector<std::byte>& to) {
    for (size_t i = 0; i < values.size() && i < to.size() / kStride; ++i) {
      std::memcpy(to.data() + i * kStride, &values[i], sizeof(V));
    }
  }
};

}  // namespace skep::typed

#endif  // SKEP_TYPED_VALUES_H_
