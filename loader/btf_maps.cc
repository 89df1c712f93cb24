// SPDX-License-Identifier: Apache-2.0
// Map definitions of the section .maps. A definition is a variable of a struct
// type whose members carry the values in their types (bpf_helpers.h):
//
//   __uint(max_entries, 64)     int (*max_entries)[64];
//   __ulong(map_extra, 5)       enum { ... = 5 } map_extra;
//   __type(key, __u32)          __u32 *key;
//   __array(values, struct m)   struct m *values[];
#include <optional>
#include <utility>

#include <elf.h>
#include <fmt/format.h>

#include "base/byte_reader.h"
#include "loader/map_table.h"

namespace skep::loader {
namespace {

constexpr uint32_t kPinByName = 1;  // LIBBPF_PIN_BY_NAME
constexpr size_t kMaxNameLength = 255;
constexpr uint64_t kSlotSize = 8;  // a pointer in `values`

Error Malformed(std::string message) { return {ErrorCode::kMalformedObject, std::move(message)}; }
Error Unsupported(std::string message) { return {ErrorCode::kUnsupported, std::move(message)}; }

bool IsMapOfMaps(MapType type) {
  return type == MapType::kArrayOfMaps || type == MapType::kHashOfMaps;
}

// One definition, member by member. Errors are without the map's name.
class DefinitionReader {
 public:
  DefinitionReader(const btf::Btf& btf, std::string name, bool inner) : btf_(btf), inner_(inner) {
    spec_.name = std::move(name);
  }

  Result<MapSpec> Read(uint32_t struct_id);
  // Bytes from the definition's start to `values`.
  uint64_t slots_at() const { return slots_at_; }

 private:
  Result<void> ReadMember(const btf::Member& member, bool last);
  Result<uint32_t> ReadNumber(const btf::Member& member) const;
  Result<uint64_t> ReadLong(const btf::Member& member) const;
  Result<void> ReadType(const btf::Member& member, uint32_t& size, uint32_t& type_id);
  Result<void> ReadSize(const btf::Member& member, uint32_t& size);
  Result<void> ReadValues(const btf::Member& member, bool last);

