// SPDX-License-Identifier: Apache-2.0
// Names of helpers and maps for the assembler and the disassembler.

#ifndef SKEP_VM_HELPER_SYMBOLS_H_
#define SKEP_VM_HELPER_SYMBOLS_H_

#include <optional>
#include <string>
#include <string_view>

#include "helpers/helper_table.h"
#include "isa/asm_symbols.h"

namespace skep {

// Helpers by the names that Linux gives them, with or without "bpf_".
class HelperSymbols : public AsmSymbols {
 public:
  std::optional<int32_t> HelperId(std::string_view name) const override {
    if (name.starts_with("bpf_")) name.remove_prefix(4);
    for (const HelperSpec& spec : HelperTable()) {
      if (spec.name == name) return static_cast<int32_t>(spec.id);
    }
    return std::nullopt;
  }
  std::string HelperName(int32_t id) const override {
    for (const HelperSpec& spec : HelperTable()) {
      if (static_cast<int64_t>(spec.id) == id) return std::string(spec.name);
    }
    return {};
  }
};

}  // namespace skep

#endif  // SKEP_VM_HELPER_SYMBOLS_H_
