// SPDX-License-Identifier: Apache-2.0
// The map types as a page of documentation, made from model/map_types.def so
// that it cannot go stale. docs/maps.md is this text; tests/maps/map_doc_test.cc
// compares them.

#ifndef SKEP_MAPS_MAP_DOC_H_
#define SKEP_MAPS_MAP_DOC_H_

#include <string>

namespace skep {

std::string MapsMarkdown();

}  // namespace skep

#endif  // SKEP_MAPS_MAP_DOC_H_
