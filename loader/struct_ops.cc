// SPDX-License-Identifier: Apache-2.0
#include "loader/struct_ops.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include <elf.h>
#include <fmt/format.h>

#include "skep/struct_ops.h"

#include "base/byte_reader.h"
#include "btf/name_index.h"
#include "loader/section_rules.h"

namespace skep::loader {
namespace {

constexpr int kErrnoNotSupported = 524;  // ENOTSUPP
// Members compared and bytes read, of all variables: far more than real objects
// need, and an end to what a small file can ask for.
constexpr size_t kMaxNameLength = 255;
constexpr uint64_t kMaxWork = 1u << 24;

Error Malformed(std::string message) {
  return {ErrorCode::kMalformedObject, std::move(message), EINVAL};
}
Error Unsupported(std::string message) {
  return {ErrorCode::kUnsupported, std::move(message), kErrnoNotSupported};
}

bool IsStructOpsSection(const Section& section) {
  std::string_view name = section.name;
  if (name.starts_with('?')) name.remove_prefix(1);
  return section.type == SHT_PROGBITS && (name == ".struct_ops" || name == ".struct_ops.link");
}

// Whether a pointer to a function, behind modifiers.
bool IsCallback(const btf::Btf& btf, uint32_t type) {
  const uint32_t pointer = btf.SkipModifiers(type);
  if (btf.kind(pointer) != btf::Kind::kPtr) return false;
  return btf.kind(btf.SkipModifiers(btf.type(pointer).size_or_type)) == btf::Kind::kFuncProto;
}

}  // namespace

class StructOpsReader {
 public:
  StructOpsReader(const ElfFile& elf, const ObjectTypes& types, const FunctionTable& functions,
                  const btf::Btf* target)
      : elf_(elf), btf_(*types.btf), types_(types), functions_(functions), target_(target) {}

  // Sections that are loaded only on demand come last, and decide nothing that
  // the others have decided.
  Result<StructOps> Read() {
    for (const bool on_demand : {false, true}) {
      for (uint32_t i = 1; i < elf_.sections().size(); ++i) {
        const Section& section = elf_.sections()[i];
        if (!IsStructOpsSection(section) || section.name.starts_with('?') != on_demand) continue;
        on_demand_ = on_demand;
        SKEP_TRY_VOID(ReadSection(section, i).At(fmt::format("section {}", section.name)));
      }
    }
    return std::move(out_);
  }

 private:
  struct Variable {
    std::string_view name;
    uint32_t type = 0;  // a kStruct
    uint64_t offset = 0;
    uint64_t size = 0;
    std::unordered_map<uint32_t, uint32_t> callbacks;  // byte offset of a member to function
  };

  Result<void> Take(uint64_t work) {
    if (work > left_)
      return Error{ErrorCode::kResourceLimit, "more variables and members than this loader reads",
                   E2BIG};
    left_ -= work;
    return {};
  }

  Result<void> ReadSection(const Section& section, uint32_t index);
  Result<Variable> ReadVariable(const Section& section, const btf::SectionVariable& from) const;
  Result<void> ReadCallback(const Section& section, const Relocation& relocation,
                            std::vector<Variable>& variables);
  MapSpec Describe(const Section& section, const Variable& variable) const;
  Result<void> Match(const Section& section, const Variable& variable);
  Result<void> MatchMembers(const Section& section, const Variable& variable, uint32_t kernel);
  Result<void> MatchMember(const btf::Member& member, const btf::Member& theirs) const;
  Result<uint32_t> FindKernelStruct(const Variable& variable) const;
  void Use(uint32_t function, StructOpsMember member);
  void Refuse(const Variable& variable, const Error& error);

