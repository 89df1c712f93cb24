// SPDX-License-Identifier: Apache-2.0
#include "loader/link.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <unordered_map>
#include <utility>
#include <vector>

#include <elf.h>
#include <fmt/format.h>

#include "loader/attach_target.h"
#include "loader/core_apply.h"
#include "loader/section_rules.h"

namespace skep::loader {
namespace {

// Relocation types of the BPF machine (Linux's Documentation/bpf/llvm_reloc.rst).
constexpr uint32_t kRelocWideLoad = 1;  // R_BPF_64_64: both slots of a wide load
constexpr uint32_t kRelocCall = 10;     // R_BPF_64_32: imm of a call

constexpr uint8_t kCodeWideLoad = 0x18;  // BPF_LD | BPF_IMM | BPF_DW
constexpr uint8_t kCodeCall = 0x85;      // BPF_JMP | BPF_CALL

// imm of a call of a weak kernel function that is missing, plus the function's
// place among the externs: what libbpf leaves there and Linux's log shows.
constexpr int32_t kMissingFunction = 2'002'000'000;

constexpr uint32_t kMaxSlots = 1'000'000;

Error Malformed(std::string message) { return {ErrorCode::kMalformedObject, std::move(message)}; }
Error Unsupported(std::string message) { return {ErrorCode::kUnsupported, std::move(message)}; }

class Linker {
 public:
  Linker(const ObjectFile& object, LinkBudget& budget) : object_(object), budget_(budget) {}
  Result<Program> Link(uint32_t entry);

 private:
  // A function in the linked code.
  struct Placed {
    uint32_t function = 0;
    uint32_t base = 0;  // its first slot
  };
  // A function whose instructions are being resolved.
  struct Frame {
    Placed placed;
    uint32_t slot = 0;  // next one, counted in the function
    size_t next = 0;    // next relocation of the section
  };

  Result<void> PlaceAll(uint32_t entry);
  Result<uint32_t> Place(uint32_t function);
  Result<void> ResolveSlot(Frame& frame, const Relocation* relocation);
  Result<void> ResolveCall(const Frame& frame, Insn& insn, const Relocation* relocation);
  Result<void> ResolveWideLoad(const Frame& frame, Insn* insn, const Relocation* relocation);
  Result<void> CallExtern(const Symbol& symbol, Insn& insn) const;
  Result<void> LoadExtern(const Symbol& symbol, Insn* insn);
  Result<const Extern*> FindExtern(const Symbol& symbol, std::string_view what) const;
  Result<void> ReferTo(const Frame& frame, uint32_t section, int64_t byte_offset, Insn& insn);
  Result<void> ReferToMap(const Symbol& symbol, const MapPlace& place, Insn* insn);
  Result<uint32_t> UseMap(uint32_t spec);

  // The program's own code needs no name in front of the instruction.
  std::string Where(const Frame& frame) const {
    if (frame.placed.base == 0) return fmt::format("insn {}", frame.slot);
    return fmt::format("function {}: insn {}", function(frame.placed).name, frame.slot);
  }
  const Function& function(const Placed& placed) const {
    return object_.functions.all()[placed.function];
  }
  const Section& section(const Function& f) const { return object_.elf.sections()[f.section]; }

  void MakeSubprograms(ProgramData& data) const;
  Result<void> MakeLines(ProgramData& data);
  uint32_t TypeOf(const Function& f) const;

