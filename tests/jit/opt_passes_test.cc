// SPDX-License-Identifier: Apache-2.0
// Passes of the optimising compiler, each on programs that it changes and on
// programs that it must leave alone. What the code computes is compared with the
// baseline compiler's on hostile arguments; tests/jit/random_test.cc does that for
// random programs, tests/data/jit/x64/opt shows the code.
#include <algorithm>
#include <array>
#include <string>

#include <gtest/gtest.h>

#include "jit/opt/optimize.h"
#include "jit/opt/passes.h"
#include "tests/jit/exec_from_text.h"

namespace skep::jit::opt {
namespace {

constexpr uint64_t kArguments[] = {0,
                                   1,
                                   2,
                                   3,
                                   7,
                                   8,
                                   100,
                                   ~uint64_t{0},
                                   uint64_t{1} << 63,
                                   0x80000000,
                                   0xffffffff,
                                   0x7fffffffffffffff};

// The first function, ready for a pass.
struct Prepared {
  std::unique_ptr<TestProgram> program;
  Function function;
};

Prepared Prepare(std::string_view text) {
  Prepared prepared{FromText(text), {}};
  const ProgramShape shape = ProgramShape::Of(prepared.program->exec, false);
  prepared.function = Build(prepared.program->exec, shape, 0);
  DropUnreachable(prepared.function);
  Straighten(prepared.function);
  FindLiveness(prepared.program->exec, prepared.function);
  return prepared;
}

size_t CountSteps(const Function& function, bool (*counts)(const Step&)) {
  size_t count = 0;
  for (const uint32_t b : function.order) {
    const auto& steps = function.blocks[b].steps;
    count += static_cast<size_t>(std::count_if(steps.begin(), steps.end(), counts));
  }
  return count;
}
size_t CountEnds(const Function& function, EndKind kind) {
  return static_cast<size_t>(
      std::count_if(function.order.begin(), function.order.end(),
                    [&](uint32_t b) { return function.blocks[b].end.kind == kind; }));
}
bool IsSelect(const Step& step) { return step.is_select; }
bool IsLoad(const Step& step) { return ShapeOf(step).op_class == OpClass::kLoad; }
bool IsCall(const Step& step) { return ShapeOf(step).op_class == OpClass::kCall; }

// Both compilers, for all pairs of arguments.
void ExpectSameResults(std::string_view text) {
  const auto program = FromText(text);
  for (const uint64_t a : kArguments) {
    for (const uint64_t b : kArguments) {
      const uint64_t expected = CompileAndRun(program->exec, {}, a, b);
      EXPECT_EQ(CompileAndRun(program->exec, {.optimized = true}, a, b), expected)
          << text << "\n"
          << a << ", " << b;
      EXPECT_EQ(CompileAndRun(program->exec, {.optimized = true, .cpu = Cpu::kPortable}, a, b),
                expected)
          << text << "\n"
          << a << ", " << b;
    }
  }
}

// Memory of 512 bytes at r1.
void ExpectSameResultsOverMemory(std::string_view text) {
  const auto program = FromText(text);
  std::array<uint64_t, 64> memory;
  for (size_t i = 0; i < memory.size(); ++i) memory[i] = (i + 1) * 0x9e3779b97f4a7c15;
  const auto address = reinterpret_cast<uintptr_t>(memory.data());
  EXPECT_EQ(CompileAndRun(program->exec, {.optimized = true}, address),
            CompileAndRun(program->exec, {}, address))
      << text;
}

TEST(IfConversion, MakesSelectsOfShortBranches) {
  constexpr std::string_view kMaximum = "r0 = r1; if r1 s> r2 goto +1; r0 = r2; exit";
  auto prepared = Prepare(kMaximum);
  EXPECT_TRUE(ConvertBranches(prepared.program->exec, prepared.function));
  EXPECT_EQ(CountSteps(prepared.function, IsSelect), 1u);
  EXPECT_EQ(CountEnds(prepared.function, EndKind::kBranch), 0u);
  ExpectSameResults(kMaximum);
}

TEST(IfConversion, ChoosesForEveryCondition) {
  for (const char* compare : {"==", "!=", ">", ">=", "<", "<=", "s>", "s>=", "s<", "s<=", "&"}) {
    for (const char* right : {"r2", "7", "-1", "0", "w2"}) {
      const bool narrow = right[0] == 'w';
      const std::string condition =
          std::string("if ") + (narrow ? "w1 " : "r1 ") + compare + " " + right;
      ExpectSameResults("r0 = 5; " + condition + " goto +1; r0 = r1; exit");
      ExpectSameResults("r0 = r2; " + condition +
                        " goto +3; r0 += 3; r1 = r0; goto +1; r1 ^= 9; "
                        "r0 += r1; exit");
    }
  }
}

TEST(IfConversion, LeavesLoadsToTheSideThatDoesThem) {
  auto prepared = Prepare("r0 = 0; if r1 == 0 goto +1; r0 = *(u8 *)(r1 + 0); exit");
  EXPECT_FALSE(ConvertBranches(prepared.program->exec, prepared.function));
}

TEST(IfConversion, LeavesLongSides) {
  auto prepared =
      Prepare("r0 = 0; if r1 == 0 goto +5; r0 += r1; r0 *= r1; r0 ^= r2; r0 *= r2; r0 += 1; exit");
  EXPECT_FALSE(ConvertBranches(prepared.program->exec, prepared.function));
}

TEST(RepeatedTests, AreAskedOnce) {
  constexpr std::string_view kText =
      "r0 = 0; if r1 > r2 goto +2; r0 = r1; r0 *= r2; r0 += 2; if r1 > r2 goto +1; r0 ^= r1; exit";
  auto prepared = Prepare(kText);
  EXPECT_TRUE(DropRepeatedTests(prepared.program->exec, prepared.function));
  EXPECT_EQ(CountEnds(prepared.function, EndKind::kBranch), 1u);
  ExpectSameResults(kText);
}

TEST(RepeatedTests, AreAskedAgainWhenAnOperandHasChanged) {
  constexpr std::string_view kText =
      "r0 = 0; if r1 > r2 goto +2; r0 = r1; r1 += 1; r0 += 2; if r1 > r2 goto +1; r0 ^= r1; exit";
  auto prepared = Prepare(kText);
  const size_t before = CountEnds(prepared.function, EndKind::kBranch);
  DropRepeatedTests(prepared.program->exec, prepared.function);
  // The way on which nothing changed is known; the other still asks.
  EXPECT_EQ(CountEnds(prepared.function, EndKind::kBranch), before);
  ExpectSameResults(kText);
}

constexpr std::string_view kSwitch = R"(
    r0 = 5
    r1 &= 7
    if r1 s> 3 goto high
    if r1 == 0 goto zero
    if r1 == 1 goto one
    if r1 == 2 goto two
    goto out
  high:
    r2 ^= r0
    if r1 == 4 goto one
    if r1 == 5 goto zero
    goto out
  zero:
    r0 += r2
    goto out
  one:
    r0 ^= r2
    goto out
  two:
    r0 = r2
  out:
    r0 += r2
    exit
)";

TEST(JumpTables, TakeThePlaceOfTrees) {
  auto prepared = Prepare(kSwitch);
  EXPECT_TRUE(MakeJumpTables(prepared.program->exec, prepared.function));
  ASSERT_EQ(prepared.function.tables.size(), 1u);
  EXPECT_EQ(prepared.function.tables.front().size(), 8u);
  EXPECT_EQ(CountEnds(prepared.function, EndKind::kBranch), 0u);
  ExpectSameResults(kSwitch);
}

TEST(JumpTables, AskFirstWhereTheValueMayBeLarger) {
  constexpr std::string_view kText = R"(
    r0 = 1
    if r1 == 0 goto out
    if r1 == 1 goto one
    if r1 == 2 goto two
    if r1 == 3 goto three
    goto out
  one:
    r0 = r2
    goto out
  two:
    r0 *= r2
    goto out
  three:
    r0 -= r2
  out:
    exit
  )";
  auto prepared = Prepare(kText);
  EXPECT_TRUE(MakeJumpTables(prepared.program->exec, prepared.function));
  EXPECT_EQ(prepared.function.tables.size(), 1u);
  ExpectSameResults(kText);
}

