// SPDX-License-Identifier: Apache-2.0
// Compares abstract values with the running kernel's: generates programs of
// arithmetic and jumps over unknown numbers, loads them with the verifier log
// on, reads the register states out of the log and compares each with ours.
// Needs bpf(2).

#include <array>
#include <cstring>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/utsname.h>

#include "skep/insn.h"

#include "isa/encode.h"
#include "isa/op.h"
#include "tests/verifier/kernel_log.h"
#include "tests/verifier/random_scalar.h"
#include "verifier/refine.h"
#include "verifier/transfer_alu.h"

namespace skep::verifier {
namespace {

constexpr int kGetPrandomU32 = 7;  // its result is an unknown 64-bit number to the verifier

struct Step {
  OpKind kind;
  int width;
  int dst;
  int src;           // -1: an immediate
  int pc;            // where the kernel's state shows
  bool entry;        // the state shows at the entry of pc, not after it
  Scalar dst_state;  // ours, after the step
  Scalar src_state;
  int jump = -1;  // where the jump of a branch is
  Decision decision = Decision::kUnknown;
};

constexpr std::array kArithmetic = {
    OpKind::kAdd,     OpKind::kSub,     OpKind::kMul,  OpKind::kAnd, OpKind::kOr,   OpKind::kXor,
    OpKind::kLsh,     OpKind::kRsh,     OpKind::kArsh, OpKind::kNeg, OpKind::kMov,  OpKind::kMovSx8,
    OpKind::kMovSx16, OpKind::kMovSx32, OpKind::kDiv,  OpKind::kMod, OpKind::kSDiv, OpKind::kSMod,
    OpKind::kToLe,    OpKind::kToBe,    OpKind::kBswap};
constexpr std::array kJumps = {OpKind::kJEq,  OpKind::kJNe,  OpKind::kJGt,  OpKind::kJGe,
                               OpKind::kJLt,  OpKind::kJLe,  OpKind::kJSet, OpKind::kJSGt,
                               OpKind::kJSGe, OpKind::kJSLt, OpKind::kJSLe};

bool IsMove(OpKind kind) {
  return kind == OpKind::kMov || kind == OpKind::kMovSx8 || kind == OpKind::kMovSx16 ||
         kind == OpKind::kMovSx32;
}
bool IsByteOrder(OpKind kind) {
  return kind == OpKind::kToLe || kind == OpKind::kToBe || kind == OpKind::kBswap;
}
bool IsShift(OpKind kind) {
  return kind == OpKind::kLsh || kind == OpKind::kRsh || kind == OpKind::kArsh;
}
bool IsDivision(OpKind kind) {
  return kind == OpKind::kDiv || kind == OpKind::kMod || kind == OpKind::kSDiv ||
         kind == OpKind::kSMod;
}

// One path of arithmetic and jumps over r6 .. r9, each jump with a side exit.
class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {
    for (int r = 6; r <= 9; ++r) {
      Emit({.op = FindOp(OpKind::kCallHelper, 64, Operands::kCall), .imm = kGetPrandomU32});
      Emit({.op = FindOp(OpKind::kMov, 64, Operands::kDstSrc), .dst = static_cast<uint8_t>(r)});
      Emit({.op = FindOp(OpKind::kMov, 64, Operands::kDstImm), .imm = 0});
      state_[r] = Scalar::Unknown();
    }
    for (int i = 0; i < 14; ++i) {
      const uint64_t choice = random_() % 10;
      if (choice == 0) {
        AddConstant();
      } else if (choice == 9 && random_() % 4 == 0) {
        AddSignMask();
      } else if (choice < 5) {
        AddJump();
      } else {
        AddArithmetic();
      }
    }
    const auto exit = code_.size();
    Emit({.op = FindOp(OpKind::kMov, 64, Operands::kDstImm), .imm = 0});
    Emit({.op = FindOp(OpKind::kExit, 64, Operands::kExit)});
    for (const size_t pc : side_exits_) code_[pc].off = static_cast<int16_t>(exit - pc - 1);
  }

  const std::vector<Insn>& code() const { return code_; }
  const std::vector<Step>& steps() const { return steps_; }

 private:
  void Emit(const DecodedInsn& insn) { AppendEncoded(insn, code_); }
  int Pc() const { return static_cast<int>(code_.size()); }
  int Register() { return 6 + static_cast<int>(random_() % 4); }

  void AddConstant() {
    const int r = Register();
    const uint64_t v = HostileValue(random_);
    Emit({.op = FindOp(OpKind::kLoadImm, 64, Operands::kWide),
          .dst = static_cast<uint8_t>(r),
          .imm = static_cast<int32_t>(v),
          .imm64 = static_cast<int64_t>(v)});
    state_[r] = Scalar::Const(v);
  }

