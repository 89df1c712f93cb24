// SPDX-License-Identifier: Apache-2.0
#include "tests/jit/random_program.h"

#include <iterator>
#include <utility>
#include <vector>

namespace skep::jit {
namespace {

using model::ExecInsn;

constexpr int kMemoryRegister = 9;            // holds the memory; nothing else writes it
constexpr int kValues = 9;                    // r0 .. r8 hold numbers
constexpr int kStackBytes = 128;              // r10 - 128 .. r10 - 1, initialised
constexpr int kLoopSlots = kStackBytes + 64;  // loop counters below it

class Generator {
 public:
  Generator(uint64_t seed, int length) : state_(seed * 0x9e3779b97f4a7c15 + 1), length_(length) {}

  model::ExecProgram Run() {
    program_.name = "random";
    program_.verified = true;
    const int functions = static_cast<int>(Below(3));
    Function(length_, 0, functions);
    for (int f = 1; f <= functions; ++f) Function(length_ / 4 + 4, f, functions);
    for (const auto& [at, function] : calls_) {
      program_.insns[at].target = program_.subprograms[static_cast<size_t>(function)].start;
    }
    for (uint32_t i = 0; i < program_.insns.size(); ++i) program_.origin.push_back(i);
    return std::move(program_);
  }

 private:
  uint64_t Next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_ * 0x2545f4914f6cdd1d;
  }
  uint64_t Below(uint64_t n) { return (Next() >> 20) % n; }
  int Value() { return static_cast<int>(Below(kValues)); }
  int32_t Immediate() {
    constexpr int32_t kCommon[] = {0, 1, -1, 2, 3, 5, 7, 8, 31, 127, 128, 255, 65535, INT32_MIN};
    if (Below(2) == 0) return kCommon[Below(std::size(kCommon))];
    return static_cast<int32_t>(Next() >> (32 + Below(32)));
  }
  uint32_t Here() const { return static_cast<uint32_t>(program_.insns.size()); }

  uint32_t Add(Op op, int dst, int src, int32_t imm = 0, int off = 0, uint32_t target = 0) {
    program_.insns.push_back({op, static_cast<uint8_t>(dst), static_cast<uint8_t>(src), 0,
                              static_cast<int16_t>(off), 0, imm, target});
    return Here() - 1;
  }
  void SetWide(int dst, uint64_t value) {
    Add(Op::kLdImm64, dst, 0);
    program_.insns.back().set_wide(value);
  }
  void InitValue(int reg) {
    if (Below(3) == 0) {
      SetWide(reg, Next());
    } else {
      Add(Op::kMov64Imm, reg, 0, Immediate());
    }
  }

  // Without stack or calls, small enough to be inlined. Writes r6 and r7, which are
  // the caller's to find again.
  void SmallFunction(int index) {
    constexpr int kRegs[] = {0, 2, 3, 4, 5, 6, 7};
    constexpr Op kOps[] = {Op::kAdd64Reg, Op::kSub64Reg, Op::kXor32Reg, Op::kMul64Reg,
                           Op::kMov64Reg, Op::kLsh64Imm, Op::kRsh32Imm, Op::kAdd64Imm,
                           Op::kOr64Reg,  Op::kAnd32Imm, Op::kNeg64};
    const uint32_t start = Here();
    Add(Op::kMov64Reg, 6, 2);
    Add(Op::kMov64Imm, 7, 0, Immediate());
    Add(Op::kLdxW, 0, 1, 0, static_cast<int>(Below(500)));
    for (uint64_t i = 1 + Below(10); i-- > 0;) {
      const Op op = kOps[Below(std::size(kOps))];
      const int dst = kRegs[Below(std::size(kRegs))];
      const bool reg = Info(op).operands == Operands::kDstSrc;
      Add(op, dst, reg ? kRegs[Below(std::size(kRegs))] : 0,
          Info(op).operands == Operands::kDstImm ? Immediate() : 0);
    }
    Add(Op::kXor64Reg, 0, 6);
    Add(Op::kAdd64Reg, 0, 7);
    Add(Op::kExit, 0, 0);
    program_.subprograms.push_back({"f" + std::to_string(index), start, Here(), 0, false});
  }