TEST(JumpTables, AreNotMadeOfFewOrFarApartComparisons) {
  for (const char* text :
       {"r0 = 0; if r1 == 0 goto +2; if r1 == 1 goto +1; r0 = 1; exit",
        "r0 = 0; if r1 == 0 goto +4; if r1 == 99 goto +3; if r1 == 5000 goto +2; if r1 == 70000 "
        "goto +1; r0 = 1; exit"}) {
    auto prepared = Prepare(text);
    EXPECT_FALSE(MakeJumpTables(prepared.program->exec, prepared.function)) << text;
  }
}

constexpr std::string_view kInterpreter = R"(
    r6 = 0
    r0 = 1
  next:
    r2 = r1
    r2 += r6
    r3 = *(u8 *)(r2 + 0)
    r3 &= 3
    if r3 == 0 goto zero
    if r3 == 1 goto one
    if r3 == 2 goto two
    if r3 == 3 goto three
    goto latch
  zero:
    r0 += 1
    goto latch
  one:
    r0 ^= 77
    goto latch
  two:
    r0 *= 5
    goto latch
  three:
    r0 -= r6
  latch:
    r6 += 1
    if r6 != 300 goto next
    exit
)";

TEST(Dispatch, IsCopiedIntoTheCases) {
  auto prepared = Prepare(kInterpreter);
  EXPECT_TRUE(MakeJumpTables(prepared.program->exec, prepared.function));
  EXPECT_EQ(CountEnds(prepared.function, EndKind::kSwitch), 1u);
  EXPECT_TRUE(CopyDispatch(prepared.function));
  EXPECT_EQ(CountEnds(prepared.function, EndKind::kSwitch), 5u);
  ExpectSameResultsOverMemory(kInterpreter);
}

