// SPDX-License-Identifier: Apache-2.0
// The elements of a map as the tool shows them.

#ifndef SKEP_TOOLS_MAP_DUMP_H_
#define SKEP_TOOLS_MAP_DUMP_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "skep/backend.h"
#include "skep/map.h"

#include "btf/btf.h"
#include "tools/output.h"
#include "tools/waiting_records.h"

namespace skep::tools {

// [{"key", "value"}], in hex; a per-CPU value is a list with one entry a CPU
// slot, without the trailing slots that are all zero (at least one entry).
// Of maps that cannot be listed there are none. Where `types`, which may be null,
// say what key and value are, there is "formatted": {"key", "value"} too.
Json DumpMap(Map& map, const btf::Btf* types);
// With the types of keys and values that `shown` names.
Json DumpMap(Map& map, const MapSpec& shown, const btf::Btf* types);
Json DumpMaps(const std::map<std::string, std::shared_ptr<Map>>& maps, const btf::Btf* types);

// The same of elements that came from a backend.
Json DumpElements(const MapSpec& spec, const std::vector<MapElement>& elements,
                  const btf::Btf* types);
std::string PrintMap(const MapSpec& spec, const Json& elements);

// {NAME: [hex, ...]}
Json RecordsJson(const std::map<std::string, Records>& records);

// The same as text, of what DumpMaps returned: "name (type): n elements" and a line
// for each; elements of arrays that are all zero are only counted. Maps with a row
// in `records` show those.
std::string PrintMaps(const std::map<std::string, std::shared_ptr<Map>>& maps, const Json& dumps,
                      const std::map<std::string, Records>& records);

}  // namespace skep::tools

#endif  // SKEP_TOOLS_MAP_DUMP_H_