  void Function(int length, int index, int functions) {
    if (index != 0 && Below(2) == 0) return SmallFunction(index);
    const uint32_t start = Here();
    function_ = index;
    functions_ = functions;
    loop_slot_ = kLoopSlots;
    depth_ = 0;
    Add(Op::kMov64Reg, kMemoryRegister, 1);
    for (int i = 8; i <= kStackBytes; i += 8) Add(Op::kStDw, 10, 0, Immediate(), -i);
    for (int reg = 0; reg < kValues; ++reg) {
      if (index != 0 && reg >= 2 && reg <= 5) continue;  // arguments
      InitValue(reg);
    }
    Block(length);
    // r0 = something of every register.
    for (int reg = 1; reg < kValues; ++reg) {
      Add(Op::kMul64Imm, 0, 0, 31);
      Add(Op::kAdd64Reg, 0, reg);
    }
    Add(Op::kExit, 0, 0);
    program_.subprograms.push_back(
        {"f" + std::to_string(index), start, Here(), kLoopSlots + 8 * 8, false});
  }

  void Block(int length) {
    const uint32_t end = Here() + static_cast<uint32_t>(length);
    while (Here() < end) Statement(static_cast<int>(end - Here()));
  }

  void Statement(int left) {
    switch (Below(21)) {
      case 0:
      case 1:
        return Rotate();
      case 2:
      case 3:
        return IndexedAccess();
      case 4:
      case 5:
        return DirectAccess();
      case 6:
        return Atomic();
      case 7:
        return Idiom();
      case 8:
      case 9:
        if (left > 6) return If(left);
        return Arithmetic();
      case 10:
        if (left > 12 && depth_ < 2 && loop_slot_ < kLoopSlots + 56) return Loop(left);
        return Arithmetic();
      case 11:
        // main may call all, a function those behind it.
        if (function_ < functions_ && Below(2) == 0) return Call();
        return Arithmetic();
      case 12:
        return Diamond();
      case 13:
        return CountedLoop();
      case 14:
        if (left > 20) return Switch();
        return Arithmetic();
      case 15:
        return RepeatedTest();
      default:
        return Arithmetic();
    }
  }

  // Arithmetic that optimisers move about, on any register but `kept`.
  void Simple(int kept = -1) {
    constexpr Op kOps[] = {Op::kAdd64Reg, Op::kAdd32Reg, Op::kXor64Reg, Op::kSub32Reg,
                           Op::kAdd64Imm, Op::kAdd32Imm, Op::kMov64Reg, Op::kMov32Reg,
                           Op::kAnd64Imm, Op::kLsh64Imm, Op::kRsh32Imm, Op::kOr64Reg,
                           Op::kMul64Imm, Op::kMul32Reg, Op::kMov64Imm, Op::kXor32Imm};
    const Op op = kOps[Below(std::size(kOps))];
    int dst = Value();
    if (dst == kept) dst = (dst + 1) % kValues;
    if (Info(op).operands == Operands::kDstSrc) {
      Add(op, dst, Value());
    } else {
      Add(op, dst, 0, Immediate());
    }
  }

  void Diamond() {
    const uint32_t branch = Condition();
    const uint64_t taken = Below(4);
    for (uint64_t i = 1 + Below(3); i-- > 0;) Simple();
    uint32_t out = 0;
    if (taken != 0) out = Add(Op::kJa, 0, 0);
    program_.insns[branch].target = Here();
    for (uint64_t i = 0; i < taken; ++i) Simple();
    if (taken != 0) program_.insns[out].target = Here();
  }

  // if c goto a; ...; a: ...; if c goto b; ...; b:
  void RepeatedTest() {
    const uint32_t first = Condition();
    const ExecInsn condition = program_.insns[first];
    if (Below(2) == 0) {
      Simple(condition.dst);
    } else {
      Arithmetic();
    }
    program_.insns[first].target = Here();
    if (Below(2) == 0) Simple(condition.dst);
    const uint32_t second = Here();
    program_.insns.push_back(condition);
    for (uint64_t i = 1 + Below(2); i-- > 0;) Simple();
    program_.insns[second].target = Here();
  }