  const ObjectFile& object_;
  LinkBudget& budget_;
  std::vector<Insn> insns_;
  std::vector<Placed> placed_;                      // ascending by base
  std::unordered_map<uint32_t, uint32_t> base_of_;  // by function
  std::vector<Frame> pending_;
  std::vector<uint32_t> inner_targets_;  // calls into the caller's own function
  std::vector<UnresolvedRelocation> unresolved_;
  std::vector<MapSpec> maps_;
  std::unordered_map<uint32_t, uint32_t> map_index_;  // by spec
};

Result<Program> Linker::Link(uint32_t entry) {
  const Function& main = object_.functions.all()[entry];
  const SectionMeaning meaning = ReadSectionName(section(main).name);
  SKEP_TRY_VOID(budget_.Take(sizeof(ProgramData) + sizeof(ObjectProgram) + 2 * main.name.size() +
                             2 * section(main).name.size()));
  SKEP_TRY_VOID(PlaceAll(entry));
  if (const auto it = object_.types.exception_callbacks.find(TypeOf(main));
      it != object_.types.exception_callbacks.end()) {
    const uint32_t callback = object_.functions.FindName(it->second);
    if (callback == kNoFunction)
      return Error{ErrorCode::kUnresolved,
                   fmt::format("exception callback '{}' does not exist", it->second)};
    if (!base_of_.contains(callback)) SKEP_TRY_VOID(PlaceAll(callback));
  }

  ProgramData data;
  data.name = main.name;
  data.section = meaning.name;
  data.target_btf = object_.options.target_btf;
  if (meaning.rule != nullptr) {
    data.type = meaning.rule->type;
    data.expected_attach_type = meaning.rule->attach_type;
    data.attach_target = meaning.target;
    SKEP_TRY(data.attach_btf_id, FindAttachTarget(meaning, data.target_btf.get()));
    if (data.type == ProgramTypeId::kStructOps) {
      SKEP_TRY(const StructOpsMember member, object_.struct_ops.Find(entry));
      data.attach_btf_id = member.type;
      data.expected_attach_type = member.member;
    }
    data.sleepable = meaning.rule->sleepable;
    data.flags = (meaning.rule->sleepable ? kProgSleepable : 0) |
                 (meaning.rule->frags ? kProgXdpHasFrags : 0);
  }
  if (const auto it = object_.types.program_flags.find(TypeOf(main));
      it != object_.types.program_flags.end()) {
    data.flags |= it->second;
  }
  data.license = object_.license;
  data.btf = object_.types.btf;
  MakeSubprograms(data);
  SKEP_TRY_VOID(MakeLines(data));
  data.insns = std::move(insns_);
  data.maps = std::move(maps_);
  data.unresolved_relocations = std::move(unresolved_);
  return Program::Create(std::move(data));
}

// Places `first` and, depth first, whatever its code refers to.
Result<void> Linker::PlaceAll(uint32_t first) {
  SKEP_TRY_VOID(Place(first));
  while (!pending_.empty()) {
    Frame& frame = pending_.back();
    const Function& f = function(frame.placed);
    if (frame.slot >= f.count) {
      pending_.pop_back();
      continue;
    }
    const auto relocations = object_.elf.relocations(f.section);
    const uint64_t offset = (uint64_t{f.start} + frame.slot) * kInsnSize;
    const Relocation* relocation = nullptr;
    if (frame.next < relocations.size() && relocations[frame.next].offset < offset + kInsnSize) {
      relocation = &relocations[frame.next++];
      if (relocation->offset != offset)
        return Malformed(
            fmt::format("{}: relocation in the middle of an instruction", Where(frame)));
      if (frame.next < relocations.size() && relocations[frame.next].offset == offset)
        return Malformed(fmt::format("{}: more than one relocation", Where(frame)));
    }
    SKEP_TRY_VOID(ResolveSlot(frame, relocation));
  }
  return {};
}

// Appends the function's code and leaves it to be resolved. Returns its base.
Result<uint32_t> Linker::Place(uint32_t index) {
  const Function& f = object_.functions.all()[index];
  if (f.count > kMaxSlots - insns_.size())
    return Error{ErrorCode::kResourceLimit, fmt::format("more than {} instructions", kMaxSlots),
                 E2BIG};
  SKEP_TRY_VOID(budget_.Take(uint64_t{f.count} * kInsnSize + sizeof(Subprogram) + f.name.size()));

  const auto base = static_cast<uint32_t>(insns_.size());
  insns_.resize(insns_.size() + f.count);
  std::memcpy(insns_.data() + base, section(f).data.data() + uint64_t{f.start} * kInsnSize,
              uint64_t{f.count} * kInsnSize);
  auto applied = ApplyCore(object_, f, base, std::span(insns_).subspan(base), budget_, unresolved_);
  // The program's own code needs no name in front of the instruction.
  if (!applied && base != 0)
    return std::move(applied).error().At(fmt::format("function {}", f.name));
  if (!applied) return std::move(applied).error();
  placed_.push_back({index, base});
  base_of_.emplace(index, base);

  const auto relocations = object_.elf.relocations(f.section);
  const auto first = std::lower_bound(
      relocations.begin(), relocations.end(), uint64_t{f.start} * kInsnSize,
      [](const Relocation& relocation, uint64_t offset) { return relocation.offset < offset; });
  pending_.push_back({placed_.back(), 0, static_cast<size_t>(first - relocations.begin())});
  return base;
}

// Resolves the instruction at frame.slot and moves on. `frame` is not used
// after a function was placed: placing may move the frames.
Result<void> Linker::ResolveSlot(Frame& frame, const Relocation* relocation) {
  const uint32_t at = frame.placed.base + frame.slot;
  Insn& insn = insns_[at];
  const Frame here = frame;
  if (insn.code == kCodeCall) {
    ++frame.slot;
    return ResolveCall(here, insn, relocation);
  }
  if (insn.code == kCodeWideLoad) {
    if (frame.slot + 1 >= function(frame.placed).count)
      return Malformed(fmt::format("{}: wide load is cut off by the function's end", Where(frame)));
    frame.slot += 2;
    return ResolveWideLoad(here, &insn, relocation);
  }
  if (relocation != nullptr) {
    return Malformed(
        fmt::format("{}: relocation of an instruction with opcode {:#04x}, need a "
                    "call or a wide load",
                    Where(frame), insn.code));
  }
  ++frame.slot;
  return {};
}

Result<void> Linker::ResolveCall(const Frame& frame, Insn& insn, const Relocation* relocation) {
  const Function& caller = function(frame.placed);
  if (relocation == nullptr) {
    if (insn.src == kCallKfunc)
      return Malformed(
          fmt::format("{}: call of a kernel function (kfunc) has no relocation", Where(frame)));
    if (insn.src != kCallLocal) return {};  // a helper, or nothing that linking knows
    const int64_t slot = int64_t{caller.start} + frame.slot + 1 + insn.imm;
    return ReferTo(frame, caller.section, slot * kInsnSize, insn);
  }
  if (relocation->type != kRelocCall)
    return Malformed(fmt::format("{}: relocation type {} on a call, need {} (R_BPF_64_32)",
                                 Where(frame), relocation->type, kRelocCall));
  const Symbol& symbol = object_.elf.symbols()[relocation->symbol];
  if (symbol.section == SHN_UNDEF) return CallExtern(symbol, insn).At(Where(frame));
  // The target is symbol + (imm + 1) instructions: clang writes imm -1 for a
  // function's symbol and the distance from the start for a section's.
  if (symbol.value > INT64_MAX / 2)
    return Malformed(
        fmt::format("{}: symbol '{}' lies outside its section", Where(frame), symbol.name));
  const int64_t target =
      static_cast<int64_t>(symbol.value) + (int64_t{insn.imm} + 1) * int64_t{kInsnSize};
  insn.src = kCallLocal;
  return ReferTo(frame, symbol.section, target, insn);
}

Result<void> Linker::ResolveWideLoad(const Frame& frame, Insn* insn, const Relocation* relocation) {
  const Function& holder = function(frame.placed);
  if (relocation == nullptr) {
    if (insn->src == kPseudoNone) return {};
    if (insn->src == kPseudoFunc) {
      const int64_t slot = int64_t{holder.start} + frame.slot + 1 + insn->imm;
      return ReferTo(frame, holder.section, slot * kInsnSize, *insn);
    }
    return Malformed(fmt::format("{}: wide load with source {} has no relocation", Where(frame),
                                 static_cast<int>(insn->src)));
  }
  if (relocation->type != kRelocWideLoad)
    return Malformed(fmt::format("{}: relocation type {} on a wide load, need {} (R_BPF_64_64)",
                                 Where(frame), relocation->type, kRelocWideLoad));
  const Symbol& symbol = object_.elf.symbols()[relocation->symbol];
  if (symbol.section == SHN_UNDEF) return LoadExtern(symbol, insn).At(Where(frame));
  if (symbol.section >= object_.elf.sections().size())
    return Unsupported(
        fmt::format("{}: symbol '{}' is absolute or common", Where(frame), symbol.name));
  const Section& target = object_.elf.sections()[symbol.section];
  if (target.IsCode()) {
    if (symbol.value > INT64_MAX / 2)
      return Malformed(
          fmt::format("{}: symbol '{}' lies outside its section", Where(frame), symbol.name));
    const int64_t offset = static_cast<int64_t>(symbol.value) + insn->imm;
    insn->src = kPseudoFunc;
    return ReferTo(frame, symbol.section, offset, *insn);
  }
  // A definition's address is the map; bytes of a data section lie in element 0.
  const MapPlace* place = object_.maps.Find(symbol.section, symbol.value);
  if (place == nullptr) {
    return Unsupported(
        fmt::format("{}: '{}' of section {} is neither a map nor in .data, .rodata or .bss",
                    Where(frame), symbol.name, target.name));
  }
  return ReferToMap(symbol, *place, insn).At(Where(frame));
}

Result<void> Linker::ReferToMap(const Symbol& symbol, const MapPlace& place, Insn* insn) {
  if (!place.is_data && place.offset != symbol.value)
    return Malformed(fmt::format("'{}' points into the middle of a map definition", symbol.name));
  SKEP_TRY(const uint32_t index, UseMap(place.spec));
  if (place.is_data) {
    insn[0].src = kPseudoMapValue;
    insn[1].imm = static_cast<int32_t>(static_cast<uint32_t>(insn[0].imm) +
                                       static_cast<uint32_t>(symbol.value));
  } else {
    insn[0].src = kPseudoMapFd;
    insn[1].imm = 0;
  }
  insn[0].imm = static_cast<int32_t>(index);
  return {};
}

Result<uint32_t> Linker::UseMap(uint32_t spec) {
  if (const auto it = map_index_.find(spec); it != map_index_.end()) return it->second;
  const MapSpec& map = object_.maps.specs[spec];
  uint64_t bytes = sizeof(MapSpec) + map.name.size();
  for (const auto& slot : map.initial_slots) bytes += sizeof(slot) + slot.second.size();
  SKEP_TRY_VOID(budget_.Take(bytes));
  const auto index = static_cast<uint32_t>(maps_.size());
  maps_.push_back(map);
  map_index_.emplace(spec, index);
  return index;
}

// Makes `insn`, a call or function address, refer to the function at
// `byte_offset` of `section`, and places that if it is new.
Result<void> Linker::ReferTo(const Frame& frame, uint32_t section, int64_t byte_offset,
                             Insn& insn) {
  const uint32_t at = frame.placed.base + frame.slot;
  const Function& from = function(frame.placed);
  uint32_t target = kNoFunction;
  if (byte_offset >= 0 && byte_offset % kInsnSize == 0)
    target = object_.functions.FindStart(section, static_cast<uint64_t>(byte_offset) / kInsnSize);
  if (target == kNoFunction) {
    // Hand-written code may call into its own function: a subprogram that has
    // no symbol.
    const int64_t slot = byte_offset / int64_t{kInsnSize} - from.start;
    if (section == from.section && byte_offset >= 0 && byte_offset % kInsnSize == 0 && slot > 0 &&
        slot < from.count) {
      inner_targets_.push_back(frame.placed.base + static_cast<uint32_t>(slot));
      insn.imm = static_cast<int32_t>(slot - frame.slot - 1);
      return {};
    }
    const std::string_view name =
        section < object_.elf.sections().size() ? object_.elf.sections()[section].name : "";
    return Error{ErrorCode::kUnresolved, fmt::format("{}: no function starts at offset {} of "
                                                     "section {}",
                                                     Where(frame), byte_offset, name)};
  }
  uint32_t base = 0;
  if (const auto it = base_of_.find(target); it != base_of_.end()) {
    base = it->second;
  } else {
    SKEP_TRY(base, Place(target));
  }
  // Placing may have moved the code: no use of `insn`.
  insns_[at].imm = static_cast<int32_t>(base) - static_cast<int32_t>(at) - 1;
  return {};
}

Result<const Extern*> Linker::FindExtern(const Symbol& symbol, std::string_view what) const {
  const Extern* found = object_.externs.Find(symbol.name);
  if (found == nullptr) {
    const auto it = object_.types.externs.find(symbol.name);
    return Error{ErrorCode::kUnresolved,
                 it == object_.types.externs.end()
                     ? fmt::format("undefined {} '{}'", what, symbol.name)
                     : fmt::format("'{}' of section {} is defined in another object", symbol.name,
                                   it->second.section)};
  }
  if (found->error) return *found->error;
  return found;
}

Result<void> Linker::CallExtern(const Symbol& symbol, Insn& insn) const {
  SKEP_TRY(const Extern* one, FindExtern(symbol, "function"));
  if (one->kind != ExternKind::kFunction)
    return Malformed(fmt::format("call of '{}', which is no function", symbol.name));
  insn.dst = insn.src = 0;
  insn.off = 0;
  if (one->found) {
    insn.src = kCallKfunc;
    insn.imm = static_cast<int32_t>(one->value);
  } else {
    insn.imm = kMissingFunction + static_cast<int32_t>(one - object_.externs.all().data());
  }
  return {};
}

Result<void> Linker::LoadExtern(const Symbol& symbol, Insn* insn) {
  SKEP_TRY(const Extern* one, FindExtern(symbol, "symbol"));
  if (insn[0].imm != 0)
    return Unsupported(fmt::format("address {} bytes from the start of the extern '{}'",
                                   insn[0].imm, symbol.name));
  const uint64_t value = one->found || one->kind == ExternKind::kConfig ? one->value : 0;
  if (one->kind == ExternKind::kConfig) {
    SKEP_TRY(const uint32_t index, UseMap(object_.externs.config_map()));
    insn[0].src = kPseudoMapValue;
    insn[0].imm = static_cast<int32_t>(index);
    insn[1].imm = static_cast<int32_t>(value);
  } else if (one->kind == ExternKind::kSymbol || !one->found) {
    insn[0].src = kPseudoNone;
    insn[0].imm = static_cast<int32_t>(value);
    insn[1].imm = static_cast<int32_t>(value >> 32);
  } else {
    insn[0].src = kPseudoBtfId;
    insn[0].imm = static_cast<int32_t>(value);
    insn[1].imm = 0;
  }
  return {};
}

uint32_t Linker::TypeOf(const Function& f) const {
  const auto& records = object_.types.sections[f.section].functions;
  const auto it = std::lower_bound(
      records.begin(), records.end(), uint64_t{f.start} * kInsnSize,
      [](const btf::FuncInfo& r, uint64_t offset) { return r.insn_offset < offset; });
  const bool exact = it != records.end() && it->insn_offset == uint64_t{f.start} * kInsnSize;
  return exact ? it->type_id : 0;
}

void Linker::MakeSubprograms(ProgramData& data) const {
  for (const Placed& placed : placed_) {
    const Function& f = function(placed);
    Subprogram subprogram;
    subprogram.name = f.name;
    subprogram.start = placed.base;
    subprogram.end = placed.base + f.count;
    subprogram.btf_type_id = TypeOf(f);
    // Without a prototype there is nothing to verify a function alone by.
    subprogram.is_global = f.global && subprogram.btf_type_id != 0 &&
                           data.btf->linkage(subprogram.btf_type_id) == btf::Linkage::kGlobal;
    data.subprograms.push_back(std::move(subprogram));
  }
  // Cut where code calls into its own function.
  std::vector<uint32_t> cuts = inner_targets_;
  std::sort(cuts.begin(), cuts.end());
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
  if (cuts.empty()) return;
  std::vector<Subprogram> parts;
  size_t next = 0;
  for (Subprogram& whole : data.subprograms) {
    const uint32_t end = whole.end;
    Subprogram part = whole;
    for (; next < cuts.size() && cuts[next] < end; ++next) {
      part.end = cuts[next];
      parts.push_back(part);
      part = {fmt::format("{}+{}", whole.name, cuts[next] - whole.start), cuts[next], end};
    }
    part.end = end;
    parts.push_back(std::move(part));
  }
  data.subprograms = std::move(parts);
}

Result<void> Linker::MakeLines(ProgramData& data) {
  if (data.btf == nullptr) return {};
  for (const Placed& placed : placed_) {
    const Function& f = function(placed);
    const auto& records = object_.types.sections[f.section].lines;
    const uint64_t start = uint64_t{f.start} * kInsnSize;
    const uint64_t end = start + uint64_t{f.count} * kInsnSize;
    auto it = std::lower_bound(
        records.begin(), records.end(), start,
        [](const btf::LineInfo& r, uint64_t offset) { return r.insn_offset < offset; });
    for (; it != records.end() && it->insn_offset < end; ++it) {
      const uint32_t slot =
          placed.base + static_cast<uint32_t>((it->insn_offset - start) / kInsnSize);
      if (!data.lines.empty() && data.lines.back().insn == slot) continue;
      SKEP_TRY_VOID(budget_.Take(sizeof(SourceLine)));
      data.lines.push_back({slot, it->line(), it->column(), data.btf->StringAt(it->file_offset),
                            data.btf->StringAt(it->text_offset)});
    }
  }
  data.line_storage = data.btf;
  return {};
}

}  // namespace

Result<void> LinkBudget::Take(uint64_t bytes) {
  if (bytes > left_)
    return Error{ErrorCode::kResourceLimit,
                 "the object's programs share more code and maps than this loader copies", E2BIG};
  left_ -= bytes;
  return {};
}

Result<Program> LinkProgram(const ObjectFile& object, uint32_t entry, LinkBudget& budget) {
  return Linker(object, budget).Link(entry);
}

}  // namespace skep::loader
