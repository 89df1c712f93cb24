// SPDX-License-Identifier: Apache-2.0
#include "tools/bench_setup.h"

#include <charconv>
#include <initializer_list>
#include <limits>
#include <random>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

namespace skep::tools {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxCount = uint64_t{1} << 32;

// Walks the document; `where_` is what messages name.
class Reader {
 public:
  explicit Reader(std::string where) : where_(std::move(where)) {}

  Result<BenchSetup> Read(const json& root) const {
    SKEP_TRY_VOID(Fields(root, {"about", "maps", "empty", "baseline", "ops_per_run", "programs",
                                "leave_out", "groups"}));
    BenchSetup out;
    SKEP_TRY(out.empty, Text(root, "empty"));
    SKEP_TRY(out.baseline, Text(root, "baseline"));
    SKEP_TRY(out.ops_per_run, Number(root, "ops_per_run", 0));
    if (root.contains("maps")) {
      SKEP_TRY_VOID(In("maps").Object(root["maps"]));
      for (const auto& [name, map] : root["maps"].items()) {
        SKEP_TRY(out.maps[name], In("maps." + name).ReadMap(map));
      }
    }
    if (root.contains("programs")) {
      SKEP_TRY_VOID(In("programs").Object(root["programs"]));
      for (const auto& [name, program] : root["programs"].items()) {
        const Reader in = In("programs." + name);
        SKEP_TRY_VOID(in.Fields(program, {"ops_per_run", "baseline"}));
        BenchSetup::Program& own = out.programs[name];
        SKEP_TRY(own.ops_per_run, in.Number(program, "ops_per_run", 0));
        SKEP_TRY(own.baseline, in.Text(program, "baseline"));
      }
    }
    if (root.contains("leave_out")) {
      SKEP_TRY(out.leave_out, In("leave_out").Names(root["leave_out"]));
    }
    if (root.contains("groups")) {
      SKEP_TRY_VOID(In("groups").Object(root["groups"]));
      for (const auto& [name, group] : root["groups"].items()) {
        SKEP_TRY(out.groups[name], In("groups." + name).Names(group));
      }
    }
    return out;
  }

 private:
  Reader In(const std::string& part) const { return Reader(where_ + ": " + part); }
  Error Bad(const std::string& what) const {
    return Error{ErrorCode::kInvalidArgument, where_ + ": " + what};
  }

  Result<void> Object(const json& value) const {
    if (!value.is_object()) return Bad("not an object");
    return {};
  }

  Result<void> Fields(const json& value, std::initializer_list<std::string_view> known) const {
    SKEP_TRY_VOID(Object(value));
    for (const auto& [name, ignored] : value.items()) {
      bool found = false;
      for (const std::string_view one : known) found = found || one == name;
      if (!found) return Bad("unknown field '" + name + "'");
    }
    return {};
  }

  Result<std::string> Text(const json& value, const char* name) const {
    if (!value.contains(name)) return std::string();
    if (!value[name].is_string()) return Bad(std::string("'") + name + "' is no string");
    return value[name].get<std::string>();
  }

  Result<uint64_t> Number(const json& value, const char* name, uint64_t otherwise) const {
    if (!value.contains(name)) return otherwise;
    if (!value[name].is_number_unsigned()) {
      return Bad(std::string("'") + name + "' is no whole number");
    }
    return value[name].get<uint64_t>();
  }

  Result<std::set<std::string>> Names(const json& value) const {
    if (!value.is_array()) return Bad("not a list");
    std::set<std::string> out;
    for (const json& name : value) {
      if (!name.is_string()) return Bad("a name that is no string");
      out.insert(name.get<std::string>());
    }
    return out;
  }

  Result<BenchMap> ReadMap(const json& map) const {
    SKEP_TRY_VOID(Fields(map, {"fill", "programs", "drain"}));
    BenchMap out;
    if (map.contains("fill")) {
      if (!map["fill"].is_array()) return Bad("'fill' is no list");
      for (const json& fill : map["fill"]) {
        SKEP_TRY(BenchFill read, In("fill").ReadFill(fill));
        out.fills.push_back(std::move(read));
      }
    }
    if (map.contains("programs")) {
      const Reader in = In("programs");
      SKEP_TRY_VOID(in.Object(map["programs"]));
      for (const auto& [slot, program] : map["programs"].items()) {
        uint32_t index = 0;
        const auto [end, error] = std::from_chars(slot.data(), slot.data() + slot.size(), index);
        if (error != std::errc() || end != slot.data() + slot.size()) {
          return in.Bad("'" + slot + "' is no slot's number");
        }
        if (!program.is_string()) return in.Bad("slot " + slot + " names no program");
        out.programs[index] = program.get<std::string>();
      }
    }
    SKEP_TRY(const std::string drain, Text(map, "drain"));
    if (!drain.empty() && drain != "before each sample") {
      return Bad("'drain' can only be \"before each sample\"");
    }
    out.drain = !drain.empty();
    return out;
  }

