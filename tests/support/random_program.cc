// SPDX-License-Identifier: Apache-2.0
//
// Between two statements these hold in every function, so that any statement
// may follow any other:
//   r9               points to the function's region: plain memory, the checked
//                    part of the packet, or a part of some caller's stack
//   r6               the context, in the main function of packet programs
//   all other        numbers, none of them derived from an address
//   r10-32 .. r10-1  initialised, numbers
// Below that are slots with one use each: a key, a spilled pointer, two loop counters.
#include "tests/support/random_program.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <string>
#include <utility>

#include "base/check.h"
#include "isa/encode.h"

namespace skep::test {
namespace {

constexpr int kStack = 32;
constexpr int kKeySlot = -40;
constexpr int kSpillSlot = -48;
constexpr int kCounterSlot = -56;
constexpr int kContext = 6;
constexpr int kRegion = 9;
constexpr int kArrayMap = 0, kCellMap = 1, kHashMap = 2;

const std::vector<Op>& OpsOf(OpClass op_class) {
  static const auto* const all = [] {
    auto* lists = new std::array<std::vector<Op>, static_cast<size_t>(OpClass::kExit) + 1>;
    for (int i = 0; i < kOpCount; ++i) {
      const Op op = static_cast<Op>(i);
      (*lists)[static_cast<size_t>(ClassOf(op))].push_back(op);
    }
    return lists;
  }();
  return (*all)[static_cast<size_t>(op_class)];
}

// Where an access may go: `size` bytes from register `base` + `offset`.
struct Place {
  int base = kFramePointer;
  int offset = -kStack;
  int size = kStack;
  bool aligned = true;   // Linux asks it of all accesses to the stack
  bool atomics = true;   // Linux allows none on packets
  bool variable = true;  // a bounded number may be added to the address
  bool IsStack() const { return aligned; }
};

class Generator {
 public:
  Generator(uint64_t seed, ProgramTypeId type) : type_(type) {
    state_ = seed * 0x9e3779b97f4a7c15 + 0x1234567;
    Next();
  }

  Program Run() {
    functions_ = 1 + (Chance(35) ? static_cast<int>(1 + Below(2)) : 0);
    for (int f = 0; f < functions_; ++f) {
      // Who has no region but the stack passes on the stack.
      const bool before =
          f == 0 ? type_ == ProgramTypeId::kSocketFilter : gets_stack_[static_cast<size_t>(f) - 1];
      gets_stack_[static_cast<size_t>(f)] = before || (f != 0 && Chance(50));
    }
    std::vector<Subprogram> subprograms;
    for (int f = 0; f < functions_; ++f) {
      const uint32_t start = Here();
      Function(f);
      subprograms.push_back({.name = "f" + std::to_string(f), .start = start, .end = Here()});
    }
    for (const auto& [at, function] : calls_) {
      code_[at].imm = static_cast<int32_t>(subprograms[static_cast<size_t>(function)].start) -
                      static_cast<int32_t>(at) - 1;
    }
    ProgramData data;
    data.name = "random";
    data.type = type_;
    data.license = "GPL";
    data.insns = std::move(code_);
    data.subprograms = std::move(subprograms);
    data.maps = RandomProgramMaps();
    auto program = Program::Create(std::move(data));
    SKEP_CHECK(program.has_value());
    return *std::move(program);
  }

 private:
  // ---- choices -------------------------------------------------------------
  uint64_t Next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_ * 0x2545f4914f6cdd1d;
  }
  uint32_t Below(size_t n) { return static_cast<uint32_t>((Next() >> 20) % n); }
  int Between(int low, int high) {
    return low + static_cast<int>(Below(static_cast<size_t>(high - low) + 1));
  }
  bool Chance(uint32_t percent) { return Below(100) < percent; }
  template <class List>
  auto One(const List& list) {
    return *(std::begin(list) + Below(std::size(list)));
  }
  int Value() { return One(values_); }
  int ValueBut(int a, int b = -1) {
    for (;;) {
      const int reg = Value();
      if (reg != a && reg != b) return reg;
    }
  }
  int32_t Immediate() {
    static constexpr int32_t kEdges[] = {0,   1,     -1,    2,         3,         7,          8,
                                         31,  32,    63,    64,        127,       128,        255,
                                         256, 32767, 65535, INT32_MIN, INT32_MAX, -2147483647};
    return Chance(50) ? One(kEdges) : static_cast<int32_t>(Next() >> (32 + Below(32)));
  }