  // One block, a counter in a register, sums of what is loaded.
  void CountedLoop() {
    const int counter = Value();
    const int sum = (counter + 1 + static_cast<int>(Below(3))) % kValues;
    const int t = (counter + 4 + static_cast<int>(Below(2))) % kValues;
    const int copy = (counter + 6 + static_cast<int>(Below(2))) % kValues;
    const int rounds = 1 + static_cast<int>(Below(Below(2) == 0 ? 8 : 40));
    const int step = 1 << Below(4);
    const bool down = Below(4) == 0;
    const int low = static_cast<int>(Below(16));
    const int first = down ? low + rounds * step : low;
    const int last = down ? low : low + rounds * step;
    const bool narrow = Below(3) == 0;
    Add(narrow ? Op::kMov32Imm : Op::kMov64Imm, counter, 0, first);
    if (Below(2) == 0) Add(Op::kMov64Imm, copy, 0, first);
    if (Below(3) == 0) InitValue(sum);
    const uint32_t head = Here();
    for (uint64_t i = Below(3); i-- > 0;) Simple(counter);
    const bool by_copy = Below(3) == 0;
    if (program_.insns.size() > head) {
      for (uint32_t i = head; i < Here(); ++i) {  // the counter is the loop's
        if (program_.insns[i].dst == counter) program_.insns[i].dst = static_cast<uint8_t>(t);
      }
    }
    // counter is at most 16 + 40 * 8 here
    Add(Op::kMov64Reg, t, kMemoryRegister);
    Add(Op::kAdd64Reg, t, counter);
    constexpr Op kLoads[] = {Op::kLdxB, Op::kLdxH, Op::kLdxW, Op::kLdxDw, Op::kLdxSH};
    Add(kLoads[Below(std::size(kLoads))], t, t, 0, static_cast<int>(Below(100)));
    constexpr Op kSums[] = {Op::kAdd64Reg, Op::kAdd32Reg, Op::kXor64Reg, Op::kXor32Reg,
                            Op::kOr64Reg};
    const Op adds = kSums[Below(std::size(kSums))];
    if (Below(2) == 0) {
      Add(adds, sum, t);
    } else {
      Add(adds, t, sum);
      Add(Op::kMov64Reg, sum, t);
    }
    if (Below(4) == 0) Add(Op::kStxW, kMemoryRegister, t, 0, static_cast<int>(Below(500)));
    if (Below(4) == 0) Simple(counter);
    if (program_.insns.back().dst == counter) program_.insns.back().dst = static_cast<uint8_t>(t);
    if (by_copy) Add(Op::kMov64Reg, copy, counter);
    Add(narrow ? Op::kAdd32Imm : Op::kAdd64Imm, counter, 0, down ? -step : step);
    CloseLoop(by_copy ? copy : counter, by_copy ? last - (down ? -step : step) : last, down, head);
  }

  void CloseLoop(int asked, int last, bool down, uint32_t head) {
    switch (Below(4)) {
      case 0:
        Add(Op::kJNe64Imm, asked, 0, last, 0, head);
        break;
      case 1:
        Add(Op::kJEq32Imm, asked, 0, last, 0, Here() + 2);
        Add(Op::kJa, 0, 0, 0, 0, head);
        break;
      case 2:
        Add(down ? Op::kJGt64Imm : Op::kJLt64Imm, asked, 0, last, 0, head);
        break;
      default:
        Add(down ? Op::kJSGe32Imm : Op::kJSLe32Imm, asked, 0, down ? last + 1 : last - 1, 0, head);
        break;
    }
  }

  // Comparisons of one register with constants, in a tree or a row.
  void Switch() {
    const int value = Value();
    const bool known = Below(3) != 0;
    if (known) Add(Below(2) == 0 ? Op::kAnd32Imm : Op::kAnd64Imm, value, 0, 15);
    const bool wide = Below(2) == 0;
    const int cases = 4 + static_cast<int>(Below(5));
    std::vector<uint32_t> jumps;
    uint32_t above = 0;
    if (Below(2) == 0) {
      above = Add(wide ? Op::kJSGt64Imm : Op::kJGt32Imm, value, 0, 3);
    }
    std::vector<uint32_t> others;
    for (int i = 0; i < cases; ++i) {
      if (above != 0 && i == 4) {
        others.push_back(Add(Op::kJa, 0, 0));
        program_.insns[above].target = Here();
        if (Below(2) == 0) Simple(value);
      }
      jumps.push_back(
          Add(wide ? Op::kJEq64Imm : Op::kJEq32Imm, value, 0, i + static_cast<int>(Below(2))));
    }
    if (above != 0 && cases <= 4) program_.insns[above].target = Here();
    others.push_back(Add(Op::kJa, 0, 0));
    std::vector<uint32_t> outs;
    for (const uint32_t jump : jumps) {
      program_.insns[jump].target = Here();
      for (uint64_t i = 1 + Below(2); i-- > 0;) Simple();
      outs.push_back(Add(Op::kJa, 0, 0));
    }
    for (const uint32_t jump : others) program_.insns[jump].target = Here();
    Simple();
    for (const uint32_t jump : outs) program_.insns[jump].target = Here();
  }

