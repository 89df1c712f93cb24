// SPDX-License-Identifier: Apache-2.0
#include "isa/asm_patterns.h"

#include "base/check.h"
#include "isa/asm_lexer.h"

namespace skep {
namespace {

// Spellings beside the text column: what LLVM prints and accepts, and what the
// bpf_conformance suite writes outside its mnemonic grammar. Fields as there.
struct Alias {
  Op op;
  const char* pattern;
};
constexpr Alias kAliases[] = {
    // LLVM with 32-bit subregisters: a narrow load or store names w.
    {Op::kLdxB, "w%d = *(u8 *)(r%s %o)"},
    {Op::kLdxH, "w%d = *(u16 *)(r%s %o)"},
    {Op::kLdxW, "w%d = *(u32 *)(r%s %o)"},
    {Op::kStxB, "*(u8 *)(r%d %o) = w%s"},
    {Op::kStxH, "*(u16 *)(r%d %o) = w%s"},
    {Op::kStxW, "*(u32 *)(r%d %o) = w%s"},
    {Op::kLoadAcquire8, "w%d = load_acquire((u8 *)(r%s %o))"},
    {Op::kLoadAcquire16, "w%d = load_acquire((u16 *)(r%s %o))"},
    {Op::kLoadAcquire32, "w%d = load_acquire((u32 *)(r%s %o))"},
    {Op::kStoreRelease8, "store_release((u8 *)(r%d %o), w%s)"},
    {Op::kStoreRelease16, "store_release((u16 *)(r%d %o), w%s)"},
    {Op::kStoreRelease32, "store_release((u32 *)(r%d %o), w%s)"},
    {Op::kAtomicAdd32, "lock *(u32 *)(r%d %o) += w%s"},
    {Op::kAtomicOr32, "lock *(u32 *)(r%d %o) |= w%s"},
    {Op::kAtomicAnd32, "lock *(u32 *)(r%d %o) &= w%s"},
    {Op::kAtomicXor32, "lock *(u32 *)(r%d %o) ^= w%s"},
    {Op::kAtomicFetchAdd32, "w%s = atomic_fetch_add((u32 *)(r%d %o), w%s)"},
    {Op::kAtomicFetchOr32, "w%s = atomic_fetch_or((u32 *)(r%d %o), w%s)"},
    {Op::kAtomicFetchAnd32, "w%s = atomic_fetch_and((u32 *)(r%d %o), w%s)"},
    {Op::kAtomicFetchXor32, "w%s = atomic_fetch_xor((u32 *)(r%d %o), w%s)"},
    {Op::kAtomicFetchAdd64, "r%s = atomic_fetch_add((u64 *)(r%d %o), r%s)"},
    {Op::kAtomicFetchOr64, "r%s = atomic_fetch_or((u64 *)(r%d %o), r%s)"},
    {Op::kAtomicFetchAnd64, "r%s = atomic_fetch_and((u64 *)(r%d %o), r%s)"},
    {Op::kAtomicFetchXor64, "r%s = atomic_fetch_xor((u64 *)(r%d %o), r%s)"},
    {Op::kXchg32, "w%s = xchg32_32(r%d %o, w%s)"},
    {Op::kXchg64, "r%s = xchg_64(r%d %o, r%s)"},
    {Op::kCmpXchg32, "w0 = cmpxchg32_32(r%d %o, w0, w%s)"},
    {Op::kCmpXchg64, "r0 = cmpxchg_64(r%d %o, r0, r%s)"},
    // References.
    {Op::kLdFunc, "r%d = %L ll"},
    {Op::kLdMapFd, "r%d = map[%m]"},
    {Op::kLdMapValue, "r%d = map[%m][%h]"},
    {Op::kLdMapIdx, "r%d = map_idx[%i]"},
    {Op::kLdMapIdxValue, "r%d = map_idx[%i][%h]"},
    {Op::kLdMapFd, "lddw r%d, map_by_fd(%m)"},
    // Calls of the conformance suite.
    {Op::kCallHelper, "call helper %n"},
    {Op::kCallLocal, "call local %l"},
    {Op::kCallKfunc, "call runtime %i"},
};

std::string_view MemorySuffix(int width) {
  switch (width) {
    case 8:
      return "b";
    case 16:
      return "h";
    case 32:
      return "w";
    case 64:
      return "dw";
  }
  SKEP_CHECK(!"a memory width");
  return {};
}

// The mnemonic stems of the bpf_conformance syntax; other kinds have none.
struct KindStem {
  OpKind kind;
  const char* stem;
};
constexpr KindStem kStems[] = {
    {OpKind::kAdd, "add"},
    {OpKind::kAtomicAdd, "add"},
    {OpKind::kAtomicFetchAdd, "add"},
    {OpKind::kSub, "sub"},
    {OpKind::kMul, "mul"},
    {OpKind::kDiv, "div"},
    {OpKind::kSDiv, "sdiv"},
    {OpKind::kOr, "or"},
    {OpKind::kAtomicOr, "or"},
    {OpKind::kAtomicFetchOr, "or"},
    {OpKind::kAnd, "and"},
    {OpKind::kAtomicAnd, "and"},
    {OpKind::kAtomicFetchAnd, "and"},
    {OpKind::kLsh, "lsh"},
    {OpKind::kRsh, "rsh"},
    {OpKind::kMod, "mod"},
    {OpKind::kSMod, "smod"},
    {OpKind::kXor, "xor"},
    {OpKind::kAtomicXor, "xor"},
    {OpKind::kAtomicFetchXor, "xor"},
    {OpKind::kMov, "mov"},
    {OpKind::kArsh, "arsh"},
    {OpKind::kNeg, "neg"},
    {OpKind::kMovSx8, "movsx8"},
    {OpKind::kMovSx16, "movsx16"},
    {OpKind::kMovSx32, "movsx32"},
    {OpKind::kToLe, "le"},
    {OpKind::kToBe, "be"},
    {OpKind::kBswap, "bswap"},
    {OpKind::kLoad, "ldx"},
    {OpKind::kLoadSx, "ldxs"},
    {OpKind::kStore, "st"},
    {OpKind::kXchg, "xchg"},
    {OpKind::kCmpXchg, "cmpxchg"},
    {OpKind::kLoadPacketAbs, "ldabs"},
    {OpKind::kLoadPacketInd, "ldind"},
    {OpKind::kLoadImm, "lddw"},
    {OpKind::kJa, "ja"},
    {OpKind::kJEq, "jeq"},
    {OpKind::kJGt, "jgt"},
    {OpKind::kJGe, "jge"},
    {OpKind::kJSet, "jset"},
    {OpKind::kJNe, "jne"},
    {OpKind::kJSGt, "jsgt"},
    {OpKind::kJSGe, "jsge"},
    {OpKind::kJLt, "jlt"},
    {OpKind::kJLe, "jle"},
    {OpKind::kJSLt, "jslt"},
    {OpKind::kJSLe, "jsle"},
};

const char* Stem(OpKind kind) {
  for (const KindStem& row : kStems) {
    if (row.kind == kind) return row.stem;
  }
  return nullptr;
}

// Operands of the bpf_conformance syntax by form.
const char* OperandText(Operands operands) {
  switch (operands) {
    case Operands::kDstImm:
      return " r%d, %i";
    case Operands::kDstSrc:
      return " r%d, r%s";
    case Operands::kDst:
      return " r%d";
    case Operands::kDstMem:
      return " r%d, [r%s %o]";
    case Operands::kMemImm:
      return " [r%d %o], %i";
    case Operands::kMemSrc:
      return " [r%d %o], r%s";
    case Operands::kPacketAbs:
      return " %i";
    case Operands::kPacketInd:
      return " r%s, %i";
    case Operands::kWide:
      return " r%d, %q";
    case Operands::kJump:
      return " %t";
    case Operands::kJumpFar:
      return " %l";
    case Operands::kBranchImm:
      return " r%d, %i, %t";
    case Operands::kBranchReg:
      return " r%d, r%s, %t";
    case Operands::kCast:
    case Operands::kWideLow:
    case Operands::kCall:
    case Operands::kCallFar:
    case Operands::kExit:
      return "";
  }
  return "";
}

// What follows the stem, and the second spelling where there is one: 64-bit
// arithmetic has no suffix in the suite, other assemblers write 64.
std::vector<std::string> Mnemonics(const OpInfo& row) {
  const char* stem = Stem(row.kind);
  if (stem == nullptr) return {};
  const std::string width = std::to_string(row.width);
  const std::string narrow = row.width == 32 ? "32" : "";
  switch (ClassOf(row.kind)) {
    case OpClass::kAlu:
      if (row.kind == OpKind::kBswap) return {stem + width, "swap" + width};
      if (row.kind == OpKind::kToLe || row.kind == OpKind::kToBe) return {stem + width};
      if (row.kind >= OpKind::kMovSx8 && row.kind <= OpKind::kMovSx32) return {stem + width};
      break;
    case OpClass::kLoad:
    case OpClass::kPacketLoad:
      return {stem + std::string(MemorySuffix(row.width))};
    case OpClass::kStore: {
      const std::string form = row.operands == Operands::kMemSrc ? "x" : "";
      return {stem + form + std::string(MemorySuffix(row.width))};
    }
    case OpClass::kAtomic: {
      const bool fetch = row.kind >= OpKind::kAtomicFetchAdd && row.kind <= OpKind::kAtomicFetchXor;
      const std::string prefix = fetch ? "lock fetch " : "lock ";
      if (row.width == 32) return {prefix + stem + "32"};
      return {prefix + stem, prefix + stem + "64"};
    }
    case OpClass::kWideLoad:
      return {stem};
    case OpClass::kJump:
    case OpClass::kCast:
    case OpClass::kBranch:
    case OpClass::kMayGoto:
    case OpClass::kCall:
    case OpClass::kExit:
      return {stem + narrow};
  }
  if (row.width == 32) return {stem + width};
  return {stem, stem + width};
}

// `%x` becomes a field mark and x, `%%` a percent sign.
std::string MarkFields(std::string_view pattern) {
  std::string marked;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '%') {
      ++i;
      if (pattern[i] != '%') marked += AsmLexer::kFieldMark;
    }
    marked += pattern[i];
  }
  return marked;
}

}  // namespace

