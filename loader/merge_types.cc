// SPDX-License-Identifier: Apache-2.0
// Types of LinkObjects: a declaration and a definition of one name become one
// variable or function, data sections list what lies in the merged sections, and
// the records of .BTF.ext follow their instructions.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "btf/compatible.h"
#include "btf/raw.h"
#include "loader/map_table.h"
#include "loader/object_merger.h"

namespace skep::loader {
namespace {

using btf::Kind;
using btf::Linkage;

Error Malformed(std::string message) {
  return {ErrorCode::kMalformedObject, std::move(message), EINVAL};
}

bool IsNamed(const btf::Btf& btf, uint32_t id) {
  return btf.kind(id) == Kind::kVar || btf.kind(id) == Kind::kFunc;
}

bool SameMaps(const MapSpec& a, const MapSpec& b) {
  if ((a.inner == nullptr) != (b.inner == nullptr)) return false;
  if (a.inner != nullptr && !SameMaps(*a.inner, *b.inner)) return false;
  return a.type == b.type && a.key_size == b.key_size && a.value_size == b.value_size &&
         a.max_entries == b.max_entries && a.flags == b.flags && a.map_extra == b.map_extra &&
         a.pin_by_name == b.pin_by_name;
}

template <class T>
void Append(std::vector<std::byte>& out, const T& value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

}  // namespace

Result<void> ObjectMerger::AddTypes(Input& input, std::span<const std::byte> bytes) {
  auto btf = btf::Btf::Parse(bytes, btf::Origin::kObjectFile);
  if (!btf) return std::move(btf).error().At("section .BTF");
  input.btf = *std::move(btf);
  SKEP_TRY(input.base, btf_.Add(bytes, *input.btf));
  has_types_ = true;
  const Section* records = input.elf.FindSection(".BTF.ext");
  if (records == nullptr || records->data.empty()) return {};
  auto ext = btf::BtfExt::Parse(records->data, *input.btf);
  if (!ext) return std::move(ext).error().At("section .BTF.ext");
  input.ext = *std::move(ext);
  return {};
}

ObjectMerger::Global* ObjectMerger::FindGlobal(const btf::Btf& btf, uint32_t id) {
  if (!IsNamed(btf, id) || btf.linkage(id) == Linkage::kStatic) return nullptr;
  const auto it = global_by_name_.find(btf.name(id));
  return it == global_by_name_.end() ? nullptr : &globals_[it->second];
}

Result<void> ObjectMerger::MatchGlobals() {
  for (uint32_t i = 0; i < inputs_.size(); ++i) FindTypes(i);
  for (uint32_t i = 0; i < inputs_.size(); ++i) SKEP_TRY_VOID(MatchTypes(i).At(inputs_[i].name));
  return {};
}

// The type of a definition counts; without one, that of a declaration.
void ObjectMerger::FindTypes(uint32_t number) {
  const btf::Btf* const btf = inputs_[number].btf.get();
  if (btf == nullptr) return;
  for (uint32_t id = 1; id < btf->type_count(); ++id) {
    Global* const global = FindGlobal(*btf, id);
    if (global == nullptr) continue;
    const bool defines =
        global->defined && global->input == number && btf->linkage(id) == Linkage::kGlobal;
    const bool has_definition =
        global->type != 0 && global->defined && global->type_input == global->input &&
        inputs_[global->input].btf->linkage(global->type) == Linkage::kGlobal;
    if (global->type != 0 && (has_definition || !defines)) continue;
    global->type = id;
    global->type_input = number;
  }
}

Result<void> ObjectMerger::MatchTypes(uint32_t number) {
  const Input& input = inputs_[number];
  if (input.btf == nullptr) return {};
  const btf::Btf& btf = *input.btf;
  std::vector<bool> is_map(btf.type_count());
  for (uint32_t id = 1; id < btf.type_count(); ++id) {
    if (btf.kind(id) != Kind::kDatasec || btf.name(id) != ".maps") continue;
    for (uint32_t i = 0; i < btf.type(id).vlen; ++i)
      is_map[btf.section_variable(id, i).type] = true;
  }
  for (uint32_t id = 1; id < btf.type_count(); ++id) {
    const Global* const global = FindGlobal(btf, id);
    if (global == nullptr || (global->type_input == number && global->type == id)) continue;
    auto matched = MatchType(*global, number, id, is_map[id]);
    if (!matched) return std::move(matched).error().At(fmt::format("symbol '{}'", btf.name(id)));
    btf_.Replace(input.base + id, inputs_[global->type_input].base + global->type);
  }
  return {};
}

Result<void> ObjectMerger::MatchType(const Global& global, uint32_t number, uint32_t id,
                                     bool is_map) const {
  const btf::Btf& ours = *inputs_[number].btf;
  const Input& other = inputs_[global.type_input];
  const btf::Btf& theirs = *other.btf;
  const auto differ = [&](std::string_view how) {
    return Malformed(fmt::format("{} in {}", how, other.name));
  };
  if (ours.kind(id) != theirs.kind(global.type))
    return differ("is a variable in one place and a function in the other, which is");
  if (is_map) {
    auto here = ReadMapType(ours, id);
    auto there = ReadMapType(theirs, global.type);
    if (!here || !there) return std::move(here ? there : here).error();
    if (!SameMaps(*here, *there)) return differ("is another map than");
    return {};
  }
  const uint32_t type = ours.type(id).size_or_type;
  const uint32_t their_type = theirs.type(global.type).size_or_type;
  if (!btf::AreCompatible(ours, type, theirs, their_type)) return differ("has another type than");
  if (ours.kind(id) == Kind::kVar && ours.SizeOf(type) != theirs.SizeOf(their_type) &&
      ours.SizeOf(type).value_or(0) != 0 && theirs.SizeOf(their_type).value_or(0) != 0)
    return differ("has another size than");
  return {};
}

const ObjectMerger::Chunk* ObjectMerger::FindChunk(const Input& input,
                                                   std::string_view name) const {
  const Section* section = input.elf.FindSection(name);
  if (section == nullptr) return nullptr;
  const Chunk& chunk = input.chunks[static_cast<size_t>(section - input.elf.sections().data())];
  return chunk.section == kNowhere ? nullptr : &chunk;
}

// What the data section `datasec` of an input adds to the merged one.
void ObjectMerger::AddVariables(uint32_t number, uint32_t datasec,
                                std::vector<btf::SectionVariable>& out) {
  const Input& input = inputs_[number];
  const btf::Btf& btf = *input.btf;
  const Chunk* const chunk = FindChunk(input, btf.name(datasec));
  for (uint32_t i = 0; i < btf.type(datasec).vlen; ++i) {
    btf::SectionVariable variable = btf.section_variable(datasec, i);
    const uint32_t id = variable.type;
    if (!IsNamed(btf, id)) continue;
    uint64_t offset = variable.offset;
    if (btf.linkage(id) != Linkage::kStatic) {
      // Of each name there is one: where it is defined, or first declared.
      const Global* const global = FindGlobal(btf, id);
      if (global == nullptr || global->type_input != number || global->type != id) continue;
      if (global->defined != (btf.linkage(id) == Linkage::kGlobal)) continue;
      offset = global->defined ? global->symbol.value : 0;
    }
    if (btf.linkage(id) != Linkage::kExtern) {
      if (chunk == nullptr) continue;
      offset += chunk->offset;
    }
    if (variable.size == 0 && btf.kind(id) == Kind::kVar)
      variable.size = btf.SizeOf(btf.type(id).size_or_type).value_or(0);
    variable.type = btf_.FinalId(input.base + id);
    variable.offset = static_cast<uint32_t>(std::min<uint64_t>(offset, UINT32_MAX));
    out.push_back(variable);
  }
}

void ObjectMerger::MergeDataSections() {
  std::vector<std::string_view> names;  // in the order of the inputs
  std::unordered_map<std::string_view, std::vector<btf::SectionVariable>> variables;
  for (uint32_t i = 0; i < inputs_.size(); ++i) {
    const btf::Btf* const btf = inputs_[i].btf.get();
    if (btf == nullptr) continue;
    for (uint32_t id = 1; id < btf->type_count(); ++id) {
      if (btf->kind(id) != Kind::kDatasec) continue;
      const auto [it, added] = variables.try_emplace(btf->name(id));
      if (added) names.push_back(btf->name(id));
      AddVariables(i, id, it->second);
    }
  }
  for (const std::string_view name : names) {
    std::vector<btf::SectionVariable>& list = variables[name];
    if (list.empty()) continue;
    std::stable_sort(list.begin(), list.end(),
                     [](const auto& a, const auto& b) { return a.offset < b.offset; });
    const auto section = section_by_name_.find(name);
    const uint64_t size = section == section_by_name_.end() ? 0 : sections_[section->second].size;
    btf_.AddSection(name, static_cast<uint32_t>(size), list);
  }
}

template <class Record>
void ObjectMerger::MergeTable(std::vector<btf::SectionRecords<Record>> btf::BtfExt::*table,
                              std::vector<std::byte>& out) {
  std::vector<std::vector<Record>> merged(sections_.size());
  for (const Input& input : inputs_) {
    for (const btf::SectionRecords<Record>& block : input.ext.*table) {
      const Chunk* const chunk = FindChunk(input, block.section);
      if (chunk == nullptr) continue;  // describes code that was stripped
      for (Record record : block.records) {
        record.insn_offset += static_cast<uint32_t>(chunk->offset);
        if constexpr (std::is_same_v<Record, btf::LineInfo>) {
          record.file_offset = btf_.String(input.btf->StringAt(record.file_offset));
          record.text_offset = btf_.String(input.btf->StringAt(record.text_offset));
        } else {
          record.type_id = btf_.FinalId(input.base + record.type_id);
        }
        if constexpr (std::is_same_v<Record, btf::CoreRelocation>)
          record.access_offset = btf_.String(input.btf->StringAt(record.access_offset));
        merged[chunk->section].push_back(record);
      }
    }
  }
  bool any = false;
  for (size_t i = 0; i < merged.size(); ++i) {
    if (merged[i].empty()) continue;
    if (!any) Append(out, static_cast<uint32_t>(sizeof(Record)));
    any = true;
    // Blocks of one section need not be in order in a file.
    std::stable_sort(merged[i].begin(), merged[i].end(), [](const Record& a, const Record& b) {
      return a.insn_offset < b.insn_offset;
    });
    Append(out, btf_.String(sections_[i].name));
    Append(out, static_cast<uint32_t>(merged[i].size()));
    for (const Record& record : merged[i]) Append(out, record);
  }
}

std::vector<std::byte> ObjectMerger::MergeRecords() {
  std::vector<std::byte> functions, lines, core;
  MergeTable(&btf::BtfExt::functions, functions);
  MergeTable(&btf::BtfExt::lines, lines);
  MergeTable(&btf::BtfExt::core_relocations, core);
  if (functions.empty() && lines.empty() && core.empty()) return {};
  constexpr uint32_t kHeaderSize = 32;
  std::vector<std::byte> out;
  Append(out, btf::kMagic | uint32_t{btf::kVersion} << 16);
  Append(out, kHeaderSize);
  uint32_t offset = 0;
  for (const auto* table : {&functions, &lines, &core}) {
    const auto size = static_cast<uint32_t>(table->size());
    Append(out, offset);
    Append(out, size);
    offset += size;
  }
  for (const auto* table : {&functions, &lines, &core})
    out.insert(out.end(), table->begin(), table->end());
  return out;
}

}  // namespace skep::loader
