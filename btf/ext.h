// SPDX-License-Identifier: Apache-2.0
// BtfExt: the .BTF.ext section of an object file: which function starts at an
// instruction, which source line an instruction comes from, and which
// instructions CO-RE has to adjust.
//
// Threads: immutable. Lifetime: section names are views into the Btf it was
// parsed with.

#ifndef SKEP_BTF_EXT_H_
#define SKEP_BTF_EXT_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "skep/result.h"

#include "btf/btf.h"

namespace skep::btf {

// Instruction offsets are bytes from the start of the ELF section.
struct FuncInfo {
  uint32_t insn_offset = 0;
  uint32_t type_id = 0;  // a kFunc
};
struct LineInfo {
  uint32_t insn_offset = 0;
  uint32_t file_offset = 0;  // Btf::StringAt
  uint32_t text_offset = 0;  // Btf::StringAt
  uint32_t line_column = 0;
  uint32_t line() const { return line_column >> 10; }
  uint32_t column() const { return line_column & 0x3ff; }
};
struct CoreRelocation {
  uint32_t insn_offset = 0;
  uint32_t type_id = 0;
  uint32_t access_offset = 0;  // Btf::StringAt: "0:1:2"
  uint32_t kind = 0;           // Linux's enum bpf_core_relo_kind
};

// The records of one ELF section, ascending by instruction offset.
template <class Record>
struct SectionRecords {
  std::string_view section;
  std::vector<Record> records;
};

struct BtfExt {
  std::vector<SectionRecords<FuncInfo>> functions;
  std::vector<SectionRecords<LineInfo>> lines;
  std::vector<SectionRecords<CoreRelocation>> core_relocations;

  // Fails with kMalformedObject or, for versions and flags, kUnsupported.
  // Record sizes may exceed what is known here, up to Linux's limit of 252.
  static Result<BtfExt> Parse(std::span<const std::byte> bytes, const Btf& btf);
};

}  // namespace skep::btf

#endif  // SKEP_BTF_EXT_H_
