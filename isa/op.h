// SPDX-License-Identifier: Apache-2.0
// The instruction set as a table: one OpInfo for each row of isa/opcodes.def.
//
// Op is dense and is not the opcode byte; several operations share a byte and
// are told apart by another field. Consumers switch on Info(op).kind and
// .width, never on opcode bytes, so that a new row in a known kind needs no
// change in them.
//
// Threads: constants only.

#ifndef SKEP_ISA_OP_H_
#define SKEP_ISA_OP_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace skep {

inline constexpr int kRegisterCount = 11;  // r0 .. r10
inline constexpr int kFramePointer = 10;   // r10, read-only

enum class Op : uint8_t {
#define SKEP_OP(name, ...) k##name,
#include "isa/opcodes.def"
  kInvalid,
};
inline constexpr int kOpCount = static_cast<int>(Op::kInvalid);

// What an operation computes. `width` in OpInfo gives the size it works on.
enum class OpKind : uint8_t {
  // Arithmetic: dst = EvalAlu<kind, width>(dst, src or imm).
  kAdd,
  kSub,
  kMul,
  kDiv,
  kSDiv,
  kOr,
  kAnd,
  kLsh,
  kRsh,
  kMod,
  kSMod,
  kXor,
  kMov,
  kArsh,  // clang-format off
  kNeg,                           // src is not used
  kMovSx8, kMovSx16, kMovSx32,    // sign-extending moves from the low 8/16/32 bits of src
  kAddrSpaceCast,                 // arena pointers; imm holds the two address spaces
  kToLe, kToBe, kBswap,           // byte order of the low `width` bits of dst, rest becomes zero
  // Memory: address is r[src] + off for loads, r[dst] + off for the others.
  kLoad, kLoadSx,                 // dst = zero- or sign-extended memory
  kStore,                         // memory = src, or imm for Operands::kMemImm
  kAtomicAdd, kAtomicOr, kAtomicAnd, kAtomicXor,
  kAtomicFetchAdd, kAtomicFetchOr, kAtomicFetchAnd, kAtomicFetchXor,  // src = old value
  kXchg,                          // src = old value
  kCmpXchg,                       // compares with r0, r0 = old value
  kLoadAcquire, kStoreRelease,
  kLoadPacketAbs, kLoadPacketInd, // r0 = big-endian packet bytes at imm, or at src + imm
  // Wide loads, two slots: dst = imm64, or what the pair of immediates names.
  kLoadImm, kLoadMapFd, kLoadMapValue, kLoadBtfId, kLoadFunc, kLoadMapIdx, kLoadMapIdxValue,
  // Jumps.
  kJa,
  kJEq, kJGt, kJGe, kJSet, kJNe, kJSGt, kJSGe, kJLt, kJLe, kJSLt, kJSLe,
  kMayGoto,                       // jumps when the loop budget is spent
  kCallHelper, kCallLocal, kCallKfunc,
  kExit,
  // clang-format on
};

// The form of an operation: which fields of the instruction it uses. `code` and
// the selector field come on top; all other fields must be zero.
enum class Operands : uint8_t {
  kDstImm,     // dst, imm
  kDstSrc,     // dst, src
  kDst,        // dst
  kCast,       // dst, src, imm: 1 or 1 << 16
  kDstMem,     // dst, src, off: dst = memory at src + off
  kMemImm,     // dst, off, imm: memory at dst + off = imm
  kMemSrc,     // dst, src, off: memory at dst + off and src
  kPacketAbs,  // imm
  kPacketInd,  // src, imm
  kWide,       // dst, imm, imm of the second slot
  kWideLow,    // dst, imm; imm of the second slot must be zero
  kJump,       // off
  kJumpFar,    // imm
  kBranchImm,  // dst, imm, off
  kBranchReg,  // dst, src, off
  kCall,       // imm
  kCallFar,    // imm, off
  kExit,       // nothing; off may hold anything, as Linux allows
};

// Conformance groups of RFC 9669, section 2.4. kLinux: Linux has it, the RFC not.
enum class Group : uint8_t {
  kBase32,
  kBase64,
  kAtomic32,
  kAtomic64,
  kDivMul32,
  kDivMul64,
  kPacket,
  kLinux,
};