TEST(Dispatch, IsNotCopiedIntoWhatRunsOnce) {
  auto prepared = Prepare(kSwitch);
  MakeJumpTables(prepared.program->exec, prepared.function);
  EXPECT_FALSE(CopyDispatch(prepared.function));
}

// A sum of bytes in a loop whose counter begins, steps and ends in different ways.
std::string Sum(const std::string& first, const std::string& step, const std::string& back) {
  return "r0 = 0; r2 = " + first + "; again: r3 = r1; r3 += r2; r3 = *(u8 *)(r3 + 0); r0 += r3; " +
         step + "; " + back + "; exit";
}

TEST(Unrolling, GoesFourRoundsAtATime) {
  const std::string text = Sum("0", "r2 += 1", "if r2 != 102 goto again");
  auto prepared = Prepare(text);
  EXPECT_TRUE(UnrollLoops(prepared.program->exec, prepared.function, 0));
  // Two rounds in front, four in the loop.
  EXPECT_EQ(CountSteps(prepared.function, IsLoad), 6u);
  ExpectSameResultsOverMemory(text);
}

TEST(Unrolling, WritesShortLoopsOut) {
  const std::string text = Sum("0", "r2 += 1", "if r2 != 5 goto again");
  auto prepared = Prepare(text);
  EXPECT_TRUE(UnrollLoops(prepared.program->exec, prepared.function, 0));
  EXPECT_EQ(CountSteps(prepared.function, IsLoad), 5u);
  EXPECT_EQ(CountEnds(prepared.function, EndKind::kBranch), 0u);
  ExpectSameResultsOverMemory(text);
}

TEST(Unrolling, CountsRoundsForEveryCondition) {
  for (const int last : {1, 2, 3, 4, 15, 16, 17, 18, 19, 63, 64, 65, 66}) {
    const std::string end = std::to_string(last);
    for (const char* width : {"r", "w"}) {
      const std::string r2 = std::string(width) + "2";
      const std::string up = r2 + " += 1";
      for (const char* compare : {"!=", "<", "s<"}) {
        ExpectSameResultsOverMemory(
            Sum("0", up, "if " + r2 + " " + compare + " " + end + " goto again"));
      }
      ExpectSameResultsOverMemory(Sum("0", up, "if " + r2 + " <= " + end + " goto again"));
      ExpectSameResultsOverMemory(
          Sum("0", r2 + " += 3", "if " + r2 + " s<= " + end + " goto again"));
      ExpectSameResultsOverMemory(Sum("0", up, "if " + r2 + " == " + end + " goto +1; goto again"));
      ExpectSameResultsOverMemory(Sum(end, r2 + " += -1", "if " + r2 + " != 0 goto again"));
      ExpectSameResultsOverMemory(Sum(end, r2 + " -= 1", "if " + r2 + " s> 0 goto again"));
    }
    // The comparison is of what the counter was.
    ExpectSameResultsOverMemory(Sum("0", "r4 = r2; r2 += 2", "if r4 < " + end + " goto again"));
  }
}

