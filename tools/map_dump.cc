// SPDX-License-Identifier: Apache-2.0
#include "tools/map_dump.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "model/map_type_info.h"
#include "tools/typed_value.h"

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

// Of a per-CPU value: the distance of two slots, and how many of them are shown.
size_t Stride(const MapSpec& spec) { return (size_t{spec.value_size} + 7) / 8 * 8; }
size_t Lanes(const MapSpec& spec, const std::vector<std::byte>& value) {
  size_t lanes = value.size() / Stride(spec);
  while (lanes > 1 && IsZero(value.data() + (lanes - 1) * Stride(spec), spec.value_size)) --lanes;
  return lanes;
}

Json ValueJson(const MapSpec& spec, const std::vector<std::byte>& value) {
  const uint32_t size = spec.value_size;
  if (!IsPercpu(spec.type)) return Hex(value.data(), size);
  const size_t lanes = Lanes(spec, value);
  Json list = Json::array();
  for (size_t i = 0; i < lanes; ++i) list.push_back(Hex(value.data() + i * Stride(spec), size));
  return list;
}

// "formatted" of an element; null if the types do not say enough.
Json Formatted(const MapSpec& spec, const btf::Btf* types, const std::vector<std::byte>& key,
               const std::vector<std::byte>& value) {
  const auto known = [&](uint32_t id) { return id != 0 && id < types->type_count(); };
  if (types == nullptr || !known(spec.btf_value_type_id)) return nullptr;
  Json out = {{"key", nullptr}, {"value", nullptr}};
  uint32_t index = 0;
  if (known(spec.btf_key_type_id)) {
    out["key"] = TypedValue(*types, spec.btf_key_type_id, key);
  } else if (IsArray(spec.type) && key.size() == sizeof(index)) {
    std::memcpy(&index, key.data(), sizeof(index));
    out["key"] = index;
  }
  const auto show = [&](const std::byte* at) {
    return TypedValue(*types, spec.btf_value_type_id, {at, spec.value_size});
  };
  if (IsPercpu(spec.type)) {
    const size_t lanes = Lanes(spec, value);
    out["value"] = Json::array();
    for (size_t i = 0; i < lanes; ++i)
      out["value"].push_back(show(value.data() + i * Stride(spec)));
  } else {
    out["value"] = show(value.data());
  }
  return out["key"].is_null() || out["value"].is_null() ? Json(nullptr) : out;
}

Json ElementJson(const MapSpec& spec, const btf::Btf* types, const std::vector<std::byte>& key,
                 const std::vector<std::byte>& value) {
  Json element = {{"key", Hex(key.data(), key.size())}, {"value", ValueJson(spec, value)}};
  Json formatted = Formatted(spec, types, key, value);
  if (!formatted.is_null()) element["formatted"] = std::move(formatted);
  return element;
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
    const bool typed = element.contains("formatted");
    const Json& shown = typed ? element["formatted"] : element;
    const auto text = [&](const Json& part) {
      return part.is_string() && !typed ? part.get<std::string>()
                                        : part.dump(-1, ' ', false, Json::error_handler_t::replace);
    };
    out += "  " + text(shown["key"]) + ": " + text(shown["value"]) + "\n";
  }
  return out;
}

}  // namespace

Json DumpMap(Map& map, const btf::Btf* types) { return DumpMap(map, map.spec(), types); }

Json DumpMap(Map& map, const MapSpec& spec, const btf::Btf* types) {
  Json out = Json::array();
  std::vector<std::byte> key(spec.key_size), next(spec.key_size), value(map.host_value_size());
  const std::byte* previous = nullptr;
  // A program may run beside the dump: the number of entries bounds it.
  for (uint64_t n = 0; n <= spec.max_entries; ++n) {
    if (spec.key_size == 0 || map.NextKey(previous, next.data()) != 0) break;
    key.swap(next);
    previous = key.data();
    if (map.HostLookup(key.data(), value.data(), 0) != 0) continue;
    out.push_back(ElementJson(spec, types, key, value));
  }
  return out;
}

Json DumpElements(const MapSpec& spec, const std::vector<MapElement>& elements,
                  const btf::Btf* types) {
  Json out = Json::array();
  for (const MapElement& element : elements) {
    out.push_back(ElementJson(spec, types, element.key, element.value));
  }
  return out;
}

Json DumpMaps(const std::map<std::string, std::shared_ptr<Map>>& maps, const btf::Btf* types) {
  Json out = Json::object();
  for (const auto& [name, map] : maps) out[name] = DumpMap(*map, types);
  return out;
}

Json RecordsJson(const std::map<std::string, Records>& records) {
  Json out = Json::object();
  for (const auto& [name, found] : records) out[name] = found.hex;
  return out;
}

std::string PrintMaps(const std::map<std::string, std::shared_ptr<Map>>& maps, const Json& dumps,
                      const std::map<std::string, Records>& records) {
  std::string out;
  for (const auto& [name, map] : maps) {
    out += MapHead(map->spec());
    if (const auto found = records.find(name); found != records.end()) {
      out += PrintRecords(found->second);
      continue;
    }
    out += PrintElements(map->type(), dumps[name]);
  }
  return out;
}

std::string PrintMap(const MapSpec& spec, const Json& elements) {
  return MapHead(spec) + PrintElements(spec.type, elements);
}

}  // namespace skep::tools
