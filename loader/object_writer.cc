// SPDX-License-Identifier: Apache-2.0
// Layout: ELF header, code, maps, license, relocations, symbols, strings, BTF,
// section names, section headers. Without maps there is neither .maps nor .BTF.
#include "loader/object_writer.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <elf.h>
#include <fmt/format.h>

#include "loader/elf_writer.h"
#include "loader/map_btf.h"

namespace skep::loader {
namespace {

constexpr uint32_t kRelocationBpf6464 = 1;

class Writer {
 public:
  Writer(const ProgramData& program, const std::string& section)
      : program_(program), section_(section) {}

  Result<std::vector<std::byte>> Run() {
    SKEP_TRY_VOID(CheckMaps());
    AddCode();
    AddMaps();
    AddSection("license", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, program_.license.c_str(),
               program_.license.size() + 1);
    AddSymbols();
    AddTables();
    return std::move(elf_).Finish();
  }

 private:
  static constexpr uint16_t kCodeSection = 1, kMapsSection = 2;
  // After code, license and relocations, and maps if there are.
  uint16_t SymbolSection() const { return program_.maps.empty() ? 4 : 5; }
  uint16_t StringSection() const { return static_cast<uint16_t>(SymbolSection() + 1); }

  Result<void> CheckMaps() const {
    for (const MapSpec& map : program_.maps) {
      if (map.inner != nullptr || map.initial_value != nullptr || !map.initial_slots.empty()) {
        return Error{ErrorCode::kUnsupported,
                     fmt::format("map '{}' has an inner map or initial values, which an object "
                                 "from text cannot hold",
                                 map.name)};
      }
    }
    return {};
  }

  void AddSection(const std::string& name, uint32_t type, uint64_t flags, const void* data,
                  size_t size, uint32_t link = 0, uint32_t info = 0, uint64_t entry_size = 0) {
    elf_.Add({name, type, flags, link, info, entry_size},
             {static_cast<const std::byte*>(data), size});
  }

  // Symbol 0 is empty, 1 the program, then one for each map.
  void AddCode() {
    std::vector<Insn> code = program_.insns;
    for (size_t slot = 0; slot < code.size(); ++slot) {
      if (code[slot].code != 0x18) continue;
      if (code[slot].src == kPseudoMapFd) {
        const auto symbol = static_cast<uint64_t>(2 + code[slot].imm);
        relocations_.push_back({slot * sizeof(Insn), ELF64_R_INFO(symbol, kRelocationBpf6464)});
        code[slot].imm = 0;
        code[slot].src = 0;
      }
      ++slot;
    }
    AddSection(section_, SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, code.data(),
               code.size() * sizeof(Insn));
  }

  void AddMaps() {
    if (program_.maps.empty()) return;
    const std::vector<std::byte> zeros(program_.maps.size() * kMapDeclarationBytes);
    AddSection(".maps", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, zeros.data(), zeros.size());
  }

  void AddSymbols() {
    AddSection(".rel" + section_, SHT_REL, 0, relocations_.data(),
               relocations_.size() * sizeof(Elf64_Rel), SymbolSection(), kCodeSection,
               sizeof(Elf64_Rel));
    std::vector<Elf64_Sym> symbols(1);
    symbols.push_back(
        Symbol(program_.name, STT_FUNC, kCodeSection, 0, program_.insns.size() * sizeof(Insn)));
    for (size_t i = 0; i < program_.maps.size(); ++i) {
      symbols.push_back(Symbol(program_.maps[i].name, STT_OBJECT, kMapsSection,
                               i * kMapDeclarationBytes, kMapDeclarationBytes));
    }
    AddSection(".symtab", SHT_SYMTAB, 0, symbols.data(), symbols.size() * sizeof(Elf64_Sym),
               StringSection(), 1, sizeof(Elf64_Sym));
  }

  Elf64_Sym Symbol(const std::string& name, unsigned char type, uint16_t section, uint64_t value,
                   uint64_t size) {
    Elf64_Sym symbol = {};
    symbol.st_name = strings_.Add(name);
    symbol.st_info = static_cast<unsigned char>(ELF64_ST_INFO(STB_GLOBAL, type));
    symbol.st_shndx = section;
    symbol.st_value = value;
    symbol.st_size = size;
    return symbol;
  }

  void AddTables() {
    AddSection(".strtab", SHT_STRTAB, 0, strings_.bytes().data(), strings_.bytes().size());
    if (!program_.maps.empty()) {
      const std::vector<std::byte> btf = WriteMapBtf(program_.maps);
      AddSection(".BTF", SHT_PROGBITS, 0, btf.data(), btf.size());
    }
  }

  const ProgramData& program_;
  const std::string& section_;
  ElfWriter elf_;
  std::vector<Elf64_Rel> relocations_;
  StringTable strings_;
};

}  // namespace

Result<std::vector<std::byte>> WriteObject(const ProgramData& program, const std::string& section) {
  for (size_t slot = 0; slot < program.insns.size(); ++slot) {
    const Insn& insn = program.insns[slot];
    if (insn.code != 0x18) continue;
    if (insn.src != kPseudoNone && insn.src != kPseudoMapFd && insn.src != kPseudoFunc) {
      return Error{ErrorCode::kUnsupported,
                   fmt::format("instruction {} refers to the value of a map, which an object from "
                               "text cannot hold",
                               slot)};
    }
    ++slot;
  }
  return Writer(program, section).Run();
}

}  // namespace skep::loader