AsmPatterns::AsmPatterns() {
  for (size_t i = 0; i < kOpTable.size(); ++i) {
    const OpInfo& row = kOpTable[i];
    const Op op = static_cast<Op>(i);
    Add(op, std::string(row.text));
    for (const std::string& mnemonic : Mnemonics(row))
      Add(op, mnemonic + OperandText(row.operands));
  }
  for (const Alias& alias : kAliases) Add(alias.op, alias.pattern);
  Add(Op::kInvalid, "callx r%d", AsmPattern::Result::kCallRegister);
  Add(Op::kInvalid, "call r%d", AsmPattern::Result::kCallRegister);
  Add(Op::kInvalid, "call helper r%d", AsmPattern::Result::kCallRegister);
  Add(Op::kInvalid, ".insn %q", AsmPattern::Result::kRawInsn);
}

void AsmPatterns::Add(Op op, std::string text, AsmPattern::Result result) {
  texts_.push_back(MarkFields(text));
  AsmLexer lexer(texts_.back(), true);
  std::vector<AsmToken> tokens;
  SKEP_CHECK(lexer.NextStatement(tokens));

  AsmPattern pattern;
  pattern.op = op;
  pattern.result = result;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const AsmToken& token = tokens[i];
    AsmPatternItem item;
    item.text = token.text;
    if (token.kind == AsmToken::Kind::kEnd) {
      item.kind = AsmPatternItem::Kind::kEnd;
    } else if (token.kind == AsmToken::Kind::kField) {
      item.kind = AsmPatternItem::Kind::kField;
      item.field = token.text[0];
    } else if ((token.text == "r" || token.text == "w") &&
               tokens[i + 1].kind == AsmToken::Kind::kField) {
      item.kind = token.text == "r" ? AsmPatternItem::Kind::kReg64 : AsmPatternItem::Kind::kReg32;
      item.field = tokens[++i].text[0];
    } else {
      SKEP_CHECK(token.kind == AsmToken::Kind::kWord || token.kind == AsmToken::Kind::kOperator);
      item.kind = AsmPatternItem::Kind::kText;
    }
    pattern.items.push_back(item);
  }
  // `r0 = ...` with r0 as text must be found under "r" too.
  std::string_view first = pattern.items[0].text;
  if (first == "r0" || first == "w0") first = first.substr(0, 1);
  by_first_[first].push_back(std::move(pattern));
}

const std::vector<AsmPattern>& AsmPatterns::StartingWith(std::string_view word) const {
  const auto found = by_first_.find(word);
  return found == by_first_.end() ? none_ : found->second;
}

}  // namespace skep