  Op Pick(OpClass op_class) {
    for (;;) {
      const Op op = static_cast<Op>(Below(kOpCount));
      if (ClassOf(op) == op_class) return op;
    }
  }

  void Arithmetic() {
    const Op op = Pick(OpClass::kAlu);
    const OpInfo& info = Info(op);
    Add(op, Value(), info.operands == Operands::kDstSrc ? Value() : 0,
        info.operands == Operands::kDstImm ? Immediate() : 0);
  }

  void Rotate() {
    const bool wide = Below(2) == 0;
    const int width = wide ? 64 : 32;
    const Op move = wide ? Op::kMov64Reg : Op::kMov32Reg;
    Op first = wide ? Op::kLsh64Imm : Op::kLsh32Imm;
    Op second = wide ? Op::kRsh64Imm : Op::kRsh32Imm;
    if (Below(2) == 0) std::swap(first, second);
    const int t = Value(), x = Value(), y = Below(2) == 0 ? x : Value();
    const auto n = static_cast<int32_t>(Below(static_cast<uint64_t>(width)));
    Add(move, t, x);
    Add(first, t, 0, n);
    if (y != x) Add(move, y, x);
    Add(second, y, 0, Below(8) == 0 ? Immediate() & (width - 1) : (width - n) & (width - 1));
    const bool into_t = Below(3) == 0;
    Add(wide ? Op::kOr64Reg : Op::kOr32Reg, into_t ? t : y, into_t ? y : t);
    // Often the other one is dead.
    if (Below(2) == 0) InitValue(into_t ? y : t);
  }

  int Offset(const OpInfo& info, int size) {
    const int bytes = info.width / 8;
    const bool aligned = ClassOf(info.kind) == OpClass::kAtomic ||
                         info.kind == OpKind::kLoadAcquire || info.kind == OpKind::kStoreRelease;
    int offset = static_cast<int>(Below(static_cast<uint64_t>(size - bytes + 1)));
    if (aligned) offset = offset / bytes * bytes;
    return offset;
  }

  void Access(Op op, int base, int value, int off) {
    const OpInfo& info = Info(op);
    if (ClassOf(op) == OpClass::kLoad) {
      Add(op, value, base, 0, off);
    } else {
      const bool immediate = info.operands == Operands::kMemImm;
      Add(op, base, immediate ? 0 : value, immediate ? Immediate() : 0, off);
    }
  }

  void DirectAccess() {
    const Op op = Pick(Below(2) == 0 ? OpClass::kLoad : OpClass::kStore);
    if (Below(2) == 0) {
      Access(op, 10, Value(), Offset(Info(op), kStackBytes) - kStackBytes);
    } else {
      Access(op, kMemoryRegister, Value(), Offset(Info(op), kRandomMemory));
    }
  }

  // t = base; t += i & 56; t += k; *(t + off)
  void IndexedAccess() {
    const Op op = Pick(Below(2) == 0 ? OpClass::kLoad : OpClass::kStore);
    const int t = Value();
    int index = Value();
    if (index == t) index = (index + 1) % kValues;
    const bool stack = Below(2) == 0;
    const int k = static_cast<int>(Below(32)) - 16;
    const int size = (stack ? kStackBytes : kRandomMemory) - 56;
    int off = Offset(Info(op), size) - k - (stack ? kStackBytes : 0);
    Add(Op::kAnd64Imm, index, 0, 56);
    const uint64_t order = Below(3);
    if (order == 0) Add(Op::kAdd64Imm, index, 0, 0);
    Add(Op::kMov64Reg, t, stack ? 10 : kMemoryRegister);
    if (Below(2) == 0) {
      Add(Op::kAdd64Imm, t, 0, k);
    } else {
      off += k;
    }
    Add(Op::kAdd64Reg, t, index);
    int value = Value();
    const bool stores_address = Info(op).operands == Operands::kMemSrc && value == t;
    if (stores_address) value = index;  // addresses differ between engines
    Access(op, t, value, off);
    if (!(ClassOf(op) == OpClass::kLoad && value == t)) InitValue(t);
  }