  bool IsPacketType() const { return type_ != ProgramTypeId::kMemory; }
  bool IsSkb() const { return IsPacketType() && type_ != ProgramTypeId::kXdp; }
  bool InMain() const { return function_ == 0; }

  // ---- instructions --------------------------------------------------------
  uint32_t Here() const { return static_cast<uint32_t>(code_.size()); }
  uint32_t Add(Op op, int dst, int src = 0, int off = 0, int64_t imm = 0) {
    const uint32_t at = Here();
    DecodedInsn insn;
    insn.op = op;
    insn.dst = static_cast<uint8_t>(dst);
    insn.src = static_cast<uint8_t>(src);
    insn.off = static_cast<int16_t>(off);
    insn.imm = static_cast<int32_t>(imm);
    insn.imm64 = imm;
    AppendEncoded(insn, code_);
    return at;
  }
  void Move(int dst, int src) { Add(Op::kMov64Reg, dst, src); }
  void MoveImm(int dst, int32_t imm) { Add(Op::kMov64Imm, dst, 0, 0, imm); }
  void AddImm(int dst, int32_t imm) { Add(Op::kAdd64Imm, dst, 0, 0, imm); }
  // Makes the jump at `at` go to the next instruction.
  void Land(uint32_t at) {
    const int distance = static_cast<int>(Here() - at) - 1;
    if (code_[at].code == Info(Op::kJa32).code) {
      code_[at].imm = distance;
    } else {
      code_[at].off = static_cast<int16_t>(distance);
    }
  }
  uint32_t Jump() { return Add(Chance(80) ? Op::kJa : Op::kJa32, 0); }

  // ---- numbers -------------------------------------------------------------
  // Gives `reg` a number, often one that only the run knows.
  void SetNumber(int reg) {
    const uint32_t pick = Below(8);
    if (pick == 0) {
      Add(Op::kLdImm64, reg, 0, 0, static_cast<int64_t>(Next()));
    } else if (pick < 3) {
      MoveImm(reg, Immediate());
    } else if (pick == 3 && IsSkb() && InMain()) {
      // len, mark and cb of the sk_buff.
      static constexpr int kFields[] = {0, 8, 48, 52, 56, 60, 64};
      Add(Op::kLdxW, reg, kContext, One(kFields));
    } else {
      const Op op = One(kPlainLoads);
      Add(op, reg, kRegion, OffsetIn(op, region_));
    }
  }

  void Arithmetic() {
    const Op op = One(OpsOf(OpClass::kAlu));
    const OpInfo& info = Info(op);
    if (info.operands != Operands::kDstImm) {
      Add(op, Value(), info.operands == Operands::kDstSrc ? Value() : 0);
      return;
    }
    int32_t imm = Immediate();
    // Linux refuses shifts beyond the width and division by an immediate 0.
    const OpKind kind = info.kind;
    if (kind == OpKind::kLsh || kind == OpKind::kRsh || kind == OpKind::kArsh) {
      imm &= info.width - 1;
    }
    const bool divides = kind == OpKind::kDiv || kind == OpKind::kSDiv || kind == OpKind::kMod ||
                         kind == OpKind::kSMod;
    if (divides && imm == 0) imm = 3;
    Add(op, Value(), 0, 0, imm);
  }

  // ---- memory --------------------------------------------------------------
  Op AccessOp(const Place& place) {
    static constexpr OpClass kClasses[] = {OpClass::kLoad, OpClass::kLoad, OpClass::kStore,
                                           OpClass::kStore, OpClass::kAtomic};
    for (;;) {
      const OpClass op_class = One(kClasses);
      const Op op = One(OpsOf(op_class));
      if (place.atomics || !NeedsAlignment(op)) return op;
    }
  }
  static bool NeedsAlignment(Op op) {
    return ClassOf(op) == OpClass::kAtomic || Info(op).kind == OpKind::kLoadAcquire ||
           Info(op).kind == OpKind::kStoreRelease;
  }
  // `value`: the register that is loaded or stored.
  void AccessAt(Op op, int base, int off, int value) {
    if (ClassOf(op) == OpClass::kLoad) {
      Add(op, value, base, off);
    } else if (Info(op).operands == Operands::kMemImm) {
      Add(op, base, 0, off, Immediate());
    } else {
      Add(op, base, value, off);
    }
  }
  static bool MustAlign(Op op, const Place& place) {
    return Info(op).width > 8 && (place.aligned || NeedsAlignment(op));
  }
  int OffsetIn(Op op, const Place& place) {
    const int bytes = Info(op).width / 8;
    const int off = Between(0, place.size - bytes);
    return MustAlign(op, place) ? off / bytes * bytes : off;
  }

