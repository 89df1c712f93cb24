// SPDX-License-Identifier: Apache-2.0
#include "loader/object_types.h"

#include <algorithm>
#include <utility>

#include <elf.h>

#include "skep/program.h"

#include "loader/externs.h"

namespace skep::loader {
namespace {

constexpr std::string_view kExceptionCallback = "exception_callback:";

// How Linux's own test programs ask for prog_flags that change the verdict.
struct FlagTag {
  std::string_view tag;
  uint32_t flag;
};
constexpr FlagTag kFlagTags[] = {
    {"comment:test_prog_flags=BPF_F_STRICT_ALIGNMENT", kProgStrictAlignment},
    {"comment:test_prog_flags=BPF_F_TEST_STATE_FREQ", kProgTestStateFreq},
};

bool IsHidden(const Symbol& symbol) {
  return symbol.visibility == STV_HIDDEN || symbol.visibility == STV_INTERNAL;
}

using SymbolsByName = std::unordered_map<std::string_view, const Symbol*>;

// The layout of one data section. Offsets of static variables are in the file
// already; those of global ones are their symbols' values.
btf::Btf::SectionLayout LayOut(const btf::Btf& btf, uint32_t id, const Section& section,
                               const SymbolsByName& variables, std::vector<uint32_t>& hidden) {
  btf::Btf::SectionLayout layout;
  layout.id = id;
  layout.size = section.size <= UINT32_MAX ? static_cast<uint32_t>(section.size) : UINT32_MAX;
  const uint32_t count = btf.type(id).vlen;
  layout.variables.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    btf::SectionVariable variable = btf.section_variable(id, i);
    if (btf.kind(variable.type) == btf::Kind::kVar &&
        btf.linkage(variable.type) == btf::Linkage::kGlobal) {
      if (const auto it = variables.find(btf.name(variable.type)); it != variables.end()) {
        variable.offset = static_cast<uint32_t>(it->second->value);
        if (IsHidden(*it->second)) hidden.push_back(variable.type);
      }
    }
    layout.variables.push_back(variable);
  }
  std::stable_sort(layout.variables.begin(), layout.variables.end(),
                   [](const auto& a, const auto& b) { return a.offset < b.offset; });
  return layout;
}

std::shared_ptr<const btf::Btf> FillIn(const ElfFile& elf, const btf::Btf& btf) {
  SymbolsByName variables;
  SymbolsByName hidden_functions;
  for (const Symbol& symbol : elf.symbols()) {
    if (symbol.type == STT_OBJECT && symbol.binding != STB_LOCAL)
      variables.emplace(symbol.name, &symbol);
    if (symbol.type == STT_FUNC && symbol.binding != STB_LOCAL && IsHidden(symbol))
      hidden_functions.emplace(symbol.name, &symbol);
  }
  std::unordered_map<std::string_view, const Section*> sections;
  for (const Section& section : elf.sections()) sections.emplace(section.name, &section);

  std::vector<btf::Btf::SectionLayout> layouts;
  std::vector<uint32_t> make_static;
  for (uint32_t id = btf.first_id(); id < btf.type_count(); ++id) {
    if (btf.kind(id) == btf::Kind::kDatasec) {
      if (btf.name(id) == ".kconfig") {
        layouts.push_back(LayOutConfig(btf, id));
      } else if (const auto it = sections.find(btf.name(id)); it != sections.end())
        layouts.push_back(LayOut(btf, id, *it->second, variables, make_static));
    } else if (btf.kind(id) == btf::Kind::kFunc && btf.linkage(id) == btf::Linkage::kGlobal) {
      if (hidden_functions.contains(btf.name(id))) make_static.push_back(id);
    }
  }
  return btf.WithLayout(layouts, make_static);
}

template <class Record>
void Distribute(std::vector<btf::SectionRecords<Record>>& from,
                const std::unordered_map<std::string_view, size_t>& index,
                std::vector<SectionTypes>& sections, std::vector<Record> SectionTypes::*field) {
  for (btf::SectionRecords<Record>& block : from) {
    const auto it = index.find(block.section);
    if (it == index.end()) continue;  // describes code that was stripped
    std::vector<Record>& to = sections[it->second].*field;
    if (to.empty()) {
      to = std::move(block.records);
    } else {
      to.insert(to.end(), block.records.begin(), block.records.end());
      std::stable_sort(to.begin(), to.end(), [](const Record& a, const Record& b) {
        return a.insn_offset < b.insn_offset;
      });
    }
  }
}

void FindMarks(ObjectTypes& types) {
  const btf::Btf& btf = *types.btf;
  for (uint32_t id = btf.first_id(); id < btf.type_count(); ++id) {
    const btf::Kind kind = btf.kind(id);
    if (kind == btf::Kind::kDatasec) types.data_sections.emplace(btf.name(id), id);
    if (kind == btf::Kind::kDatasec) {
      for (uint32_t i = 0; i < btf.type(id).vlen; ++i) {
        const uint32_t type = btf.section_variable(id, i).type;
        if (btf.linkage(type) == btf::Linkage::kExtern)
          types.externs.emplace(btf.name(type), ExternDeclaration{btf.name(id), type});
      }
    } else if (kind == btf::Kind::kDeclTag && btf.name(id).starts_with(kExceptionCallback)) {
      types.exception_callbacks.emplace(btf.decl_tag(id).target,
                                        btf.name(id).substr(kExceptionCallback.size()));
    } else if (kind == btf::Kind::kDeclTag) {
      for (const FlagTag& known : kFlagTags) {
        if (btf.name(id) == known.tag) types.program_flags[btf.decl_tag(id).target] |= known.flag;
      }
    }
  }
}

}  // namespace

Result<ObjectTypes> ReadTypes(const ElfFile& elf) {
  ObjectTypes types;
  types.sections.resize(elf.sections().size());
  const Section* section = elf.FindSection(".BTF");
  if (section == nullptr || section->data.empty()) return types;
  auto parsed = btf::Btf::Parse(section->data, btf::Origin::kObjectFile);
  if (!parsed) return std::move(parsed).error().At("section .BTF");
  types.btf = FillIn(elf, **parsed);
  FindMarks(types);

  const Section* ext_section = elf.FindSection(".BTF.ext");
  if (ext_section == nullptr || ext_section->data.empty()) return types;
  auto ext = btf::BtfExt::Parse(ext_section->data, *types.btf);
  if (!ext) return std::move(ext).error().At("section .BTF.ext");
  std::unordered_map<std::string_view, size_t> index;
  for (size_t i = 0; i < elf.sections().size(); ++i)
    if (elf.sections()[i].IsCode()) index.emplace(elf.sections()[i].name, i);
  Distribute(ext->functions, index, types.sections, &SectionTypes::functions);
  Distribute(ext->lines, index, types.sections, &SectionTypes::lines);
  Distribute(ext->core_relocations, index, types.sections, &SectionTypes::core_relocations);
  return types;
}

}  // namespace skep::loader