TEST(Unrolling, LeavesWhatItCannotCount) {
  for (const std::string& text : {Sum("r5", "r2 += 1", "if r2 != 100 goto again"),
                                  Sum("0", "r2 += 1", "if r2 != r5 goto again"),
                                  Sum("0", "r2 += 3", "if r2 != 100 goto again"),
                                  Sum("0", "r2 += r3", "if r2 < 100 goto again"),
                                  Sum("0", "r2 <<= 1", "if r2 < 100 goto again"),
                                  Sum("0", "r2 += -1", "if r2 s> -100 goto again")}) {
    auto prepared = Prepare("r5 = *(u8 *)(r1 + 0); " + text);
    EXPECT_FALSE(UnrollLoops(prepared.program->exec, prepared.function, 0)) << text;
  }
}

TEST(Unrolling, SplitsOnlySumsThatNothingElseReads) {
  for (const char* body :
       {"r0 += r3", "r0 ^= r3", "w0 += w3", "w0 ^= w3", "r3 += r0; r0 = r3", "r0 += r3; r4 = r0",
        "r0 += r3; r0 += r3", "r0 |= r3", "r0 *= r3", "r0 += r3; *(u64 *)(r1 + 400) = r0",
        "r0 += r0", "r3 += r0; r3 += r0; r0 = r3"}) {
    ExpectSameResultsOverMemory(std::string("r0 = 9; r4 = 3; r2 = 0; again: r3 = r1; r3 += r2; "
                                            "r3 = *(u16 *)(r3 + 0); ") +
                                body + "; r2 += 2; if r2 != 200 goto again; r0 += r4; exit");
  }
}

TEST(Reassociation, KeepsResults) {
  for (const char* body :
       {"r0 *= 31; r0 += r1; r0 += r2", "w0 *= 31; r0 += r1; r1 += 3; r0 += r2",
        "r0 *= 31; r3 += r0; r4 += 1; r0 = r4; r0 += r3", "r0 *= 7; r3 += r0; r0 = r3; r0 += r4",
        "r0 *= 31; r3 += r0; r3 += 1; r0 = r4; r0 += r3"}) {
    ExpectSameResults(std::string("r0 = r1; r3 = r2; r4 = 5; r6 = 0; again: ") + body +
                      "; r6 += 1; if r6 != r4 goto +1; goto +2; if r6 s< 20 goto again; r0 += 1; "
                      "r0 += r3; exit");
    ExpectSameResults(std::string("r0 = r1; r3 = r2; r4 = 5; r6 = 0; r7 = 30; again: ") + body +
                      "; r6 += 1; if r6 != r7 goto again; r0 += r3; exit");
  }
}

TEST(Reassociation, AddsBesideTheChain) {
  auto prepared = Prepare(
      "r6 = 0; r7 = 30; again: r0 *= 31; r0 += r1; r0 += r2; r6 += 1; if r6 != r7 goto again; "
      "exit");
  EXPECT_TRUE(Reassociate(prepared.program->exec, prepared.function));
}

TEST(Inlining, PutsSmallFunctionsInPlaceOfCalls) {
  constexpr std::string_view kText =
      "r6 = r2; r7 = r1; call +5; r0 += r6; r1 = r0; call +2; r0 ^= r7; exit; "
      "r6 = r1; r7 = r6; r7 <<= 3; r0 = r7; r0 ^= r1; exit";
  const auto program = FromText(kText);
  ProgramShape shape = ProgramShape::Of(program->exec, false);
  const auto functions = Optimize(program->exec, shape, false);
  EXPECT_EQ(CountSteps(functions[0].function, IsCall), 0u);
  EXPECT_EQ(CountSteps(functions[1].function, IsCall), 0u);
  ExpectSameResults(kText);
}

TEST(Inlining, LeavesFunctionsThatUseTheStack) {
  constexpr std::string_view kText =
      "call +1; exit; *(u64 *)(r10 - 8) = r1; r0 = *(u64 *)(r10 - 8); exit";
  const auto program = FromText(kText);
  ProgramShape shape = ProgramShape::Of(program->exec, false);
  const auto functions = Optimize(program->exec, shape, false);
  EXPECT_EQ(CountSteps(functions[0].function, IsCall), 1u);
  ExpectSameResults(kText);
}

}  // namespace
}  // namespace skep::jit::opt