  void Access(const Place& place) {
    if (place.variable && Chance(40)) return VariableAccess(place);
    const Op op = AccessOp(place);
    AccessAt(op, place.base, place.offset + OffsetIn(op, place), ValueBut(place.base));
  }

  // Bounds `index` to 0 .. limit, by a mask or by branches, whose jumps go to `outs`.
  void Bound(int index, int limit, bool aligned, std::vector<uint32_t>& outs) {
    const uint32_t pick = aligned ? 0 : Below(5);
    if (pick < 2) {
      Add(Chance(50) ? Op::kAnd64Imm : Op::kAnd32Imm, index, 0, 0, limit);
    } else if (pick == 2) {
      outs.push_back(Add(Op::kJGt64Imm, index, 0, 0, limit));
    } else if (pick == 3) {
      Add(Op::kMov32Reg, index, index);
      outs.push_back(Add(Chance(50) ? Op::kJGt32Imm : Op::kJGt64Imm, index, 0, 0, limit));
    } else {
      outs.push_back(Add(Op::kJSGt64Imm, index, 0, 0, limit));
      outs.push_back(Add(Op::kJSLt64Imm, index, 0, 0, 0));
    }
  }

  void VariableAccess(const Place& place) {
    Op op = AccessOp(place);
    // Linux takes no read-modify-write at a variable place of the stack.
    while (place.IsStack() && ClassOf(op) == OpClass::kAtomic) op = AccessOp(place);
    const int bytes = Info(op).width / 8;
    // Multiples of 8 keep atomics aligned.
    static constexpr int kMasks[] = {1, 3, 7, 8, 15, 16};
    const bool aligned = MustAlign(op, place);
    const int limit = aligned ? (Chance(50) ? 8 : 16) : One(kMasks);
    int off = Between(0, place.size - bytes - limit);
    if (aligned) off = off / 8 * 8;
    const int t = ValueBut(place.base, 0);  // r0 would be compared by cmpxchg
    const int index = ValueBut(t, place.base);
    std::vector<uint32_t> outs;
    SetNumber(t);  // a number on all paths to the end
    Bound(index, limit, aligned, outs);
    Move(t, place.base);
    const int first = place.offset + off;
    const int split = Chance(50) ? 0 : first;
    if (split != 0) AddImm(t, split);
    if (!place.IsStack() && Chance(25)) {
      Add(Op::kNeg64, index);
      Add(Op::kSub64Reg, t, index);
    } else {
      Add(Op::kAdd64Reg, t, index);
    }
    const int value = ClassOf(op) == OpClass::kLoad && Chance(30) ? t : ValueBut(t, place.base);
    AccessAt(op, t, first - split, value);
    if (value != t) SetNumber(t);
    for (const uint32_t at : outs) Land(at);
  }

  // Packets: the sum needs a check of its own.
  void PacketAccess() {
    const int t = Value(), index = ValueBut(t), end = ValueBut(t, index);
    const Place place{.base = t,
                      .offset = 0,
                      .size = Between(8, 24),
                      .aligned = false,
                      .atomics = false,
                      .variable = false};
    SetNumber(t);
    Add(Op::kAnd64Imm, index, 0, 0, Between(1, 127));
    Move(t, kRegion);
    Add(Op::kAdd64Reg, t, index);
    Move(index, t);
    AddImm(index, place.size);
    Add(Op::kLdxW, end, kContext, DataEndOffset());
    static constexpr Op kBeyond[] = {Op::kJGt64Reg, Op::kJGe64Reg};
    uint32_t out;
    if (Chance(50)) {
      out = Add(One(kBeyond), index, end);
    } else {
      out = Add(Chance(50) ? Op::kJLt64Reg : Op::kJLe64Reg, end, index);
    }
    const Op op = AccessOp(place);
    const int value = ValueBut(t, index);
    if (value == end) SetNumber(end);
    AccessAt(op, t, OffsetIn(op, place), value);
    Land(out);
    for (const int reg : {t, index, end}) SetNumber(reg);
  }