  // 0 or -1, then a mask: Linux splits the state in two.
  void AddSignMask() {
    const int width = random_() % 2 == 0 ? 32 : 64, r = Register();
    AddOperation(OpKind::kArsh, width, r, -1, width - 1, Operands::kDstImm);
    AddOperation(random_() % 2 == 0 ? OpKind::kAnd : OpKind::kOr, random_() % 2 == 0 ? 32 : 64, r,
                 -1, static_cast<int32_t>(HostileValue(random_)), Operands::kDstImm);
  }

  void AddArithmetic() {
    const OpKind kind = kArithmetic[random_() % kArithmetic.size()];
    int width = random_() % 2 == 0 ? 32 : 64;
    if (IsByteOrder(kind)) width = 16 << (random_() % 3);
    if (kind == OpKind::kMovSx32) width = 64;
    const bool unary = kind == OpKind::kNeg || IsByteOrder(kind);
    const bool from_register = !unary && (kind == OpKind::kMovSx8 || kind == OpKind::kMovSx16 ||
                                          kind == OpKind::kMovSx32 || random_() % 2 == 0);
    const int dst = Register();
    int src = Register();
    if (IsMove(kind) && src == dst) src = 6 + (dst - 5) % 4;
    auto imm = static_cast<int32_t>(HostileValue(random_));
    if (IsShift(kind)) imm = static_cast<int32_t>(random_() % static_cast<uint64_t>(width));
    if (IsDivision(kind) && imm == 0) imm = 3;
    const Operands form = unary           ? Operands::kDst
                          : from_register ? Operands::kDstSrc
                                          : Operands::kDstImm;
    AddOperation(kind, width, dst, from_register ? src : -1, imm, form);
    // A move links the two registers; an operation on the source unlinks them.
    if (IsMove(kind) && from_register) {
      AddOperation(OpKind::kXor, 64, src, -1, 0, Operands::kDstImm);
    }
  }

  void AddOperation(OpKind kind, int width, int dst, int src, int32_t imm, Operands form) {
    const bool unary = form == Operands::kDst;
    const Scalar from = src >= 0 ? state_[src] : Scalar::Const(static_cast<uint64_t>(int64_t{imm}));
    int split = 0;
    if (SplitsIntoZeroAndOnes(kind, state_[dst], from, &split)) {
      // Linux goes on with all ones here and comes back for zero.
      state_[dst] =
          split == 64 ? Scalar::Const(~uint64_t{0}) : state_[dst].WithLowConst(~uint32_t{0});
    }
    steps_.push_back({kind, width, dst, src, Pc(), false, {}, {}});
    Emit({.op = FindOp(kind, width, form),
          .dst = static_cast<uint8_t>(dst),
          .src = static_cast<uint8_t>(src >= 0 ? src : 0),
          .imm = src >= 0 || unary ? 0 : imm});
    state_[dst] = TransferAlu(kind, width, state_[dst], from);
    steps_.back().dst_state = state_[dst];
  }

  void AddJump() {
    const OpKind kind = kJumps[random_() % kJumps.size()];
    const int width = random_() % 2 == 0 ? 32 : 64;
    const int dst = Register(), other = Register();
    const int src = random_() % 3 == 0 ? -1 : other;  // also a register with itself
    const auto imm = static_cast<int32_t>(HostileValue(random_));
    Scalar a = state_[dst];
    Scalar b = src >= 0 ? state_[src] : Scalar::Const(static_cast<uint64_t>(int64_t{imm}));
    const Operands form = src >= 0 ? Operands::kBranchReg : Operands::kBranchImm;
    DecodedInsn jump{.op = FindOp(kind, width, form),
                     .dst = static_cast<uint8_t>(dst),
                     .src = static_cast<uint8_t>(src >= 0 ? src : 0),
                     .off = 1,
                     .imm = src >= 0 ? 0 : imm};
    const Decision decision = DecideBranch(kind, width, a, b);
    if (decision != Decision::kUnknown) {
      // over an instruction that is walked only if the kernel can get there
      steps_.push_back({kind, width, dst, src, Pc(), false, a, b, Pc(), decision});
      Emit(jump);
      Emit({.op = FindOp(OpKind::kMov, 64, Operands::kDstImm)});
      return;
    }
    const bool taken = random_() % 2 == 0;
    if (!(src == dst ? Refine(kind, width, taken, a, a) : Refine(kind, width, taken, a, b))) return;
    if (src == dst) b = a;
    if (taken) {
      // jump over the side exit; the state shows where the jump arrives
      steps_.push_back({kind, width, dst, src, Pc() + 2, true, a, b, Pc()});
      Emit(jump);
    } else {
      steps_.push_back({kind, width, dst, src, Pc(), false, a, b, Pc()});
    }
    side_exits_.push_back(code_.size());
    if (taken) {
      Emit({.op = FindOp(OpKind::kJa, 64, Operands::kJump)});
    } else {
      Emit(jump);
    }
    state_[dst] = a;
    if (src >= 0) state_[src] = b;
  }

