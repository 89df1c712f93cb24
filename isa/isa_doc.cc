// SPDX-License-Identifier: Apache-2.0
#include "isa/isa_doc.h"

#include <cstdio>

#include "isa/disasm.h"
#include "isa/op.h"

namespace skep {
namespace {

const char* Title(OpClass op_class) {
  switch (op_class) {
    case OpClass::kAlu:
      return "Arithmetic, moves and byte order";
    case OpClass::kCast:
      return "Address spaces";
    case OpClass::kLoad:
      return "Loads";
    case OpClass::kStore:
      return "Stores";
    case OpClass::kAtomic:
      return "Atomic read-modify-write";
    case OpClass::kPacketLoad:
      return "Packet loads";
    case OpClass::kWideLoad:
      return "Wide loads";
    case OpClass::kJump:
      return "Jumps";
    case OpClass::kBranch:
      return "Conditional jumps";
    case OpClass::kMayGoto:
      return "Bounded loops";
    case OpClass::kCall:
      return "Calls";
    case OpClass::kExit:
      return "Exit";
  }
  return "";
}

const char* Remark(OpClass op_class) {
  switch (op_class) {
    case OpClass::kAlu:
      return "`w` names the low half of a register: such an operation leaves the upper half zero. "
             "Division by zero gives 0, modulo by zero leaves dst, the smallest number divided by "
             "-1 is itself, and shift counts are taken modulo the width. Linux's verifier refuses "
             "immediate divisors of 0 and immediate counts beyond the width.";
    case OpClass::kCast:
      return "The immediate is 1 (space 1 to 0) or 65536 (0 to 1). Only in programs that use an "
             "arena map.";
    case OpClass::kLoad:
      return "The address is src + off. `u` loads leave the bits above zero, `s` loads extend the "
             "sign to 64 bits.";
    case OpClass::kStore:
      return "The address is dst + off. An immediate is sign-extended before it is cut to the "
             "width.";
    case OpClass::kAtomic:
      return "The address is dst + off and must be aligned. Those that return the old value write "
             "it, zero-extended, to src; compare-and-exchange compares with r0 and returns it "
             "there. They are fully ordered; the others are relaxed.";
    case OpClass::kPacketLoad:
      return "Bytes of the packet in network order, into r0. r6 must hold the context; r1 to r5 "
             "are lost; outside the packet the program ends with 0.";
    case OpClass::kWideLoad:
      return "Two slots; the second holds the high half of the immediate and zeros. What the "
             "immediate means is in src.";
    case OpClass::kJump:
      return "Distances count slots from the one after the instruction.";
    case OpClass::kBranch:
      return "An immediate is sign-extended to 64 bits; `w` compares low halves.";
    case OpClass::kMayGoto:
      return "Falls through until the program has used up its budget of iterations or time, then "
             "jumps.";
    case OpClass::kCall:
      return "r1 to r5 are arguments and lost, r0 is the result, r6 to r9 stay.";
    case OpClass::kExit:
      return "Returns r0. Linux ignores the offset.";
  }
  return "";
}

const char* Fields(Operands operands) {
  switch (operands) {
    case Operands::kDstImm:
      return "dst, imm";
    case Operands::kDstSrc:
      return "dst, src";
    case Operands::kDst:
      return "dst";
    case Operands::kCast:
      return "dst, src, imm";
    case Operands::kDstMem:
    case Operands::kMemSrc:
    case Operands::kBranchReg:
      return "dst, src, off";
    case Operands::kMemImm:
    case Operands::kBranchImm:
      return "dst, off, imm";
    case Operands::kPacketAbs:
    case Operands::kJumpFar:
    case Operands::kCall:
      return "imm";
    case Operands::kPacketInd:
      return "src, imm";
    case Operands::kWide:
      return "dst, imm, second imm";
    case Operands::kWideLow:
      return "dst, imm";
    case Operands::kJump:
      return "off";
    case Operands::kCallFar:
      return "off, imm";
    case Operands::kExit:
      return "off (ignored)";
  }
  return "";
}

std::string SelectorText(Selector selector) {
  char text[32] = "";
  switch (selector.field) {
    case SelectorField::kNone:
      break;
    case SelectorField::kOff:
      std::snprintf(text, sizeof text, "off = %d", selector.value);
      break;
    case SelectorField::kImm:
      std::snprintf(text, sizeof text, "imm = 0x%x", static_cast<unsigned>(selector.value));
      break;
    case SelectorField::kSrc:
      std::snprintf(text, sizeof text, "src = %d", selector.value);
      break;
  }
  return text;
}

// The operation with dst = 1, src = 2, off = 8, imm = 5, where it has them.
std::string Example(Op op) {
  DecodedInsn insn;
  insn.op = op;
  insn.dst = 1;
  insn.src = 2;
  insn.off = op == Op::kExit ? int16_t{0} : int16_t{8};
  insn.imm = op == Op::kAddrSpaceCast ? 1 : 5;
  insn.imm64 = insn.imm;
  if (op == Op::kLdMapValue || op == Op::kLdMapIdxValue || op == Op::kLdBtfId) {
    insn.imm64 |= int64_t{16} << 32;
  }
  std::string text;
  for (const char c : Disassemble(insn)) {
    if (c == '|') text += '\\';  // else it would end the table's cell
    text += c;
  }
  return text;
}

std::string TableRow(Op op) {
  const OpInfo& row = Info(op);
  char code[8];
  std::snprintf(code, sizeof code, "0x%02x", unsigned{row.code});
  return "| " + std::string(row.name) + " | `" + Example(op) + "` | " + code + " | " +
         SelectorText(row.selector) + " | " + Fields(row.operands) + " | " +
         std::string(GroupName(row.group)) + " |\n";
}

}  // namespace

std::string_view GroupName(Group group) {
  switch (group) {
    case Group::kBase32:
      return "base32";
    case Group::kBase64:
      return "base64";
    case Group::kAtomic32:
      return "atomic32";
    case Group::kAtomic64:
      return "atomic64";
    case Group::kDivMul32:
      return "divmul32";
    case Group::kDivMul64:
      return "divmul64";
    case Group::kPacket:
      return "packet";
    case Group::kLinux:
      return "Linux";
  }
  return "";
}

std::string IsaMarkdown() {
  std::string out =
      "# Instruction set\n\n"
      "<!-- Made from isa/opcodes.def by isa/isa_doc.cc; do not edit. SKEP_BLESS=1 on the test\n"
      "     IsaDoc rewrites it. -->\n\n"
      "Every operation of RFC 9669 and what Linux 6.18 has beyond it. An instruction is one slot\n"
      "of 8 bytes: code (8 bits), dst (4), src (4), off (16, signed), imm (32, signed), all\n"
      "little-endian. Operations that share a code are told apart by the selector. Fields that "
      "are\n"
      "neither used nor the selector must be zero, and registers are r0 to r10: what breaks this "
      "is\n"
      "refused in Linux's words (`isa/decode.h`). The syntax of the assembler is described in\n"
      "`isa/assembler.h`.\n";
  for (int i = 0; i <= static_cast<int>(OpClass::kExit); ++i) {
    const auto op_class = static_cast<OpClass>(i);
    out += std::string("\n## ") + Title(op_class) + "\n\n" + Remark(op_class) +
           "\n\n| operation | example | code | selector | fields | group |\n"
           "|---|---|---|---|---|---|\n";
    for (size_t row = 0; row < kOpTable.size(); ++row) {
      if (ClassOf(kOpTable[row].kind) == op_class) out += TableRow(static_cast<Op>(row));
    }
  }
  return out;
}

}  // namespace skep
