// SPDX-License-Identifier: Apache-2.0
#include "tests/jit/view_map.h"

#include <utility>

namespace skep::jit {
namespace {

class ViewMap final : public Map {
 public:
  ViewMap(MapType type, DirectView view) : Map(SpecOf(type), 1, 8), view_(view) {}
  DirectView direct_view() const noexcept override { return view_; }

 private:
  static MapSpec SpecOf(MapType type) {
    MapSpec spec;
    spec.name = "view";
    spec.type = type;
    spec.key_size = 4;
    return spec;
  }
  const DirectView view_;
};

}  // namespace

std::shared_ptr<Map> MakeViewMap(MapType type, DirectView view) {
  return std::make_shared<ViewMap>(type, view);
}

}  // namespace skep::jit
