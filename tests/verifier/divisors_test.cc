// SPDX-License-Identifier: Apache-2.0
// The fact "this divisor is not zero", which engines believe.
#include <string_view>

#include <gtest/gtest.h>

#include "skep/runtime.h"

#include "isa/assembler.h"
#include "isa/decode.h"
#include "model/facts.h"

namespace skep::verifier {
namespace {

// Whether the (only) division of the program has the fact. The program is a
// plain memory program with 8 bytes.
bool DivisorIsKnown(std::string_view text) {
  auto code = Assemble(text);
  EXPECT_TRUE(code.has_value());
  ProgramData data;
  data.name = "divides";
  data.type = ProgramTypeId::kMemory;
  data.insns = code->insns;
  data.subprograms = {
      {.name = "main", .start = 0, .end = static_cast<uint32_t>(code->insns.size())}};
  auto program = Program::Create(std::move(data));
  auto runtime = Runtime::Create({});
  VerifyOptions options;
  options.rights = Rights::kRoot;
  options.memory_size = 8;
  const VerifyOutcome outcome = Verify(*program, (*runtime)->environment(), options);
  EXPECT_TRUE(outcome.report.accepted);
  if (!outcome.report.accepted) return false;
  for (size_t i = 0; i < code->insns.size(); ++i) {
    const OpKind kind = Info(Decode(code->insns, i).insn.op).kind;
    if (kind == OpKind::kDiv || kind == OpKind::kMod || kind == OpKind::kSDiv) {
      return outcome.verified->facts().insns[i].nonzero_divisor;
    }
  }
  ADD_FAILURE() << "no division";
  return false;
}

TEST(NonzeroDivisors, KnowWhatTheCodeBeforeThemGives) {
  EXPECT_TRUE(DivisorIsKnown("r2 = *(u64 *)(r1 + 0); r2 |= 1; r0 = 7; r0 /= r2; exit"));
  EXPECT_TRUE(DivisorIsKnown("r2 = *(u32 *)(r1 + 0); r2 += 1; r0 = 7; r0 %= r2; exit"));
  EXPECT_TRUE(DivisorIsKnown("r2 = 0x100000000 ll; r0 = 7; r0 s/= r2; exit"));
  EXPECT_TRUE(DivisorIsKnown("r0 = 7; r0 /= 3; exit"));
}

TEST(NonzeroDivisors, AreNotGuessed) {
  EXPECT_FALSE(DivisorIsKnown("r2 = *(u64 *)(r1 + 0); r0 = 7; r0 /= r2; exit"));
  EXPECT_FALSE(DivisorIsKnown("r2 = *(u32 *)(r1 + 0); r2 += 1; r0 = 7; w0 %= w2; exit"));
  EXPECT_FALSE(DivisorIsKnown("r2 = 0x100000000 ll; r0 = 7; w0 /= w2; exit"));
}

// The path with r2 = 0 is pruned: the verdict does not depend on r2.
TEST(NonzeroDivisors, AreNotTakenFromPathsThatStandForOthers) {
  EXPECT_FALSE(
      DivisorIsKnown("r3 = *(u64 *)(r1 + 0); r2 = 3; if r3 == 0 goto +1; goto +1; r2 = 0; r0 = 7; "
                     "r0 /= r2; exit"));
}

}  // namespace
}  // namespace skep::verifier
