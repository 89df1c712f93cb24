// SPDX-License-Identifier: Apache-2.0
// Symbols and relocations of LinkObjects. A relocation against a symbol moves
// with it; one against a section counts from the section's start, so what it
// adds grows by where the input's part of the section begins.
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "base/byte_reader.h"
#include "loader/object_merger.h"

namespace skep::loader {
namespace {

// Relocation types of the BPF machine (Linux's Documentation/bpf/llvm_reloc.rst).
enum RelocationType : uint32_t {
  kWideLoad = 1,   // R_BPF_64_64: imm of a wide load, in bytes
  kAbs64 = 2,      // R_BPF_64_ABS64
  kAbs32 = 3,      // R_BPF_64_ABS32
  kNoDynamic = 4,  // R_BPF_64_NODYLD32
  kCall = 10,      // R_BPF_64_32: imm of a call, in instructions less one
};

constexpr uint64_t kImmAt = 4;  // in an instruction
constexpr uint32_t kInsnBytes = 8;

Error Malformed(std::string message) {
  return {ErrorCode::kMalformedObject, std::move(message), EINVAL};
}

bool IsHidden(const Symbol& symbol) {
  return symbol.visibility == STV_HIDDEN || symbol.visibility == STV_INTERNAL;
}

// Adds to the number at `offset`; false if it does not lie inside or would wrap.
template <class Number>
bool AddTo(std::vector<std::byte>& data, uint64_t offset, uint64_t delta) {
  const auto number = ByteReader(data).Read<Number>(offset);
  if (!number || delta > static_cast<uint64_t>(std::numeric_limits<Number>::max()) ||
      *number > std::numeric_limits<Number>::max() - static_cast<Number>(delta))
    return false;
  const auto sum = static_cast<Number>(*number + static_cast<Number>(delta));
  std::memcpy(data.data() + offset, &sum, sizeof sum);
  return true;
}

bool AddToField(std::vector<std::byte>& data, uint64_t offset, uint32_t type, uint64_t delta) {
  switch (type) {
    case kWideLoad:
      return AddTo<int32_t>(data, offset + kImmAt, delta);
    case kCall:
      return AddTo<int32_t>(data, offset + kImmAt, delta / kInsnBytes);
    case kAbs64:
      return AddTo<uint64_t>(data, offset, delta);
    case kAbs32:
    case kNoDynamic:
      return AddTo<uint32_t>(data, offset, delta);
    default:
      return false;
  }
}

}  // namespace

Result<void> ObjectMerger::AddSymbols(Input& input, uint32_t number) {
  input.symbols.resize(input.elf.symbols().size());
  for (uint32_t i = 1; i < input.symbols.size(); ++i) {
    const Symbol& symbol = input.elf.symbols()[i];
    SymbolPlace& place = input.symbols[i];
    if (symbol.section == SHN_ABS && symbol.type == STT_FILE) continue;
    const bool local = symbol.binding == STB_LOCAL;
    const bool undefined = symbol.section == SHN_UNDEF;
    Chunk chunk;
    if (!undefined && symbol.section >= input.chunks.size())
      return Error{ErrorCode::kUnsupported,
                   fmt::format("symbol '{}' is absolute or common", symbol.name)};
    if (!undefined) chunk = input.chunks[symbol.section];
    // Of debug information, say.
    if (chunk.section == kNowhere && (local || !undefined)) continue;
    if (symbol.type == STT_SECTION) {
      place = {SymbolPlace::Kind::kSection, chunk.section};
    } else if (local) {
      place = {SymbolPlace::Kind::kLocal, static_cast<uint32_t>(locals_.size())};
      Symbol moved = symbol;
      moved.section = static_cast<uint16_t>(chunk.section);
      moved.value += chunk.offset;
      locals_.push_back(moved);
    } else if (symbol.name.empty()) {
      return Malformed(fmt::format("symbol {} is global and has no name", i));
    } else {
      SKEP_TRY_VOID(Resolve(input, number, symbol));
      place = {SymbolPlace::Kind::kGlobal, global_by_name_.at(symbol.name)};
    }
  }
  return {};
}

// A definition counts before a declaration, a strong one before a weak one, and
// the first before the next.
Result<void> ObjectMerger::Resolve(const Input& input, uint32_t number, const Symbol& symbol) {
  const bool defined = symbol.section != SHN_UNDEF;
  const bool weak = symbol.binding == STB_WEAK;
  const auto [it, added] =
      global_by_name_.try_emplace(symbol.name, static_cast<uint32_t>(globals_.size()));
  if (added) {
    Global global;
    global.input = number;
    global.symbol = symbol;
    global.defined = defined;
    global.hidden = IsHidden(symbol);
    global.weak = weak;
    globals_.push_back(global);
    return {};
  }
  Global& global = globals_[it->second];
  global.hidden |= IsHidden(symbol);
  if (!defined) {
    if (!global.defined) global.weak &= weak;
    return {};
  }
  if (global.defined && !global.weak && !weak) {
    const std::string& other = global.input == number ? input.name : inputs_[global.input].name;
    return Malformed(fmt::format("symbol '{}' is defined in {} too", symbol.name, other));
  }
  if (global.defined && weak) return {};
  global.input = number;
  global.symbol = symbol;
  global.defined = true;
  global.weak = weak;
  return {};
}

Result<void> ObjectMerger::MoveRelocations(const Input& input) {
  for (uint32_t i = 1; i < input.chunks.size(); ++i) {
    if (input.chunks[i].section == kNowhere) continue;
    for (const Relocation& relocation : input.elf.relocations(i)) {
      auto moved = MoveRelocation(input, i, relocation);
      if (!moved) {
        return std::move(moved).error().At(fmt::format(
            "section {}: relocation at {}", input.elf.sections()[i].name, relocation.offset));
      }
    }
  }
  return {};
}

Result<void> ObjectMerger::MoveRelocation(const Input& input, uint32_t section,
                                          const Relocation& relocation) {
  const Chunk& chunk = input.chunks[section];
  OutSection& to = sections_[chunk.section];
  const uint64_t offset = chunk.offset + relocation.offset;
  const SymbolPlace& place = input.symbols[relocation.symbol];
  const Symbol& symbol = input.elf.symbols()[relocation.symbol];
  uint64_t index = place.index;
  switch (place.kind) {
    case SymbolPlace::Kind::kNone:
      return Malformed(fmt::format("symbol '{}' is in no section that is loaded", symbol.name));
    case SymbolPlace::Kind::kSection: {
      const uint64_t delta = input.chunks[symbol.section].offset;
      if (!AddToField(to.data, offset, relocation.type, delta))
        return Malformed(fmt::format("type {} adds {} to what it cannot", relocation.type, delta));
      index += 1;
      break;
    }
    case SymbolPlace::Kind::kLocal:
      index += 1 + sections_.size();
      break;
    case SymbolPlace::Kind::kGlobal:
      index += first_global();
      break;
  }
  to.relocations.push_back({offset, ELF64_R_INFO(index, relocation.type)});
  return {};
}

std::vector<Elf64_Sym> ObjectMerger::MakeSymbols(StringTable& names) const {
  std::vector<Elf64_Sym> out(1);
  const auto add = [&](std::string_view name, uint8_t binding, uint8_t type, uint8_t visibility,
                       uint32_t section, uint64_t value, uint64_t size) {
    Elf64_Sym& made = out.emplace_back();
    made.st_name = names.Add(name);
    made.st_info = static_cast<unsigned char>(ELF64_ST_INFO(binding, type));
    made.st_other = visibility;
    made.st_shndx = static_cast<uint16_t>(section);
    made.st_value = value;
    made.st_size = size;
  };
  for (const OutSection& section : sections_)
    add({}, STB_LOCAL, STT_SECTION, STV_DEFAULT, section.index, 0, 0);
  for (const Symbol& symbol : locals_) {
    add(symbol.name, STB_LOCAL, symbol.type, symbol.visibility, sections_[symbol.section].index,
        symbol.value, symbol.size);
  }
  for (const Global& global : globals_) {
    const Symbol& symbol = global.symbol;
    Chunk chunk;
    if (global.defined) chunk = inputs_[global.input].chunks[symbol.section];
    add(symbol.name, global.weak ? STB_WEAK : STB_GLOBAL, symbol.type,
        global.hidden ? STV_HIDDEN : symbol.visibility,
        global.defined ? sections_[chunk.section].index : uint32_t{SHN_UNDEF},
        symbol.value + chunk.offset, symbol.size);
  }
  return out;
}

}  // namespace skep::loader