  void SpillRegion() {
    Add(Op::kStxDw, kFramePointer, kRegion, kSpillSlot);
    SetNumber(Value());
    MoveImm(kRegion, Immediate());
    if (Chance(30)) Arithmetic();
    Add(Op::kLdxDw, kRegion, kFramePointer, kSpillSlot);
  }

  Place StackPlace() const { return {}; }

  // ---- control -------------------------------------------------------------
  uint32_t Condition() {
    const Op op = One(OpsOf(OpClass::kBranch));
    const bool reg = Info(op).operands == Operands::kBranchReg;
    const int dst = Value();
    return Add(op, dst, reg ? Value() : 0, 0, reg ? 0 : Immediate());
  }

  void If(int budget) {
    const uint32_t branch = Condition();
    ++depth_;
    Block(std::max(1, budget / 2));
    if (Chance(40)) {
      const uint32_t over = Jump();
      Land(branch);
      Block(std::max(1, budget / 3));
      Land(over);
    } else {
      Land(branch);
    }
    --depth_;
  }

  // A counter that the body cannot change, in a register or on the stack.
  void Loop(int budget) {
    const auto saved = values_;
    ++loops_;
    ++depth_;
    const bool on_stack = Chance(40);
    const int bound = Between(1, 4);
    const int counter = 8;
    std::erase(values_, counter);
    if (on_stack) {
      Add(Op::kStDw, kFramePointer, 0, kCounterSlot);
    } else {
      MoveImm(counter, 0);
    }
    const uint32_t head = Here();
    if (on_stack) SetNumber(counter);
    Block(std::min(budget, 2));
    if (on_stack) Add(Op::kLdxDw, counter, kFramePointer, kCounterSlot);
    AddImm(counter, 1);
    if (on_stack) Add(Op::kStxDw, kFramePointer, counter, kCounterSlot);
    static constexpr Op kAgain[] = {Op::kJLt64Imm, Op::kJNe64Imm, Op::kJSLt64Imm,
                                    Op::kJLt32Imm, Op::kJNe32Imm, Op::kJSLt32Imm};
    const uint32_t back = Add(One(kAgain), counter, 0, 0, bound);
    code_[back].off = static_cast<int16_t>(static_cast<int>(head) - static_cast<int>(back) - 1);
    --depth_;
    --loops_;
    values_ = saved;
  }

  // ---- calls ---------------------------------------------------------------
  void AfterCall() {
    for (int reg = 1; reg <= 5; ++reg) SetNumber(reg);
  }

  void CallFunction(int callee) {
    for (int reg = 2; reg <= 5; ++reg) {
      if (Chance(30)) SetNumber(reg);
    }
    if (gets_stack_[static_cast<size_t>(callee)] && (!region_.IsStack() || Chance(70))) {
      Move(1, kFramePointer);
      AddImm(1, -kStack);
    } else {
      Move(1, kRegion);
    }
    calls_.emplace_back(Add(Op::kCallLocal, 0), callee);
    AfterCall();
  }

  void StoreKey(bool hash) {
    const Op wide = hash ? Op::kStDw : Op::kStW;
    const int32_t key = Between(0, static_cast<int>(kRandomKeys) - 1);
    if (Chance(50)) {
      Add(wide, kFramePointer, 0, kKeySlot, key);
    } else {
      const int reg = Value();
      Add(Op::kAnd64Imm, reg, 0, 0, kRandomKeys - 1);
      Add(hash ? Op::kStxDw : Op::kStxW, kFramePointer, reg, kKeySlot);
    }
    Move(2, kFramePointer);
    AddImm(2, kKeySlot);
  }
  void LoadMap(int map) { Add(Chance(80) ? Op::kLdMapFd : Op::kLdMapIdx, 1, 0, 0, map); }

  void Lookup() {
    const bool hash = Chance(50);
    StoreKey(hash);
    LoadMap(hash ? kHashMap : kArrayMap);
    Add(Op::kCallHelper, 0, 0, 0, 1);
    AfterCall();
    const uint32_t out = Add(Op::kJEq64Imm, 0, 0, 0, 0);
    const int base = ValueBut(0);
    const auto saved = values_;
    Move(base, 0);
    SetNumber(0);
    std::erase(values_, base);
    UseValue(base);
    values_ = saved;
    SetNumber(base);
    const uint32_t over = Jump();
    Land(out);
    SetNumber(0);
    Land(over);
  }

