// SPDX-License-Identifier: Apache-2.0
// AsmSymbols: how the assembler and the disassembler learn names that the
// instruction set does not know. Override what there is; everything else stays
// a number.
//
// Threads: the functions are called from the calling thread only.

#ifndef SKEP_ISA_ASM_SYMBOLS_H_
#define SKEP_ISA_ASM_SYMBOLS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace skep {

class AsmSymbols {
 public:
  virtual ~AsmSymbols() = default;

  // Id of the helper, named as in the source ("map_lookup_elem" and
  // "bpf_map_lookup_elem" should both be known); nullopt if there is none.
  virtual std::optional<int32_t> HelperId(std::string_view name) const {
    static_cast<void>(name);
    return std::nullopt;
  }
  // Index of the map, as it goes into the immediate; nullopt if there is none.
  virtual std::optional<int32_t> MapIndex(std::string_view name) const {
    static_cast<void>(name);
    return std::nullopt;
  }
  // Name of the helper as the disassembly shall show it; empty if unknown.
  virtual std::string HelperName(int32_t id) const {
    static_cast<void>(id);
    return {};
  }
};

}  // namespace skep

#endif  // SKEP_ISA_ASM_SYMBOLS_H_