  std::mt19937_64 random_;
  std::vector<Insn> code_;
  std::vector<Step> steps_;
  std::vector<size_t> side_exits_;
  std::map<int, Scalar> state_;
};

std::string Print(const Scalar& s) {
  std::ostringstream out;
  out << std::hex << "u[" << s.wide.umin << "," << s.wide.umax << "] s[" << s.wide.smin << ","
      << s.wide.smax << "] u32[" << s.low.umin << "," << s.low.umax << "] s32[" << s.low.smin << ","
      << s.low.smax << "] bits(" << s.bits.value << ";" << s.bits.mask << ")";
  return out.str();
}

struct Tally {
  int equal = 0;
  int tighter = 0;  // ours within the kernel's
  int looser = 0;   // the kernel's within ours
  int other = 0;
  int absent = 0;  // the log does not show the register
};

// Which way the kernel went at a jump: both, or as it decided.
Decision KernelsDecision(const Step& step, const Log& log) {
  if (log.came_back_to.contains(step.jump)) return Decision::kUnknown;
  return log.walked.contains(step.jump + 1) ? Decision::kNotTaken : Decision::kTaken;
}

// Compares one register; returns false if they differ.
bool Compare(const Registers* shown, int r, const Scalar& ours, Tally* tally, std::string* text) {
  if (shown == nullptr || !shown->contains(r)) {
    ++tally->absent;
    return true;
  }
  const Scalar& kernels = shown->at(r);
  if (kernels == ours) {
    ++tally->equal;
    return true;
  }
  const bool tighter = ours.IsSubsetOf(kernels), looser = kernels.IsSubsetOf(ours);
  ++(tighter ? tally->tighter : looser ? tally->looser : tally->other);
  *text = std::string(tighter  ? "tighter"
                      : looser ? "looser"
                               : "other") +
          "\n  ours   " + Print(ours) + "\n  kernel " + Print(kernels);
  return false;
}

// The reason why there is nothing to compare with, or "".
std::string WhyNot() {
  if (std::string reason = test::WhyNoKernel(); !reason.empty()) return reason;
  utsname system{};
  uname(&system);
  if (std::strncmp(system.release, "6.18.", 5) != 0) {
    return std::string("the values follow Linux 6.18, this is ") + system.release;
  }
  return "";
}

// Ours may be tighter in a few places: Linux overwrites a tighter bound after it
// found a register to be a sign-extended half that is not negative (see
// Scalar::Normalize). Over 30,000 programs: 25 of 470,768.
TEST(ValuesAgainstKernel, GeneratedProgramsHaveTheKernelsRegisterStates) {
  if (const std::string reason = WhyNot(); !reason.empty()) GTEST_SKIP() << reason;
  Tally tally;
  std::array<int, 3> decisions{};
  for (uint64_t seed = 1; seed <= 4000; ++seed) {
    const Generator program(seed);
    const LoadResult loaded = Load(program.code());
    ASSERT_EQ(loaded.error, 0) << "seed " << seed << "\n" << loaded.log;
    const Log log = ParseLog(loaded.log);
    for (const Step& step : program.steps()) {
      if (step.jump >= 0) {
        EXPECT_EQ(KernelsDecision(step, log), step.decision)
            << "seed " << seed << " pc " << step.jump << "\n"
            << loaded.log;
        ++decisions[static_cast<size_t>(step.decision)];
        if (step.decision != Decision::kUnknown) continue;
      }
      const auto& states = step.entry ? log.entry : log.after;
      const auto found = states.find(step.pc);
      const Registers* shown = found == states.end() ? nullptr : &found->second;
      std::string difference;
      bool same = Compare(shown, step.dst, step.dst_state, &tally, &difference);
      if (ClassOf(step.kind) == OpClass::kBranch && step.src >= 0 && same) {
        same = Compare(shown, step.src, step.src_state, &tally, &difference);
      }
      if (same) continue;
      EXPECT_EQ(difference.rfind("tighter", 0), 0u)
          << "seed " << seed << " pc " << step.pc << " kind " << static_cast<int>(step.kind)
          << " width " << step.width << ": ours is " << difference << "\n"
          << loaded.log;
      break;  // what follows starts from different states
    }
    if (testing::Test::HasFailure()) return;
  }
  RecordProperty("equal", tally.equal);
  RecordProperty("tighter", tally.tighter);
  for (const int count : decisions) EXPECT_GT(count, 1000);
  EXPECT_GT(tally.equal, 50000);
  EXPECT_LT(tally.tighter * 2000, tally.equal);
  EXPECT_LT(tally.absent * 20, tally.equal);  // the log was read, nearly all of it
}

}  // namespace
}  // namespace skep::verifier