  void UseValue(int base) {
    const Place place{
        .base = base, .offset = 0, .size = static_cast<int>(kRandomValue), .aligned = false};
    const int accesses = Between(1, 2);
    for (int i = 0; i < accesses; ++i) Access(place);
  }

  void Update() {
    const bool hash = Chance(70);
    StoreKey(hash);
    LoadMap(hash ? kHashMap : kArrayMap);
    Move(3, kFramePointer);
    AddImm(3, -kStack);
    MoveImm(4, Between(0, 3));  // any, only new, only there, and one that is refused
    Add(Op::kCallHelper, 0, 0, 0, 2);
    AfterCall();
  }

  void Delete() {
    StoreKey(true);
    LoadMap(kHashMap);
    Add(Op::kCallHelper, 0, 0, 0, 3);
    AfterCall();
  }

  // The value of the cell map, without a lookup.
  void Cell() {
    const int base = ValueBut(0);
    const auto saved = values_;
    const int offset = Between(0, 2) * 8;
    Add(Chance(80) ? Op::kLdMapValue : Op::kLdMapIdxValue, base, 0, 0,
        kCellMap | static_cast<int64_t>(offset) << 32);
    std::erase(values_, base);
    Access({.base = base,
            .offset = 0,
            .size = static_cast<int>(kRandomValue) - offset,
            .aligned = false,
            .variable = offset == 0});
    values_ = saved;
    SetNumber(base);
  }

  void PacketLoad() {
    const Op op = One(OpsOf(OpClass::kPacketLoad));
    if (Info(op).kind == OpKind::kLoadPacketInd) {
      const int index = Value();
      Add(Op::kAnd64Imm, index, 0, 0, Chance(90) ? 31 : 127);
      Add(op, 0, index, 0, Between(0, 16));
    } else {
      Add(op, 0, 0, 0, Between(0, Chance(90) ? 40 : 200));
    }
    AfterCall();
  }

  // ---- functions -----------------------------------------------------------
  int DataOffset() const { return type_ == ProgramTypeId::kXdp ? 0 : 76; }
  int DataEndOffset() const { return DataOffset() + 4; }

  void Statement(int budget) {
    switch (Below(28)) {
      case 0:
      case 1:
      case 2:
        return Access(StackPlace());
      case 3:
      case 4:
        return Access(region_);
      case 5:
        if (InMain() && region_.base == kRegion && !region_.variable) return PacketAccess();
        return Access(region_);
      case 6:
        return SpillRegion();
      case 7:
      case 8:
      case 9:
        if (depth_ < 3) return If(budget);
        return Arithmetic();
      case 10:
      case 11:
        if (loops_ == 0 && depth_ < 2) return Loop(budget);
        return Arithmetic();
      case 12:
      case 13:
      case 14:
        if (function_ + 1 < functions_ && loops_ == 0) {
          return CallFunction(Between(function_ + 1, functions_ - 1));
        }
        return Arithmetic();
      case 15:
        return loops_ == 0 ? Lookup() : Arithmetic();
      case 16:
        if (loops_ == 0) return Chance(70) ? Update() : Delete();
        return Arithmetic();
      case 17:
        return Cell();
      case 18:
        if (IsSkb() && InMain()) return PacketLoad();
        return Arithmetic();
      default:
        return Arithmetic();
    }
  }

  void Block(int statements) {
    for (int i = 0; i < statements; ++i) Statement(statements);
  }

  // r9 = the packet, of which kRandomMemory bytes are there, or the program ends.
  void CheckPacket() {
    Add(Op::kLdxW, kRegion, kContext, DataOffset());
    Add(Op::kLdxW, 2, kContext, DataEndOffset());
    Move(3, kRegion);
    AddImm(3, kRandomMemory);
    const uint32_t enough = Add(Op::kJLe64Reg, 3, 2);
    MoveImm(0, 1);
    Add(Op::kExit, 0);
    Land(enough);
  }