  Result<BenchFill> ReadFill(const json& fill) const {
    SKEP_TRY_VOID(Fields(fill, {"count", "key", "value"}));
    BenchFill out;
    SKEP_TRY(out.count, Number(fill, "count", 0));
    if (out.count > kMaxCount) return Bad("'count' is above " + std::to_string(kMaxCount));
    for (const auto& [part, fields] :
         {std::pair{"key", &out.key}, std::pair{"value", &out.value}}) {
      if (!fill.contains(part)) continue;
      if (!fill[part].is_array()) return Bad(std::string("'") + part + "' is no list");
      for (const json& field : fill[part]) {
        SKEP_TRY(const BenchField read, In(part).ReadField(field));
        fields->push_back(read);
      }
    }
    return out;
  }

  Result<BenchField> ReadField(const json& field) const {
    SKEP_TRY_VOID(Fields(field, {"type", "gen", "value", "min", "max", "seed"}));
    BenchField out;
    SKEP_TRY(const std::string type, Text(field, "type"));
    SKEP_TRY(const std::string make, Text(field, "gen"));
    for (const auto& [name, bytes] : {std::pair{"u8", 1u}, {"u16", 2u}, {"u32", 4u}, {"u64", 8u}}) {
      if (type == name) out.bytes = bytes;
    }
    if (out.bytes == 0) return Bad("type '" + type + "' is none of u8, u16, u32, u64");
    const uint64_t most = out.bytes == 8 ? std::numeric_limits<uint64_t>::max()
                                         : (uint64_t{1} << (out.bytes * 8)) - 1;
    if (make == "index") {
      out.make = BenchField::Make::kIndex;
    } else if (make == "const") {
      out.make = BenchField::Make::kConst;
    } else if (make == "random") {
      out.make = BenchField::Make::kRandom;
    } else {
      return Bad("gen '" + make + "' is none of index, const, random");
    }
    SKEP_TRY(out.value, Number(field, "value", 0));
    SKEP_TRY(out.min, Number(field, "min", 0));
    SKEP_TRY(out.max, Number(field, "max", most));
    SKEP_TRY(out.seed, Number(field, "seed", 1));
    if (out.value > most || out.max > most) return Bad("a number that is no " + type);
    if (out.min > out.max) return Bad("'min' is above 'max'");
    return out;
  }

  std::string where_;
};

// The values of one field, element by element.
class Source {
 public:
  explicit Source(const BenchField& field)
      : field_(field), random_(field.seed), spread_(field.min, field.max) {}

  uint64_t Next(uint64_t index) {
    switch (field_.make) {
      case BenchField::Make::kIndex:
        return index;
      case BenchField::Make::kConst:
        return field_.value;
      case BenchField::Make::kRandom:
        return spread_(random_);
    }
    return 0;
  }
  uint32_t bytes() const { return field_.bytes; }

 private:
  BenchField field_;
  std::mt19937_64 random_;
  std::uniform_int_distribution<uint64_t> spread_;
};

void Write(std::vector<Source>& sources, uint64_t index, std::vector<std::byte>& out) {
  out.clear();
  for (Source& source : sources) {
    const uint64_t number = source.Next(index);
    for (uint32_t i = 0; i < source.bytes(); ++i) {
      out.push_back(static_cast<std::byte>(number >> (8 * i)));
    }
  }
}

}  // namespace

uint64_t BenchSetup::OpsOf(const std::string& program) const {
  const auto own = programs.find(program);
  return own != programs.end() && own->second.ops_per_run != 0 ? own->second.ops_per_run
                                                               : ops_per_run;
}

const std::string& BenchSetup::BaselineOf(const std::string& program) const {
  const auto own = programs.find(program);
  return own != programs.end() && !own->second.baseline.empty() ? own->second.baseline : baseline;
}

Result<BenchSetup> ParseBenchSetup(const std::string& text, const std::string& name) {
  const json root = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (root.is_discarded()) return Error{ErrorCode::kInvalidArgument, name + ": not JSON"};
  return Reader(name).Read(root);
}

Result<void> MakeElements(const BenchFill& fill, const PutElement& put) {
  std::vector<Source> keys(fill.key.begin(), fill.key.end());
  std::vector<Source> values(fill.value.begin(), fill.value.end());
  std::vector<std::byte> key, value;
  for (uint64_t i = 0; i < fill.count; ++i) {
    Write(keys, i, key);
    Write(values, i, value);
    SKEP_TRY_VOID(put(key, value));
  }
  return {};
}

}  // namespace skep::tools