  const ElfFile& elf_;
  const btf::Btf& btf_;
  const ObjectTypes& types_;
  const FunctionTable& functions_;
  const btf::Btf* const target_;
  bool on_demand_ = false;
  uint64_t left_ = kMaxWork;
  StructOps out_;
  StructOps decided_;  // by sections that are always loaded
};

Result<void> StructOpsReader::ReadSection(const Section& section, uint32_t index) {
  if (on_demand_ && decided_.uses_.empty()) decided_ = out_;
  const auto datasec = types_.data_sections.find(section.name);
  if (datasec == types_.data_sections.end()) return Malformed("is not described in BTF");
  const uint32_t count = btf_.type(datasec->second).vlen;
  SKEP_TRY_VOID(Take(count));
  std::vector<Variable> variables;  // ascending by offset
  for (uint32_t i = 0; i < count; ++i) {
    SKEP_TRY(Variable variable, ReadVariable(section, btf_.section_variable(datasec->second, i)));
    if (variable.size == 0 || variable.name.size() > kMaxNameLength)
      return Malformed(fmt::format("variable {}: its struct is empty or its name too long",
                                   variable.name.substr(0, kMaxNameLength)));
    if (!variables.empty() && variable.offset < variables.back().offset + variables.back().size)
      return Malformed(fmt::format("variable {} overlaps another", variable.name));
    variables.push_back(std::move(variable));
  }
  for (const Relocation& relocation : elf_.relocations(index))
    SKEP_TRY_VOID(ReadCallback(section, relocation, variables));
  for (const Variable& variable : variables) {
    out_.maps_.push_back(Describe(section, variable));
    if (auto matched = Match(section, variable); !matched) {
      if (matched.error().code == ErrorCode::kResourceLimit) return std::move(matched).error();
      Refuse(variable, std::move(matched).error().At(fmt::format("variable {}", variable.name)));
    }
  }
  return {};
}

Result<StructOpsReader::Variable> StructOpsReader::ReadVariable(
    const Section& section, const btf::SectionVariable& from) const {
  Variable variable;
  if (btf_.kind(from.type) != btf::Kind::kVar) return Malformed("declares what is no variable");
  variable.name = btf_.name(from.type);
  variable.type = btf_.SkipModifiers(btf_.type(from.type).size_or_type);
  if (btf_.kind(variable.type) != btf::Kind::kStruct || btf_.name(variable.type).empty())
    return Malformed(fmt::format("variable {} is of no named struct", variable.name));
  variable.offset = from.offset;
  variable.size = btf_.SizeOf(variable.type).value_or(0);
  if (variable.offset > section.data.size() ||
      variable.size > section.data.size() - variable.offset) {
    return Malformed(fmt::format("variable {}: {} bytes at offset {} end beyond the section",
                                 variable.name, variable.size, variable.offset));
  }
  return variable;
}

Result<void> StructOpsReader::ReadCallback(const Section& section, const Relocation& relocation,
                                           std::vector<Variable>& variables) {
  const auto after = std::upper_bound(
      variables.begin(), variables.end(), relocation.offset,
      [](uint64_t offset, const Variable& variable) { return offset < variable.offset; });
  if (after == variables.begin() || relocation.offset - (after - 1)->offset >= (after - 1)->size)
    return Malformed(fmt::format("relocation at {} is in no variable", relocation.offset));
  Variable& variable = *(after - 1);
  const uint64_t at = relocation.offset - variable.offset;
  const auto addend = ByteReader(section.data).Read<uint64_t>(relocation.offset);
  const Symbol& symbol = elf_.symbols()[relocation.symbol];
  const uint64_t value = symbol.value + addend.value_or(1);  // 1: of no instruction
  const uint32_t function = value % kInsnSize == 0
                                ? functions_.FindStart(symbol.section, value / kInsnSize)
                                : kNoFunction;
  if (function == kNoFunction || !functions_.all()[function].entry)
    return Malformed(fmt::format("variable {}: '{}' is no program", variable.name, symbol.name));
  const SectionMeaning meaning =
      ReadSectionName(elf_.sections()[functions_.all()[function].section].name);
  if (meaning.rule == nullptr || meaning.rule->type != ProgramTypeId::kStructOps) {
    return Malformed(fmt::format("variable {}: program {} is of section {}, need struct_ops",
                                 variable.name, functions_.all()[function].name, meaning.name));
  }
  variable.callbacks[static_cast<uint32_t>(at)] = function;
  return {};
}

MapSpec StructOpsReader::Describe(const Section& section, const Variable& variable) const {
  MapSpec spec;
  spec.name = variable.name;
  spec.type = MapType::kStructOps;
  spec.key_size = 4;
  spec.value_size = static_cast<uint32_t>(variable.size);
  spec.max_entries = 1;
  spec.btf_value_type_id = variable.type;
  spec.flags = section.name.ends_with(".link") ? kMapLink : 0;
  for (const auto& [offset, function] : variable.callbacks)
    spec.initial_slots.emplace_back(offset, functions_.all()[function].name);
  std::sort(spec.initial_slots.begin(), spec.initial_slots.end());
  return spec;
}

Result<uint32_t> StructOpsReader::FindKernelStruct(const Variable& variable) const {
  const std::string_view name = btf::EssentialName(btf_.name(variable.type));
  if (target_ == nullptr) {
    return Error{ErrorCode::kUnresolved,
                 fmt::format("struct {} is looked up in the kernel's types (BTF), which were not "
                             "given",
                             name)};
  }
  // What the kernel keeps of it is a struct of its own, with the struct inside.
  const std::string value_name = std::string("bpf_struct_ops_") += name;
  const uint32_t value = target_->Find(value_name, btf::Kind::kStruct);
  const uint32_t id = target_->Find(name, btf::Kind::kStruct);
  if (value == 0 || id == 0) {
    return Error{ErrorCode::kUnresolved,
                 fmt::format("the kernel has no struct {}", value == 0 ? value_name : name), ESRCH};
  }
  for (uint32_t i = 0; i < target_->type(value).vlen; ++i)
    if (target_->member(value, i).type == id) return id;
  return Unsupported(fmt::format("the kernel's struct {} holds no struct {}", value_name, name));
}

Result<void> StructOpsReader::Match(const Section& section, const Variable& variable) {
  if (variable.callbacks.empty()) return {};  // no program asks
  SKEP_TRY(const uint32_t kernel, FindKernelStruct(variable));
  return MatchMembers(section, variable, kernel);
}

Result<void> StructOpsReader::MatchMembers(const Section& section, const Variable& variable,
                                           uint32_t kernel) {
  const uint32_t kernel_count = target_->type(kernel).vlen;
  const uint32_t count = btf_.type(variable.type).vlen;
  SKEP_TRY_VOID(Take(uint64_t{count} + kernel_count));
  std::unordered_map<std::string_view, uint32_t> index;
  for (uint32_t i = 0; i < kernel_count; ++i) index.emplace(target_->member(kernel, i).name, i);
  size_t callbacks = 0;
  std::vector<std::pair<uint32_t, StructOpsMember>> uses;
  for (uint32_t i = 0; i < count; ++i) {
    const btf::Member member = btf_.member(variable.type, i);
    const auto at = [&](Error error) {
      return std::move(error).At(fmt::format("member {}", member.name));
    };
    const auto callback = variable.callbacks.find(member.bit_offset / 8);
    const bool called = callback != variable.callbacks.end() && member.bit_offset % 8 == 0;
    if (called && !IsCallback(btf_, member.type))
      return at(Malformed("holds a program, but is no pointer to a function"));
    callbacks += called ? 1 : 0;
    const uint64_t size = btf_.SizeOf(member.type).value_or(0);
    SKEP_TRY_VOID(Take(size));
    const auto bytes =
        ByteReader(section.data).Slice(variable.offset + member.bit_offset / 8, size);
    if (!bytes) return at(Malformed("ends beyond the section"));
    const bool set = called || std::any_of(bytes->begin(), bytes->end(),
                                           [](std::byte b) { return b != std::byte{0}; });
    const auto theirs = index.find(member.name);
    if (theirs == index.end()) {
      if (set) return at(Unsupported("is set, but not in the kernel's struct"));
      continue;
    }
    const btf::Member kernel_member = target_->member(kernel, theirs->second);
    auto matched = MatchMember(member, kernel_member);
    if (!matched) return at(std::move(matched).error());
    if (btf_.kind(btf_.SkipModifiers(member.type)) != btf::Kind::kPtr || !set) continue;
    if (!called) return at(Unsupported("is a pointer to what is no program"));
    if (!IsCallback(*target_, kernel_member.type))
      return at(Unsupported("is no pointer to a function in the kernel"));
    uses.emplace_back(callback->second, StructOpsMember{kernel, theirs->second});
  }
  if (callbacks != variable.callbacks.size())
    return Malformed("a program is named where no member starts");
  for (const auto& [function, member] : uses) Use(function, member);
  return {};
}

// The kernel's member is as wide and of the same kind.
Result<void> StructOpsReader::MatchMember(const btf::Member& member,
                                          const btf::Member& theirs) const {
  if (member.bitfield_size != 0 || theirs.bitfield_size != 0) return Unsupported("is a bitfield");
  const btf::Kind kind = btf_.kind(btf_.SkipModifiers(member.type));
  const btf::Kind their_kind = target_->kind(target_->SkipModifiers(theirs.type));
  if (kind != their_kind) {
    return Unsupported(fmt::format("is of kind {}, but {} in the kernel", btf::KindName(kind),
                                   btf::KindName(their_kind)));
  }
  const uint32_t size = btf_.SizeOf(member.type).value_or(0);
  const uint32_t their_size = target_->SizeOf(theirs.type).value_or(0);
  if (size != their_size)
    return Unsupported(fmt::format("has {} bytes, but {} in the kernel", size, their_size));
  return {};
}

void StructOpsReader::Use(uint32_t function, StructOpsMember member) {
  if (on_demand_ && decided_.uses_.contains(function)) return;
  const auto [it, added] = out_.uses_.try_emplace(function, StructOps::Use{member, std::nullopt});
  const StructOpsMember& first = it->second.member;
  if (added || it->second.error || (first.type == member.type && first.member == member.member))
    return;
  it->second.error =
      Malformed("variables name it for different members: a program can be only one");
}

void StructOpsReader::Refuse(const Variable& variable, const Error& error) {
  for (const auto& [offset, function] : variable.callbacks) {
    if (on_demand_ && decided_.uses_.contains(function)) continue;
    out_.uses_[function].error = error;
  }
}

Result<StructOps> StructOps::Read(const ElfFile& elf, const ObjectTypes& types,
                                  const FunctionTable& functions, const btf::Btf* target) {
  if (types.btf == nullptr) {
    const auto is_one = [](const Section& s) { return IsStructOpsSection(s) && s.size != 0; };
    if (std::any_of(elf.sections().begin(), elf.sections().end(), is_one))
      return Malformed("section .struct_ops needs BTF to be read (compile with -g)");
    return StructOps();
  }
  return StructOpsReader(elf, types, functions, target).Read();
}

Result<StructOpsMember> StructOps::Find(uint32_t function) const {
  const auto it = uses_.find(function);
  if (it == uses_.end()) return StructOpsMember{};
  if (it->second.error) return *it->second.error;
  return it->second.member;
}

}  // namespace skep::loader