// Traits, a set of bits. "Reads" and "writes" say what liveness needs.
inline constexpr uint32_t kReadsDst = 1u << 0;
inline constexpr uint32_t kWritesDst = 1u << 1;
inline constexpr uint32_t kReadsSrc = 1u << 2;
inline constexpr uint32_t kWritesSrc = 1u << 3;
inline constexpr uint32_t kReadsR0 = 1u << 4;
inline constexpr uint32_t kWritesR0 = 1u << 5;
inline constexpr uint32_t kReadsR6 = 1u << 6;
inline constexpr uint32_t kReadsArgs = 1u << 7;     // some of r1 .. r5, the callee says which
inline constexpr uint32_t kClobbersArgs = 1u << 8;  // r1 .. r5 are unreadable afterwards
inline constexpr uint32_t kReadsMemory = 1u << 9;
inline constexpr uint32_t kWritesMemory = 1u << 10;
inline constexpr uint32_t kBranches = 1u << 11;  // has a jump target (see JumpTarget in cfg.h)
inline constexpr uint32_t kEndsPath = 1u << 12;  // the next instruction is not a successor
inline constexpr uint32_t kMayExit = 1u << 13;   // may end the program with r0 = 0
inline constexpr uint32_t kTwoSlots = 1u << 14;
// Combinations that many rows share.
inline constexpr uint32_t kLoads = kWritesDst | kReadsSrc | kReadsMemory;
inline constexpr uint32_t kStores = kReadsDst | kWritesMemory;
inline constexpr uint32_t kUpdatesMemory = kReadsDst | kReadsSrc | kReadsMemory | kWritesMemory;
inline constexpr uint32_t kPacketLoads = kReadsR6 | kWritesR0 | kClobbersArgs | kMayExit;
inline constexpr uint32_t kCalls = kReadsArgs | kClobbersArgs | kWritesR0;

// Which field, besides the opcode byte, selects the operation, and its value.
enum class SelectorField : uint8_t { kNone, kOff, kImm, kSrc };
struct Selector {
  SelectorField field = SelectorField::kNone;
  int32_t value = 0;
};

struct OpInfo {
  std::string_view name;  // "Add64Imm"
  uint8_t code = 0;
  Selector selector;
  Operands operands = Operands::kExit;
  OpKind kind = OpKind::kExit;
  uint8_t width = 0;  // bits
  uint32_t traits = 0;
  Group group = Group::kLinux;
  std::string_view text;

  constexpr bool Has(uint32_t trait) const { return (traits & trait) != 0; }
};

namespace op_table {
inline constexpr Selector None{};
constexpr Selector Off(int32_t value) { return {SelectorField::kOff, value}; }
constexpr Selector Imm(int32_t value) { return {SelectorField::kImm, value}; }
constexpr Selector Src(int32_t value) { return {SelectorField::kSrc, value}; }

inline constexpr std::array<OpInfo, kOpCount> kRows = {{
#define SKEP_OP(name, code, selector, operands, kind, width, traits, group, text)            \
  {#name,           code, selector, Operands::k##operands, OpKind::k##kind, width, (traits), \
   Group::k##group, text},
#include "isa/opcodes.def"
}};
}  // namespace op_table

inline constexpr const std::array<OpInfo, kOpCount>& kOpTable = op_table::kRows;

// REQUIRES: op is not kInvalid.
constexpr const OpInfo& Info(Op op) { return kOpTable[static_cast<size_t>(op)]; }

// How an instruction takes part in a program; coarser than OpKind.
enum class OpClass : uint8_t {
  kAlu,         // EvalAlu computes it: arithmetic, moves, byte order
  kCast,        // addr_space_cast
  kLoad,        // plain, sign-extending and acquiring loads
  kStore,       // plain and releasing stores
  kAtomic,      // read-modify-write
  kPacketLoad,  // LD_ABS and LD_IND
  kWideLoad,    // two slots
  kJump,        // unconditional
  kBranch,      // EvalJump decides it
  kMayGoto,
  kCall,
  kExit,
};

constexpr OpClass ClassOf(OpKind kind) {
  if (kind < OpKind::kAddrSpaceCast) return OpClass::kAlu;
  if (kind == OpKind::kAddrSpaceCast) return OpClass::kCast;
  if (kind <= OpKind::kBswap) return OpClass::kAlu;
  if (kind <= OpKind::kLoadSx || kind == OpKind::kLoadAcquire) return OpClass::kLoad;
  if (kind == OpKind::kStore || kind == OpKind::kStoreRelease) return OpClass::kStore;
  if (kind <= OpKind::kCmpXchg) return OpClass::kAtomic;
  if (kind <= OpKind::kLoadPacketInd) return OpClass::kPacketLoad;
  if (kind <= OpKind::kLoadMapIdxValue) return OpClass::kWideLoad;
  if (kind == OpKind::kJa) return OpClass::kJump;
  if (kind <= OpKind::kJSLe) return OpClass::kBranch;
  if (kind == OpKind::kMayGoto) return OpClass::kMayGoto;
  if (kind <= OpKind::kCallKfunc) return OpClass::kCall;
  return OpClass::kExit;
}
constexpr OpClass ClassOf(Op op) { return ClassOf(Info(op).kind); }

// Returns true if the second operand is the register `src`, false if it is imm.
constexpr bool UsesSrcRegister(Operands operands) {
  return operands == Operands::kDstSrc || operands == Operands::kMemSrc ||
         operands == Operands::kBranchReg;
}

// Returns the operation with this kind and width whose second operand is a
// register (or an immediate), kInvalid if there is none.
constexpr Op FindOp(OpKind kind, int width, Operands operands) {
  for (size_t i = 0; i < kOpTable.size(); ++i) {
    const OpInfo& row = kOpTable[i];
    if (row.kind == kind && row.width == width && row.operands == operands) {
      return static_cast<Op>(i);
    }
  }
  return Op::kInvalid;
}

}  // namespace skep

#endif  // SKEP_ISA_OP_H_