  void Atomic() {
    const Op op = Pick(OpClass::kAtomic);
    if (Below(2) == 0) {
      Add(op, 10, Value(), 0, Offset(Info(op), kStackBytes) - kStackBytes);
    } else {
      Add(op, kMemoryRegister, Value(), 0, Offset(Info(op), kRandomMemory));
    }
  }

  void Idiom() {
    const bool wide = Below(2) == 0;
    const int d = Value(), s = Value();
    Add(wide ? Op::kMov64Reg : Op::kMov32Reg, d, s);
    switch (Below(4)) {
      case 0:
        Add(Below(2) == 0 ? Op::kAnd64Imm : Op::kAnd32Imm, d, 0, Below(2) == 0 ? 0xff : 0xffff);
        break;
      case 1:
        Add(wide ? Op::kMul64Imm : Op::kMul32Imm, d, 0, static_cast<int32_t>(Below(11)));
        Add(wide ? Op::kAdd64Imm : Op::kAdd32Imm, d, 0, Immediate());
        break;
      case 2:
        Add(wide ? Op::kAdd64Imm : Op::kAdd32Imm, d, 0, Immediate());
        Add(wide ? Op::kAdd64Reg : Op::kAdd32Reg, d, Value());
        break;
      default:
        Add(wide ? Op::kSub64Imm : Op::kSub32Imm, d, 0, Immediate());
        break;
    }
  }

  uint32_t Condition() {
    const Op op = Pick(OpClass::kBranch);
    const bool reg = Info(op).operands == Operands::kBranchReg;
    return Add(op, Value(), reg ? Value() : 0, reg ? 0 : Immediate());
  }

  void If(int left) {
    uint32_t branch = Condition();
    if (Below(3) == 0) {  // if c goto over; goto out; over:
      program_.insns[branch].target = branch + 2;
      branch = Add(Op::kJa, 0, 0);
    }
    Block(1 + static_cast<int>(Below(static_cast<uint64_t>(left / 2))));
    if (Below(3) == 0) {
      const uint32_t out = Add(Op::kJa, 0, 0);
      program_.insns[branch].target = Here();
      Block(1 + static_cast<int>(Below(static_cast<uint64_t>(left / 3 + 1))));
      program_.insns[out].target = Here();
    } else {
      program_.insns[branch].target = Here();
    }
  }

  // Counts down a stack slot that nothing else touches.
  void Loop(int left) {
    const int slot = -(loop_slot_ += 8);
    ++depth_;
    Add(Op::kStDw, 10, 0, 2 + static_cast<int32_t>(Below(3)), slot);
    const uint32_t head = Here();
    Block(2 + static_cast<int>(Below(static_cast<uint64_t>(left / 2))));
    const int counter = Value();
    Add(Op::kLdxDw, counter, 10, 0, slot);
    Add(Op::kAdd64Imm, counter, 0, -1);
    Add(Op::kStxDw, 10, counter, 0, slot);
    if (Below(2) == 0) {
      Add(Op::kJNe64Imm, counter, 0, 0, 0, head);
    } else {
      Add(Op::kJEq64Imm, counter, 0, 0, 0, Here() + 2);
      Add(Op::kJa, 0, 0, 0, 0, head);
    }
    --depth_;
  }

  void Call() {
    Add(Op::kMov64Reg, 1, kMemoryRegister);
    calls_.emplace_back(
        Add(Op::kCallLocal, 0, 0),
        function_ + 1 + static_cast<int>(Below(static_cast<uint64_t>(functions_ - function_))));
    for (int reg = 1; reg <= 5; ++reg) InitValue(reg);
  }

  uint64_t state_;
  const int length_;
  model::ExecProgram program_;
  std::vector<std::pair<uint32_t, int>> calls_;  // where, which function
  int function_ = 0;
  int functions_ = 0;
  int loop_slot_ = 0;
  int depth_ = 0;
};

}  // namespace

model::ExecProgram RandomProgram(uint64_t seed, int length) {
  return Generator(seed, length).Run();
}

}  // namespace skep::jit
