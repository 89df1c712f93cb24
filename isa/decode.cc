// SPDX-License-Identifier: Apache-2.0
// A decoding step is one lookup by opcode byte, one search among the few
// operations that share the byte, and one mask test for all reserved fields.
//
// The 64 bits of a slot, little-endian: code 0-7, dst 8-11, src 12-15,
// off 16-31, imm 32-63.

#include "isa/decode.h"

#include <bit>
#include <cstdio>
#include <cstring>

#include "base/check.h"

namespace skep {
namespace {

static_assert(std::endian::native == std::endian::little, "slots are read as 64-bit words");

constexpr uint64_t kDstBits = 0xf00;
constexpr uint64_t kSrcBits = 0xf000;
constexpr uint64_t kOffBits = 0xffff0000;
constexpr uint64_t kImmBits = 0xffffffff00000000;
constexpr uint64_t kOperandBits = kDstBits | kSrcBits | kOffBits | kImmBits;

constexpr uint64_t UsedBits(Operands operands) {
  switch (operands) {
    case Operands::kDstImm:
    case Operands::kWide:
    case Operands::kWideLow:
      return kDstBits | kImmBits;
    case Operands::kDstSrc:
      return kDstBits | kSrcBits;
    case Operands::kDst:
      return kDstBits;
    case Operands::kCast:
      return kDstBits | kSrcBits | kImmBits;
    case Operands::kDstMem:
    case Operands::kMemSrc:
    case Operands::kBranchReg:
      return kDstBits | kSrcBits | kOffBits;
    case Operands::kMemImm:
    case Operands::kBranchImm:
      return kDstBits | kOffBits | kImmBits;
    case Operands::kPacketAbs:
    case Operands::kJumpFar:
    case Operands::kCall:
      return kImmBits;
    case Operands::kPacketInd:
      return kSrcBits | kImmBits;
    case Operands::kJump:
    case Operands::kExit:
      return kOffBits;
    case Operands::kCallFar:
      return kOffBits | kImmBits;
  }
  return 0;
}

constexpr uint64_t SelectorBits(SelectorField field) {
  switch (field) {
    case SelectorField::kNone:
      return 0;
    case SelectorField::kOff:
      return kOffBits;
    case SelectorField::kImm:
      return kImmBits;
    case SelectorField::kSrc:
      return kSrcBits;
  }
  return 0;
}

constexpr uint64_t SelectorValue(Selector selector) {
  const auto value = static_cast<uint64_t>(static_cast<uint32_t>(selector.value));
  switch (selector.field) {
    case SelectorField::kNone:
      return 0;
    case SelectorField::kOff:
      return (value & 0xffff) << 16;
    case SelectorField::kImm:
      return value << 32;
    case SelectorField::kSrc:
      return value << 12;
  }
  return 0;
}

// What breaking a row's field rules is called in Linux.
constexpr DecodeRule ReservedRule(const OpInfo& row) {
  if (row.operands == Operands::kMemImm) return DecodeRule::kStReserved;
  if (row.kind == OpKind::kNeg) return DecodeRule::kNegReserved;
  if (row.kind >= OpKind::kMovSx8 && row.kind <= OpKind::kMovSx32) return DecodeRule::kMovReserved;
  if (row.kind == OpKind::kMov) return DecodeRule::kMovReserved;
  if (row.kind >= OpKind::kToLe && row.kind <= OpKind::kBswap) return DecodeRule::kEndReserved;
  if (row.kind == OpKind::kLoadAcquire || row.kind == OpKind::kStoreRelease) {
    return DecodeRule::kAtomicOpcode;
  }
  switch (ClassOf(row.kind)) {
    case OpClass::kAlu:
      return DecodeRule::kAluReserved;
    case OpClass::kCast:
      return DecodeRule::kMovReserved;
    case OpClass::kLoad:
      return DecodeRule::kLdxReserved;
    case OpClass::kStore:
      return DecodeRule::kStxReserved;
    case OpClass::kAtomic:
      return DecodeRule::kAtomicOpcode;
    case OpClass::kPacketLoad:
      return DecodeRule::kLdAbsReserved;
    case OpClass::kWideLoad:
      return DecodeRule::kWideReserved;
    case OpClass::kJump:
      return DecodeRule::kJaReserved;
    case OpClass::kBranch:
      return DecodeRule::kJmpReserved;
    case OpClass::kMayGoto:
      return DecodeRule::kMayGotoReserved;
    case OpClass::kCall:
      return DecodeRule::kCallReserved;
    case OpClass::kExit:
      return DecodeRule::kExitReserved;
  }
  return DecodeRule::kUnknownOpcode;
}

struct Candidate {
  uint64_t selector_bits = 0;
  uint64_t selector_value = 0;
  uint64_t reserved_bits = 0;
  Op op = Op::kInvalid;
  bool two_slots = false;
  bool src_is_selector = false;
  DecodeRule reserved_rule = DecodeRule::kNone;
};

struct CodeEntry {
  uint8_t first = 0;  // into Tables::candidates
  uint8_t count = 0;  // 0: no operation has this byte
};

struct Tables {
  std::array<CodeEntry, 256> by_code{};
  std::array<Candidate, kOpCount> candidates{};
};

constexpr Tables MakeTables() {
  Tables tables;
  uint8_t next = 0;
  for (size_t code = 0; code < 256; ++code) {
    tables.by_code[code].first = next;
    for (size_t i = 0; i < kOpTable.size(); ++i) {
      const OpInfo& row = kOpTable[i];
      if (row.code != code) continue;
      Candidate& candidate = tables.candidates[next++];
      candidate.selector_bits = SelectorBits(row.selector.field);
      candidate.selector_value = SelectorValue(row.selector);
      candidate.reserved_bits = kOperandBits & ~UsedBits(row.operands) & ~candidate.selector_bits;
      candidate.op = static_cast<Op>(i);
      candidate.two_slots = row.Has(kTwoSlots);
      candidate.src_is_selector = row.selector.field == SelectorField::kSrc;
      candidate.reserved_rule = ReservedRule(row);
    }
    tables.by_code[code].count = static_cast<uint8_t>(next - tables.by_code[code].first);
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

// What Linux calls a byte that is no operation: it looks at loads of class LDX
// before it looks the byte up, and names the mode as a reserved field.
DecodeRule UnknownRule(const Insn& insn) {
  constexpr unsigned kClassMask = 7, kLdx = 1, kModeMask = 0xe0, kMem = 0x60, kMemSx = 0x80;
  const unsigned mode = insn.code & kModeMask;
  const bool reserved =
      (insn.code & kClassMask) == kLdx && ((mode != kMem && mode != kMemSx) || insn.imm != 0);
  return reserved ? DecodeRule::kLdxReserved : DecodeRule::kUnknownOpcode;
}

// Which rule is broken when no operation of the byte has the selector's value.
DecodeRule UnselectedRule(const Insn& insn) {
  const Candidate& any = kTables.candidates[kTables.by_code[insn.code].first];
  if (any.two_slots) return DecodeRule::kWideUnrecognized;
  if (ClassOf(any.op) == OpClass::kAtomic || any.reserved_rule == DecodeRule::kAtomicOpcode) {
    for (const OpInfo& row : kOpTable) {
      if (ClassOf(row.kind) == OpClass::kAtomic && row.selector.value == insn.imm) {
        return DecodeRule::kAtomicSize;
      }
    }
    return DecodeRule::kAtomicOpcode;
  }
  return any.reserved_rule;
}

// The rules of a wide load, in Linux's order, and its 64-bit immediate.
DecodeRule DecodeWide(std::span<const Insn> code, size_t at, DecodedInsn& out) {
  if (at + 1 >= code.size()) return DecodeRule::kWideTruncated;
  const Insn& second = code[at + 1];
  if (second.code != 0 || second.dst != 0 || second.src != 0 || second.off != 0) {
    return DecodeRule::kWideTruncated;
  }
  if (Info(out.op).operands == Operands::kWideLow && second.imm != 0) {
    return DecodeRule::kWideUnrecognized;
  }
  out.imm64 = static_cast<int64_t>((uint64_t{static_cast<uint32_t>(second.imm)} << 32) |
                                   static_cast<uint32_t>(out.imm));
  return DecodeRule::kNone;
}

template <class... Values>
std::string Printed(const char* format, Values... values) {
  char text[96];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

}  // namespace

DecodeRule DecodeInto(std::span<const Insn> code, size_t at, DecodedInsn& out) {
  const Insn& insn = code[at];
  uint64_t bits;
  std::memcpy(&bits, &insn, sizeof bits);

  const CodeEntry entry = kTables.by_code[insn.code];
  const Candidate* found = nullptr;
  for (size_t i = entry.first; i < size_t{entry.first} + entry.count; ++i) {
    const Candidate& candidate = kTables.candidates[i];
    if ((bits & candidate.selector_bits) == candidate.selector_value) {
      found = &candidate;
      break;
    }
  }
  if (found == nullptr) {
    return entry.count == 0 ? UnknownRule(insn) : UnselectedRule(insn);
  }

  out.op = found->op;
  out.dst = insn.dst;
  out.src = insn.src;
  out.off = insn.off;
  out.imm = insn.imm;
  out.imm64 = insn.imm;
  if (found->two_slots) {
    if (const DecodeRule rule = DecodeWide(code, at, out); rule != DecodeRule::kNone) return rule;
  }
  if ((bits & found->reserved_bits) != 0) return found->reserved_rule;
  if (insn.dst >= kRegisterCount || (insn.src >= kRegisterCount && !found->src_is_selector)) {
    return DecodeRule::kInvalidRegister;
  }
  if (found->op == Op::kAddrSpaceCast && insn.imm != 1 && insn.imm != 1 << 16) {
    return DecodeRule::kCastSpaces;
  }
  return DecodeRule::kNone;
}

DecodeResult Decode(std::span<const Insn> code, size_t at) {
  SKEP_CHECK(at < code.size());
  DecodeResult result;
  result.error.rule = DecodeInto(code, at, result.insn);
  if (result.error.rule != DecodeRule::kNone) {
    result.error.at = static_cast<uint32_t>(at);
    result.error.insn = code[at];
  }
  return result;
}

DecodedProgram DecodeProgram(std::span<const Insn> code) {
  DecodedProgram program;
  program.insns.resize(code.size());
  const auto fail = [&](DecodeRule rule, size_t at, int64_t target) {
    program.error = {rule, static_cast<uint32_t>(at), code[at], target};
    return std::move(program);
  };
  for (size_t at = 0; at < code.size();) {
    DecodedInsn& insn = program.insns[at];
    const DecodeRule rule = DecodeInto(code, at, insn);
    if (rule != DecodeRule::kNone) return fail(rule, at, 0);
    at += static_cast<size_t>(insn.slots());
  }
  for (size_t at = 0; at < code.size(); ++at) {
    const DecodedInsn& insn = program.insns[at];
    if (insn.op == Op::kInvalid) continue;
    const OpInfo& info = Info(insn.op);
    if (!info.Has(kBranches) && info.kind != OpKind::kCallLocal && info.kind != OpKind::kLoadFunc) {
      continue;
    }
    const int64_t target = TargetOf(insn, at);
    if (target < 0 || target >= static_cast<int64_t>(code.size())) {
      return fail(DecodeRule::kJumpRange, at, target);
    }
    if (program.insns[static_cast<size_t>(target)].op == Op::kInvalid) {
      return fail(DecodeRule::kJumpIntoWide, at, target);
    }
  }
  return program;
}

std::string Message(const DecodeError& error) {
  switch (error.rule) {
    case DecodeRule::kUnknownOpcode:
      return Printed("unknown opcode %02x", unsigned{error.insn.code});
    case DecodeRule::kInvalidRegister:
      return Printed("R%d is invalid",
                     error.insn.dst >= kRegisterCount ? int{error.insn.dst} : int{error.insn.src});
    case DecodeRule::kAtomicOpcode:
      return Printed("BPF_ATOMIC uses invalid atomic opcode %02x",
                     static_cast<unsigned>(error.insn.imm));
    case DecodeRule::kMayGotoReserved:
      return Printed("invalid may_goto imm %d", error.insn.imm);
    case DecodeRule::kJumpRange:
      return Printed("jump out of range from insn %u to %lld", error.at,
                     static_cast<long long>(error.target));
    case DecodeRule::kJumpIntoWide:  // Linux names the first slot
      return Printed("jump into the middle of ldimm64 insn %lld",
                     static_cast<long long>(error.target - 1));
    case DecodeRule::kNone:
      return "legal";
    case DecodeRule::kAluReserved:
      return "BPF_ALU uses reserved fields";
    case DecodeRule::kMovReserved:
      return "BPF_MOV uses reserved fields";
    case DecodeRule::kNegReserved:
      return "BPF_NEG uses reserved fields";
    case DecodeRule::kEndReserved:
      return "BPF_END uses reserved fields";
    case DecodeRule::kLdxReserved:
      return "BPF_LDX uses reserved fields";
    case DecodeRule::kStReserved:
      return "BPF_ST uses reserved fields";
    case DecodeRule::kStxReserved:
      return "BPF_STX uses reserved fields";
    case DecodeRule::kAtomicSize:
      return "invalid atomic operand size";
    case DecodeRule::kLdAbsReserved:
      return "BPF_LD_[ABS|IND] uses reserved fields";
    case DecodeRule::kWideReserved:
      return "BPF_LD_IMM64 uses reserved fields";
    case DecodeRule::kWideTruncated:
      return "invalid bpf_ld_imm64 insn";
    case DecodeRule::kWideUnrecognized:
      return "unrecognized bpf_ld_imm64 insn";
    case DecodeRule::kJmpReserved:
      return "BPF_JMP/JMP32 uses reserved fields";
    case DecodeRule::kJaReserved:
      return "BPF_JA uses reserved fields";
    case DecodeRule::kCallReserved:
      return "BPF_CALL uses reserved fields";
    case DecodeRule::kExitReserved:
      return "BPF_EXIT uses reserved fields";
    case DecodeRule::kCastSpaces:
      return "addr_space_cast insn can only convert between address space 1 and 0";
    case DecodeRule::kEmptyProgram:
      return "no instructions";
    case DecodeRule::kLastInsn:
      return "last insn is not an exit or jmp";
  }
  return {};
}

}  // namespace skep
