// SPDX-License-Identifier: Apache-2.0
#include "tools/map_dump.h"

#include <algorithm>
#include <vector>

#include "model/map_type_info.h"

namespace skep::tools {
namespace {

bool IsZero(const std::byte* data, size_t size) {
  return std::all_of(data, data + size, [](std::byte b) { return b == std::byte{0}; });
}

bool IsArray(MapType type) { return type == MapType::kArray || type == MapType::kPercpuArray; }

bool IsPercpu(MapType type) {
  return type == MapType::kPercpuArray || type == MapType::kPercpuHash ||
         type == MapType::kLruPercpuHash || type == MapType::kPercpuCgroupStorage;
}

std::string Count(uint64_t n, const std::string& noun) {
  return std::to_string(n) + " " + noun + (n == 1 ? "" : "s");
}

std::string PrintRecords(const Records& records) {
  std::string out = Count(records.hex.size(), "record");
  if (records.lost != 0) out += ", " + std::to_string(records.lost) + " lost";
  out += "\n";
  for (const std::string& hex : records.hex) out += "  " + hex + "\n";
  return out;
}

// "0000", or a list of such.
bool ShowsZero(const Json& value) {
  if (value.is_array()) return std::all_of(value.begin(), value.end(), ShowsZero);
  return value.get_ref<const std::string&>().find_first_not_of('0') == std::string::npos;
}

Json ValueJson(const MapSpec& spec, const std::vector<std::byte>& value) {
  const uint32_t size = spec.value_size;
  if (!IsPercpu(spec.type)) return Hex(value.data(), size);
  const size_t stride = (size_t{size} + 7) / 8 * 8;
  size_t lanes = value.size() / stride;
  while (lanes > 1 && IsZero(value.data() + (lanes - 1) * stride, size)) --lanes;
  Json list = Json::array();
  for (size_t i = 0; i < lanes; ++i) list.push_back(Hex(value.data() + i * stride, size));
  return list;
}

std::string MapHead(const MapSpec& spec) {
  const model::MapTypeInfo* type = model::FindMapType(spec.type);
  return Bold(spec.name) + " (" + std::string(type == nullptr ? "unknown" : type->name) + "): ";
}

std::string PrintElements(MapType type, const Json& elements) {
  std::string out = Count(elements.size(), "element") + "\n";
  for (const Json& element : elements) {
    const Json& value = element["value"];
    if (IsArray(type) && ShowsZero(value)) continue;
    out += "  " + element["key"].get<std::string>() + ": " +
           (value.is_string() ? value.get<std::string>() : value.dump()) + "\n";
  }
  return out;
}

}  // namespace

Json DumpMap(Map& map) {
  Json out = Json::array();
  const MapSpec& spec = map.spec();
  std::vector<std::byte> key(spec.key_size), next(spec.key_size), value(map.host_value_size());
  const std::byte* previous = nullptr;
  // A program may run beside the dump: the number of entries bounds it.
  for (uint64_t n = 0; n <= spec.max_entries; ++n) {
    if (spec.key_size == 0 || map.NextKey(previous, next.data()) != 0) break;
    key.swap(next);
    previous = key.data();
    if (map.HostLookup(key.data(), value.data(), 0) != 0) continue;
    out.push_back({{"key", Hex(key.data(), key.size())}, {"value", ValueJson(spec, value)}});
  }
  return out;
}

Json DumpElements(const MapSpec& spec, const std::vector<MapElement>& elements) {
  Json out = Json::array();
  for (const MapElement& element : elements) {
    out.push_back({{"key", Hex(element.key.data(), element.key.size())},
                   {"value", ValueJson(spec, element.value)}});
  }
  return out;
}

Json DumpMaps(const std::map<std::string, std::shared_ptr<Map>>& maps) {
  Json out = Json::object();
  for (const auto& [name, map] : maps) out[name] = DumpMap(*map);
  return out;
}

Json RecordsJson(const std::map<std::string, Records>& records) {
  Json out = Json::object();
  for (const auto& [name, found] : records) out[name] = found.hex;
  return out;
}

std::string PrintMaps(const std::map<std::string, std::shared_ptr<Map>>& maps,
                      const std::map<std::string, Records>& records) {
  std::string out;
  for (const auto& [name, map] : maps) {
    out += MapHead(map->spec());
    if (const auto found = records.find(name); found != records.end()) {
      out += PrintRecords(found->second);
      continue;
    }
    out += PrintElements(map->type(), DumpMap(*map));
  }
  return out;
}

std::string PrintMap(const MapSpec& spec, const Json& elements) {
  return MapHead(spec) + PrintElements(spec.type, elements);
}

}  // namespace skep::tools
