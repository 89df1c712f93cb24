// SPDX-License-Identifier: Apache-2.0
// ObjectMerger: the state of LinkObjects. Inputs are taken apart and their
// sections laid one after the other (object_merger.cc); names are resolved
// and relocations moved along (merge_symbols.cc); types and their records
// follow (merge_types.cc).
//
// Threads: a value of one thread. Lifetime: views into the inputs' bytes.

#ifndef SKEP_LOADER_OBJECT_MERGER_H_
#define SKEP_LOADER_OBJECT_MERGER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <elf.h>

#include "skep/link.h"
#include "skep/result.h"

#include "btf/btf.h"
#include "btf/ext.h"
#include "loader/elf_file.h"
#include "loader/elf_writer.h"
#include "loader/merge_btf.h"

namespace skep::loader {

class ObjectMerger {
 public:
  Result<void> Add(const LinkInput& input);
  Result<std::vector<std::byte>> Finish();

 private:
  static constexpr uint32_t kNowhere = 0xffffffff;

  // Where a section of an input went.
  struct Chunk {
    uint32_t section = kNowhere;  // index into sections_
    uint64_t offset = 0;
  };
  // What a symbol of an input became: an index into sections_, locals_ or
  // globals_.
  struct SymbolPlace {
    enum class Kind : uint8_t { kNone, kSection, kLocal, kGlobal } kind = Kind::kNone;
    uint32_t index = 0;
  };
  struct Input {
    std::string name;
    ElfFile elf;
    std::shared_ptr<const btf::Btf> btf;  // may be null
    btf::BtfExt ext;
    std::vector<uint64_t> alignments;  // by section of the input
    std::vector<Chunk> chunks;         // by section of the input
    std::vector<SymbolPlace> symbols;  // by symbol of the input
    uint32_t base = 0;                 // what BtfMerger::Add returned
  };
  struct OutSection {
    std::string_view name;
    uint32_t type = 0;
    uint64_t flags = 0;
    uint64_t alignment = 1;
    uint64_t size = 0;
    std::vector<std::byte> data;  // unless it is SHT_NOBITS
    std::vector<Elf64_Rel> relocations;
    uint32_t index = 0;  // in the file
  };
  struct Global {
    uint32_t input = 0;  // that defines it or, if none does, the first that declares it
    Symbol symbol;       // there
    bool defined = false;
    bool hidden = false;
    bool weak = false;
    uint32_t type = 0;        // its kVar or kFunc in the BTF of type_input; 0 if it has none
    uint32_t type_input = 0;  // `input`, or the first that has a type for it
  };

  // ---- object_merger.cc
  Result<void> AddSections(Input& input, std::span<const std::byte> bytes);
  Result<void> AddSection(Input& input, uint32_t index);
  Result<std::vector<std::byte>> Write(std::span<const std::byte> types,
                                       std::span<const std::byte> records);

  // ---- merge_symbols.cc
  Result<void> AddSymbols(Input& input, uint32_t number);
  Result<void> Resolve(const Input& input, uint32_t number, const Symbol& symbol);
  Result<void> MoveRelocations(const Input& input);
  Result<void> MoveRelocation(const Input& input, uint32_t section, const Relocation& relocation);
  // The symbol table, and the names of its symbols.
  std::vector<Elf64_Sym> MakeSymbols(StringTable& names) const;
  uint32_t first_global() const {
    return static_cast<uint32_t>(1 + sections_.size() + locals_.size());
  }

  // ---- merge_types.cc
  Result<void> AddTypes(Input& input, std::span<const std::byte> bytes);
  Result<void> MatchGlobals();
  void FindTypes(uint32_t number);
  Result<void> MatchTypes(uint32_t number);
  Result<void> MatchType(const Global& global, uint32_t number, uint32_t id, bool is_map) const;
  void MergeDataSections();
  void AddVariables(uint32_t number, uint32_t datasec, std::vector<btf::SectionVariable>& out);
  std::vector<std::byte> MergeRecords();
  // Null for static ones, and for what the symbol table does not know.
  Global* FindGlobal(const btf::Btf& btf, uint32_t id);
  // The input's part of the code section of this name.
  const Chunk* FindChunk(const Input& input, std::string_view name) const;
  template <class Record>
  void MergeTable(std::vector<btf::SectionRecords<Record>> btf::BtfExt::*table,
                  std::vector<std::byte>& out);

  std::vector<Input> inputs_;
  std::vector<OutSection> sections_;
  std::unordered_map<std::string_view, uint32_t> section_by_name_;
  // Symbols that no other object sees, but for those of sections. `section` is
  // an index into sections_, `value` as in the result.
  std::vector<Symbol> locals_;
  std::vector<Global> globals_;
  std::unordered_map<std::string_view, uint32_t> global_by_name_;
  BtfMerger btf_;
  uint64_t padding_left_ = 1u << 18;  // bytes
  bool has_types_ = false;
};

}  // namespace skep::loader

#endif  // SKEP_LOADER_OBJECT_MERGER_H_