  void SetRegion() {
    const bool stack = gets_stack_[static_cast<size_t>(function_)];
    const bool packet = !stack && IsPacketType();
    region_ = {.base = kRegion,
               .offset = 0,
               .size = stack ? kStack : static_cast<int>(kRandomMemory),
               .aligned = stack,
               .atomics = !packet,
               .variable = !packet};
    if (!InMain()) {
      Move(kRegion, 1);
    } else if (type_ == ProgramTypeId::kMemory) {
      Move(kRegion, 1);
    } else if (type_ == ProgramTypeId::kSocketFilter) {
      Move(kContext, 1);
      Move(kRegion, kFramePointer);
      AddImm(kRegion, -kStack);
    } else {
      Move(kContext, 1);
      CheckPacket();
    }
  }

  void Function(int function) {
    function_ = function;
    values_ = {0, 1, 2, 3, 4, 5, 7, 8};
    if (!InMain() || !IsPacketType()) values_.push_back(6);
    for (int off = -kStack; off < 0; off += 8) {
      Add(Op::kStDw, kFramePointer, 0, off, Immediate());
    }
    SetRegion();
    for (const int reg : values_) {
      if (InMain() || reg < 2 || reg > 5) SetNumber(reg);
    }
    Block(InMain() ? Between(3, 10) : Between(1, 4));
    // A function that nobody calls is refused; the ones behind it cannot call it.
    const bool next_called = std::any_of(calls_.begin(), calls_.end(),
                                         [&](const auto& c) { return c.second == function + 1; });
    if (function + 1 < functions_ && !next_called) CallFunction(function + 1);
    // r0 = something of every register and every word of the stack.
    for (const int reg : values_) {
      if (reg == 0) continue;
      Add(Op::kMul64Imm, 0, 0, 0, 0x01000193);
      Add(Op::kXor64Reg, 0, reg);
    }
    for (int off = -kStack; off < 0; off += 8) {
      Add(Op::kLdxDw, 1, kFramePointer, off);
      Add(Op::kMul64Imm, 0, 0, 0, 0x01000193);
      Add(Op::kXor64Reg, 0, 1);
    }
    if (InMain()) {  // Linux shows the low half alone
      Move(1, 0);
      Add(Op::kRsh64Imm, 1, 0, 0, 32);
      Add(Op::kXor64Reg, 0, 1);
    }
    Add(Op::kExit, 0);
  }

  static constexpr Op kPlainLoads[] = {Op::kLdxB,  Op::kLdxH,  Op::kLdxW, Op::kLdxDw,
                                       Op::kLdxSB, Op::kLdxSH, Op::kLdxSW};

  uint64_t state_;
  const ProgramTypeId type_;
  std::vector<Insn> code_;
  std::vector<std::pair<uint32_t, int>> calls_;  // where, which function
  std::array<bool, 3> gets_stack_{};             // callees: the region is the caller's stack
  std::vector<int> values_;
  Place region_;
  int functions_ = 1;
  int function_ = 0;
  int depth_ = 0;
  int loops_ = 0;
};

MapSpec Spec(const char* name, MapType type, uint32_t key_size, uint32_t entries) {
  MapSpec spec;
  spec.name = name;
  spec.type = type;
  spec.key_size = key_size;
  spec.value_size = kRandomValue;
  spec.max_entries = entries;
  return spec;
}

}  // namespace

std::vector<MapSpec> RandomProgramMaps() {
  return {Spec("array", MapType::kArray, 4, 4), Spec("cell", MapType::kArray, 4, 1),
          Spec("hash", MapType::kHash, 8, 6)};
}

Program RandomProgram(uint64_t seed, ProgramTypeId type) { return Generator(seed, type).Run(); }

ProgramTypeId RandomProgramType(uint64_t seed) {
  switch (seed % 8) {
    case 0:
    case 1:
      return ProgramTypeId::kXdp;
    case 2:
      return ProgramTypeId::kSchedCls;
    case 3:
      return ProgramTypeId::kSocketFilter;
    default:
      return ProgramTypeId::kMemory;
  }
}

std::string_view WhyNotGenerated(Op op) {
  static constexpr std::pair<OpKind, std::string_view> kReasons[] = {
      {OpKind::kAddrSpaceCast, "needs an arena"},
      {OpKind::kLoadBtfId, "needs a kernel variable"},
      {OpKind::kLoadFunc, "needs a helper that calls back"},
      {OpKind::kMayGoto, "ends loops after a time"},
      {OpKind::kCallKfunc, "needs a kernel function"},
  };
  for (const auto& [kind, reason] : kReasons) {
    if (Info(op).kind == kind) return reason;
  }
  return {};
}

}  // namespace skep::test