  const btf::Btf& btf_;
  const bool inner_;
  MapSpec spec_;
  uint64_t slots_at_ = 0;
};

Result<uint32_t> DefinitionReader::ReadNumber(const btf::Member& member) const {
  const uint32_t pointer = btf_.SkipModifiers(member.type);
  if (btf_.kind(pointer) == btf::Kind::kPtr) {
    const uint32_t array = btf_.type(pointer).size_or_type;
    if (btf_.kind(array) == btf::Kind::kArray) return btf_.array(array).count;
  }
  return Malformed(fmt::format("{} is no pointer to an array, as __uint() makes it", member.name));
}

Result<uint64_t> DefinitionReader::ReadLong(const btf::Member& member) const {
  const uint32_t type = btf_.SkipModifiers(member.type);
  const btf::Kind kind = btf_.kind(type);
  if (kind != btf::Kind::kEnum && kind != btf::Kind::kEnum64) {
    SKEP_TRY(const uint32_t value, ReadNumber(member));
    return uint64_t{value};
  }
  if (btf_.type(type).vlen != 1)
    return Malformed(
        fmt::format("{} is an enum of {} values, need 1", member.name, btf_.type(type).vlen));
  return static_cast<uint64_t>(btf_.enumerator(type, 0).value);
}

Result<void> DefinitionReader::ReadSize(const btf::Member& member, uint32_t& size) {
  SKEP_TRY(const uint32_t value, ReadNumber(member));
  if (size != 0 && size != value)
    return Malformed(fmt::format("{} is {}, but the type has {} bytes", member.name, value, size));
  size = value;
  return {};
}

Result<void> DefinitionReader::ReadType(const btf::Member& member, uint32_t& size,
                                        uint32_t& type_id) {
  const uint32_t pointer = btf_.SkipModifiers(member.type);
  if (btf_.kind(pointer) != btf::Kind::kPtr)
    return Malformed(fmt::format("{} is no pointer, as __type() makes it", member.name));
  type_id = btf_.type(pointer).size_or_type;
  const auto bytes = btf_.SizeOf(type_id);
  if (!bytes) return Malformed(fmt::format("the type of {} has no size", member.name));
  if (size != 0 && size != *bytes)
    return Malformed(
        fmt::format("{} has {} bytes, but {}_size is {}", member.name, *bytes, member.name, size));
  size = *bytes;
  return {};
}

Result<void> DefinitionReader::ReadValues(const btf::Member& member, bool last) {
  const bool of_maps = IsMapOfMaps(spec_.type);
  if (inner_) return Unsupported("an inner map cannot have values of its own");
  if (!last) return Malformed("values is not the last member");
  if (!of_maps && spec_.type != MapType::kProgArray)
    return Malformed("values in a map that holds neither maps nor programs");
  if (spec_.value_size != 0 && spec_.value_size != 4)
    return Malformed(fmt::format("value_size is {}, need 4", spec_.value_size));
  spec_.value_size = 4;
  slots_at_ = member.bit_offset / 8;

  const uint32_t array = btf_.SkipModifiers(member.type);
  if (btf_.kind(array) != btf::Kind::kArray || btf_.array(array).count != 0)
    return Malformed("values is no array of unknown length, as __array() makes it");
  const uint32_t pointer = btf_.SkipModifiers(btf_.array(array).element);
  if (btf_.kind(pointer) != btf::Kind::kPtr) return Malformed("values holds no pointers");
  const uint32_t target = btf_.SkipModifiers(btf_.type(pointer).size_or_type);
  if (!of_maps) {
    if (btf_.kind(target) != btf::Kind::kFuncProto)
      return Malformed("values of a prog array holds no pointers to functions");
    return {};
  }
  if (btf_.kind(target) != btf::Kind::kStruct)
    return Malformed("values of a map of maps holds no pointers to map definitions");
  DefinitionReader inner(btf_, spec_.name + ".inner", true);
  auto spec = inner.Read(target);
  if (!spec) return std::move(spec).error().At("inner map");
  spec_.inner = std::make_shared<const MapSpec>(*std::move(spec));
  return {};
}

Result<void> DefinitionReader::ReadMember(const btf::Member& member, bool last) {
  const std::string_view name = member.name;
  if (name == "type") {
    SKEP_TRY(const uint32_t type, ReadNumber(member));
    spec_.type = static_cast<MapType>(type);
  } else if (name == "max_entries") {
    SKEP_TRY(spec_.max_entries, ReadNumber(member));
  } else if (name == "map_flags") {
    SKEP_TRY(const uint64_t flags, ReadLong(member));
    if (flags > UINT32_MAX) return Malformed(fmt::format("map_flags is {:#x}", flags));
    spec_.flags = static_cast<uint32_t>(flags);
  } else if (name == "map_extra") {
    SKEP_TRY(spec_.map_extra, ReadLong(member));
  } else if (name == "numa_node") {
    // Memory placement: nothing that a program or the host can see.
    SKEP_TRY([[maybe_unused]] const uint32_t node, ReadNumber(member));
  } else if (name == "key_size") {
    return ReadSize(member, spec_.key_size);
  } else if (name == "value_size") {
    return ReadSize(member, spec_.value_size);
  } else if (name == "key") {
    return ReadType(member, spec_.key_size, spec_.btf_key_type_id);
  } else if (name == "value") {
    return ReadType(member, spec_.value_size, spec_.btf_value_type_id);
  } else if (name == "values") {
    return ReadValues(member, last);
  } else if (name == "pinning") {
    SKEP_TRY(const uint32_t pinning, ReadNumber(member));
    if (inner_) return Unsupported("an inner map cannot be pinned");
    if (pinning > kPinByName) return Malformed(fmt::format("pinning is {}, need 0 or 1", pinning));
    spec_.pin_by_name = pinning == kPinByName;
  } else {
    return Unsupported(fmt::format("unknown attribute '{}'", name));
  }
  return {};
}

Result<MapSpec> DefinitionReader::Read(uint32_t struct_id) {
  const uint32_t count = btf_.type(struct_id).vlen;
  for (uint32_t i = 0; i < count; ++i)
    SKEP_TRY_VOID(ReadMember(btf_.member(struct_id, i), i + 1 == count));
  if (spec_.type == MapType::kUnspec) return Malformed("has no type");
  AdjustRingbufSize(spec_);
  return std::move(spec_);
}

// The definition that is `variable`, whose bytes end at `end` of the section.
Result<std::pair<MapSpec, MapPlace>> ReadDefinition(const btf::Btf& btf,
                                                    const btf::SectionVariable& variable,
                                                    uint64_t end) {
  if (btf.kind(variable.type) != btf::Kind::kVar) return Malformed("is no variable");
  if (btf.name(variable.type).size() > kMaxNameLength)
    return Malformed(fmt::format("its name is longer than {} bytes", kMaxNameLength));
  const uint32_t type = btf.SkipModifiers(btf.type(variable.type).size_or_type);
  if (btf.kind(type) != btf::Kind::kStruct) return Malformed("is no struct");
  const uint64_t size = *btf.SizeOf(type);
  if (variable.offset >= end || size > end - variable.offset) {
    return Malformed(
        fmt::format("{} bytes at offset {} overlap another map or end beyond the "
                    "section",
                    size, variable.offset));
  }
  DefinitionReader reader(btf, std::string(btf.name(variable.type)), false);
  SKEP_TRY(MapSpec spec, reader.Read(type));
  MapPlace place;
  place.offset = variable.offset;
  place.size = end - variable.offset;
  place.slots_at = reader.slots_at();
  return std::pair(std::move(spec), place);
}

}  // namespace

Result<MapSpec> ReadMapType(const btf::Btf& btf, uint32_t variable) {
  const uint32_t type = btf.SkipModifiers(btf.type(variable).size_or_type);
  if (btf.kind(type) != btf::Kind::kStruct) return Malformed("is no struct");
  return DefinitionReader(btf, std::string(btf.name(variable)), false).Read(type);
}

Result<void> ReadBtfMaps(const ElfFile& elf, const ObjectTypes& types, MapTable& table) {
  const Section* section = elf.FindSection(".maps");
  if (section == nullptr || section->size == 0) return {};
  if (types.btf == nullptr)
    return Malformed("section .maps needs BTF to be read (compile with -g)");
  const btf::Btf& btf = *types.btf;
  const auto found = types.data_sections.find(".maps");
  if (found == types.data_sections.end()) return Malformed("section .maps is not described in BTF");
  const auto section_index = static_cast<uint32_t>(section - elf.sections().data());
  std::vector<btf::SectionVariable> variables;  // ascending by offset
  for (uint32_t i = 0; i < btf.type(found->second).vlen; ++i) {
    const btf::SectionVariable variable = btf.section_variable(found->second, i);
    // Defined in another object: refused where a program refers to it.
    if (btf.linkage(variable.type) == btf::Linkage::kExtern) continue;
    variables.push_back(variable);
  }
  for (size_t i = 0; i < variables.size(); ++i) {
    const btf::SectionVariable& variable = variables[i];
    // The slots of `values` are not part of the type: what is up to the next
    // definition belongs to this one.
    const uint64_t end = i + 1 < variables.size() ? variables[i + 1].offset : section->size;
    auto map = ReadDefinition(btf, variable, end);
    if (!map)
      return std::move(map).error().At(
          fmt::format("section .maps: map {}", btf.name(variable.type)));
    map->second.section = section_index;
    table.Add(std::move(map->first), map->second);
  }
  return {};
}

namespace {

// The name of the map or program that a relocation in `values` refers to.
Result<std::string> SlotTarget(const ElfFile& elf, const FunctionTable& functions,
                               const MapTable& table, const MapSpec& spec,
                               const Relocation& relocation, uint64_t addend) {
  const Symbol& symbol = elf.symbols()[relocation.symbol];
  if (symbol.section == SHN_UNDEF)
    return Error{ErrorCode::kUnresolved, fmt::format("undefined symbol '{}'", symbol.name)};
  const uint64_t value = symbol.value + addend;
  if (spec.type == MapType::kProgArray) {
    const uint32_t index = value % kInsnSize == 0
                               ? functions.FindStart(symbol.section, value / kInsnSize)
                               : kNoFunction;
    if (index == kNoFunction || !functions.all()[index].entry)
      return Malformed(fmt::format("'{}' is no program", symbol.name));
    return std::string(functions.all()[index].name);
  }
  const MapPlace* place = table.Find(symbol.section, value);
  if (place == nullptr || place->is_data || place->offset != value)
    return Malformed(fmt::format("'{}' is no map", symbol.name));
  return table.specs[place->spec].name;
}

}  // namespace

Result<void> ReadInitialSlots(const ElfFile& elf, const FunctionTable& functions, MapTable& table) {
  const Section* section = elf.FindSection(".maps");
  if (section == nullptr) return {};
  const ByteReader bytes(section->data);
  const auto section_index = static_cast<uint32_t>(section - elf.sections().data());
  for (const Relocation& relocation : elf.relocations(section_index)) {
    const MapPlace* place = table.Find(section_index, relocation.offset);
    if (place == nullptr)
      return Malformed(
          fmt::format("section .maps: relocation at {} is in no map", relocation.offset));
    MapSpec& spec = table.specs[place->spec];
    const auto at = [&](Error error) {
      return std::move(error).At("section .maps: map " + spec.name + ": values");
    };
    const uint64_t delta = relocation.offset - place->offset;
    const auto addend = bytes.Read<uint64_t>(relocation.offset);
    if (place->slots_at == 0 || delta < place->slots_at ||
        (delta - place->slots_at) % kSlotSize != 0 || !addend)
      return at(Malformed(fmt::format("relocation at {} is in no slot", relocation.offset)));
    const uint64_t slot = (delta - place->slots_at) / kSlotSize;
    if (slot >= spec.max_entries)
      return at(Malformed(fmt::format("slot {} is initialised, need less than max_entries {}", slot,
                                      spec.max_entries)));
    auto target = SlotTarget(elf, functions, table, spec, relocation, *addend);
    if (!target) return at(std::move(target).error());
    spec.initial_slots.emplace_back(static_cast<uint32_t>(slot), *std::move(target));
  }
  return {};
}

}  // namespace skep::loader
