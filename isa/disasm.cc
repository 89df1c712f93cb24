// SPDX-License-Identifier: Apache-2.0
// Expands the text column of isa/opcodes.def.

#include "isa/disasm.h"

#include <cstdio>
#include <cstring>

#include "base/check.h"

namespace skep {
namespace {

template <class... Values>
void Append(std::string& out, const char* format, Values... values) {
  char text[64];
  const int length = std::snprintf(text, sizeof text, format, values...);
  SKEP_CHECK(length >= 0 && length < static_cast<int>(sizeof text));
  out.append(text, static_cast<size_t>(length));
}

void AppendHelper(std::string& out, int32_t id, const AsmSymbols* symbols) {
  const std::string name = symbols == nullptr ? std::string() : symbols->HelperName(id);
  if (name.empty()) {
    Append(out, "%u", static_cast<unsigned>(id));
  } else {
    out += name;
    Append(out, "#%d", id);
  }
}

// One directive of the text column; the list is at the top of opcodes.def.
void AppendField(std::string& out, char field, const DecodedInsn& insn, const AsmSymbols* symbols) {
  switch (field) {
    case 'd':
      return Append(out, "%d", int{insn.dst});
    case 's':
      return Append(out, "%d", int{insn.src});
    case 'i':
    case 'm':
      return Append(out, "%d", insn.imm);
    case 'x':
      return Append(out, "0x%x", static_cast<unsigned>(insn.imm));
    case 'p':
      return Append(out, "%+d", insn.imm);
    case 'n':
      return AppendHelper(out, insn.imm, symbols);
    case 'c':
      return Append(out, "%u, %u", static_cast<unsigned>(insn.imm) >> 16,
                    static_cast<unsigned>(insn.imm) & 0xffff);
    case 'o':
      return Append(out, "%+d", int{insn.off});
    case 'f':
      return Append(out, "%d", int{insn.off});
    case 'e':
      return insn.off == 0 ? void() : Append(out, " off %d", int{insn.off});
    case 't':
      return Append(out, "pc%+d", int{insn.off});
    case 'l':
      return Append(out, "pc%+d", insn.imm);
    case 'q':
      return Append(out, "0x%llx", static_cast<unsigned long long>(insn.imm64));
    case 'h':
      return Append(out, "%u", insn.imm_high());
    case 'j':
      return insn.imm_high() == 0 ? void() : Append(out, "[%u]", insn.imm_high());
    case '%':
      out += '%';
      return;
  }
  SKEP_CHECK(!"a directive that opcodes.def lists");
}

}  // namespace

std::string Disassemble(const DecodedInsn& insn, const AsmSymbols* symbols) {
  SKEP_CHECK(insn.op != Op::kInvalid);
  std::string out;
  const std::string_view text = Info(insn.op).text;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      AppendField(out, text[++i], insn, symbols);
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string DisassembleProgram(std::span<const Insn> code, const AsmSymbols* symbols) {
  std::string out;
  for (size_t at = 0; at < code.size();) {
    if (const DecodeResult decoded = Decode(code, at)) {
      out += Disassemble(decoded.insn, symbols);
      at += decoded.slots();
    } else {
      unsigned long long word = 0;
      static_assert(sizeof word == sizeof(Insn));
      std::memcpy(&word, &code[at], sizeof word);
      Append(out, ".insn 0x%016llx", word);
      ++at;
    }
    out += '\n';
  }
  return out;
}

}  // namespace skep
