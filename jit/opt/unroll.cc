// SPDX-License-Identifier: Apache-2.0
// Loops of one block whose number of rounds is known: short ones are written out,
// others go four rounds at a time. What one round adds (or xors) to a register goes
// to a register of its own for each of the four, so that a round does not wait for
// the one before; they are added up behind the loop.
//
// Correct because
//   - the counter's first value is a constant, each round adds a constant to it, and
//     the comparison is of it (or what differs from it by a constant) with a constant;
//     all values it takes are small and not negative, so that signed and unsigned
//     comparisons and those of 32 and 64 bits agree, and the number of rounds
//     follows by arithmetic;
//   - rounds keep their order, and so do the loads and stores in them;
//   - addition and exclusive or are associative and commutative, also modulo 2^32
//     and 2^64; a sum that is split is read by nothing in the loop but its own addition.
#include <algorithm>
#include <array>
#include <bit>
#include <optional>

#include "jit/opt/passes.h"

namespace skep::jit::opt {
namespace {

constexpr int kRegisters = 10;
constexpr int64_t kMostRounds = int64_t{1} << 24;
constexpr size_t kMostWrittenOut = 96;  // steps
constexpr int64_t kMostRoundsWrittenOut = 16;
constexpr int kRoundsAtOnce = 4;
constexpr size_t kLongestBody = 20;
constexpr int kMostAligned = 256;  // nothing but loops would otherwise be mostly padding

// base + add, where base is a register's value at the start of a round.
struct Linear {
  bool known = false;
  Reg base = 0;
  int64_t add = 0;
};

// A register whose additions are split: what it is and how it is added to.
struct Reduction {
  Reg reg = 0;
  Op op{};            // register form of the addition
  RegSet copies = 0;  // registers that hold its new value at the end of a round
};

struct CountedLoop {
  int64_t rounds = 0;
  Reg counter = 0;
  int64_t step = 0;
  int64_t last = 0;           // the counter behind the last round
  std::vector<Step> derived;  // registers that always differ from another by a constant
};

class Unroller {
 public:
  Unroller(const model::ExecProgram& exec, Function& function, RegSet usable)
      : exec_(exec), function_(function), usable_(usable) {}

  bool Run() {
    FindEntries();
    for (const uint32_t b : function_.order) budget_ += 2 * function_.blocks[b].steps.size();
    bool changed = false;
    const std::vector<uint32_t> order = function_.order;
    for (const uint32_t b : order) changed |= Unroll(b);
    Place(function_, placements_);
    return changed;
  }

 private:
  // The only block besides itself that leads to each block; kNoBlock: none or several.
  void FindEntries() {
    entry_.assign(function_.blocks.size(), kNoBlock);
    std::vector<uint32_t> count(function_.blocks.size());
    ++count[function_.order.front()];
    for (const uint32_t b : function_.order) {
      ForSuccessors(function_, function_.blocks[b].end, [&](uint32_t next) {
        if (next == b) return;
        ++count[next];
        entry_[next] = b;
      });
    }
    for (size_t b = 0; b < count.size(); ++b) {
      if (count[b] != 1) entry_[b] = kNoBlock;
    }
  }

  // What registers hold at the end of the block, as far as they are constants there.
  std::array<std::optional<int64_t>, kRegisters> ConstantsBehind(const Block& block) const {
    std::array<std::optional<int64_t>, kRegisters> values;
    for (const Step& step : block.steps) {
      const OpShape& op = ShapeOf(step);
      const RegSet writes = EffectOf(exec_, step).writes;
      std::optional<int64_t> value;
      if (!step.is_select && op.kind == OpKind::kMov && !op.second_is_reg) {
        value =
            op.width == 64 ? int64_t{step.insn.imm} : int64_t{static_cast<uint32_t>(step.insn.imm)};
      } else if (!step.is_select && op.kind == OpKind::kMov && op.width == 64 &&
                 step.insn.src < kRegisters) {
        value = values[step.insn.src];
      }
      for (Reg reg = 0; reg < kRegisters; ++reg) {
        if ((writes & Bit(reg)) != 0) values[reg] = value;
      }
    }
    return values;
  }

  // What a round makes of each register. Operations of 32 bits are taken for such of
  // 64; `narrow` collects their results, which must turn out to fit.
  std::array<Linear, kRegisters> OneRound(const Block& block, std::vector<Linear>& narrow) const {
    std::array<Linear, kRegisters> now;
    for (Reg reg = 0; reg < kRegisters; ++reg) now[reg] = {true, reg, 0};
    for (const Step& step : block.steps) {
      const OpShape& op = ShapeOf(step);
      const ExecInsn& insn = step.insn;
      Linear value;
      if (!step.is_select && insn.dst < kRegisters) {
        if (op.kind == OpKind::kMov && op.second_is_reg && insn.src < kRegisters) {
          value = now[insn.src];
        } else if ((op.kind == OpKind::kAdd || op.kind == OpKind::kSub) && !op.second_is_reg) {
          value = now[insn.dst];
          value.add += op.kind == OpKind::kAdd ? insn.imm : -int64_t{insn.imm};
        }
        if (value.known && op.width == 32) narrow.push_back(value);
      }
      const RegSet writes = EffectOf(exec_, step).writes;
      for (Reg reg = 0; reg < kRegisters; ++reg) {
        if ((writes & Bit(reg)) != 0) now[reg] = value;
      }
    }
    return now;
  }

  static bool Fits(int64_t value) { return value >= 0 && value <= INT32_MAX; }

  std::optional<CountedLoop> Count(uint32_t b) const {
    const Block& block = function_.blocks[b];
    const End& end = block.end;
    const OpShape& op = jit::ShapeOf(end.insn.op);
    if (entry_[b] == kNoBlock || op.second_is_reg || end.insn.dst >= kRegisters ||
        !Fits(end.insn.imm)) {
      return std::nullopt;
    }
    const auto first = ConstantsBehind(function_.blocks[entry_[b]]);
    std::vector<Linear> narrow;
    const auto round = OneRound(block, narrow);
    const Linear asked = round[end.insn.dst];
    if (!asked.known) return std::nullopt;
    // The counter: what the comparison is of, or what that is made from.
    Reg counter = asked.base;
    int64_t differs = asked.add;
    if (round[counter].known && round[counter].base != counter) {
      const auto behind = Behind(round, first, counter);
      if (!behind) return std::nullopt;
      counter = round[counter].base;
      differs += *behind;
    }
    const Linear step = round[counter];
    if (!step.known || step.base != counter || step.add == 0 || !first[counter]) {
      return std::nullopt;
    }
    CountedLoop loop;
    loop.counter = counter;
    loop.step = step.add;
    const auto rounds =
        Rounds(op.kind, end.taken == b, *first[counter] + differs, step.add, end.insn.imm);
    if (!rounds) return std::nullopt;
    loop.rounds = *rounds;
    loop.last = *first[counter] + loop.rounds * loop.step;
    if (loop.last < INT32_MIN || loop.last > INT32_MAX) return std::nullopt;
    for (Reg reg = 0; reg < kRegisters; ++reg) {
      if (reg == counter || !round[reg].known || round[reg].base != counter) continue;
      const auto behind = Behind(round, first, reg);
      if (!behind || (block.live_in & Bit(reg)) == 0) continue;
      loop.derived.push_back(MakeMove(reg, counter, block.at));
      if (*behind == 0) continue;
      Step add = MakeConstant(reg, static_cast<int32_t>(*behind), block.at);
      add.insn.op = Op::kAdd64Imm;
      loop.derived.push_back(add);
    }
    for (const Linear& value : narrow) {
      if (!StaysSmall(value, round, first, loop)) return std::nullopt;
    }
    return loop;
  }

  // reg = base + this at the start of every round, if that holds in the first.
  static std::optional<int64_t> Behind(const std::array<Linear, kRegisters>& round,
                                       const std::array<std::optional<int64_t>, kRegisters>& first,
                                       Reg reg) {
    const Reg base = round[reg].base;
    if (!round[base].known || round[base].base != base || !first[reg] || !first[base]) {
      return std::nullopt;
    }
    const int64_t behind = round[reg].add - round[base].add;
    if (*first[reg] - *first[base] != behind || behind < INT32_MIN || behind > INT32_MAX) {
      return std::nullopt;
    }
    return behind;
  }

  // Whether a sum that was made by an operation of 32 bits has no more of them in
  // any round. Those that do not concern the counter may be anything.
  static bool StaysSmall(const Linear& value, const std::array<Linear, kRegisters>& round,
                         const std::array<std::optional<int64_t>, kRegisters>& first,
                         const CountedLoop& loop) {
    Linear sum = value;
    if (sum.base != loop.counter) {
      if (!round[sum.base].known || round[sum.base].base != loop.counter) return true;
      const auto behind = Behind(round, first, sum.base);
      if (!behind) return false;
      sum.add += *behind;
    }
    const int64_t begin = *first[loop.counter] + sum.add;
    return Fits(begin) && Fits(begin + (loop.rounds - 1) * loop.step);
  }

  // How often the loop goes round, if it goes on while (`taken`) or until y, y + step,
  // ... compares with imm.
  static std::optional<int64_t> Rounds(OpKind kind, bool taken, int64_t y, int64_t step,
                                       int64_t imm) {
    if (!taken) {
      const auto negated = Negated(kind);
      if (!negated) return std::nullopt;
      kind = *negated;
    }
    int64_t more = 0;  // rounds after the first
    const auto distance = [](int64_t from, int64_t to, int64_t by) {
      return to <= from ? 0 : (to - from + by - 1) / by;
    };
    switch (kind) {
      case OpKind::kJNe:
        if ((imm - y) % step != 0 || (imm - y) / step < 0) return std::nullopt;
        more = (imm - y) / step;
        break;
      case OpKind::kJLt:
      case OpKind::kJSLt:
        if (step < 0) return std::nullopt;
        more = distance(y, imm, step);
        break;
      case OpKind::kJLe:
      case OpKind::kJSLe:
        if (step < 0) return std::nullopt;
        more = distance(y, imm + 1, step);
        break;
      case OpKind::kJGt:
      case OpKind::kJSGt:
        if (step > 0) return std::nullopt;
        more = distance(imm, y, -step);
        break;
      case OpKind::kJGe:
      case OpKind::kJSGe:
        if (step > 0) return std::nullopt;
        more = distance(imm - 1, y, -step);
        break;
      default:
        return std::nullopt;
    }
    if (more >= kMostRounds || !Fits(y) || !Fits(y + more * step)) return std::nullopt;
    return more + 1;
  }

  static std::optional<OpKind> Negated(OpKind kind) {
    switch (kind) {
      case OpKind::kJEq:
        return OpKind::kJNe;
      case OpKind::kJNe:
        return OpKind::kJEq;
      case OpKind::kJGt:
        return OpKind::kJLe;
      case OpKind::kJGe:
        return OpKind::kJLt;
      case OpKind::kJLt:
        return OpKind::kJGe;
      case OpKind::kJLe:
        return OpKind::kJGt;
      case OpKind::kJSGt:
        return OpKind::kJSLe;
      case OpKind::kJSGe:
        return OpKind::kJSLt;
      case OpKind::kJSLt:
        return OpKind::kJSGe;
      case OpKind::kJSLe:
        return OpKind::kJSGt;
      default:
        return std::nullopt;
    }
  }

  // ---- sums -------------------------------------------------------------------

  static std::optional<Op> AdditionOf(const Step& step) {
    switch (step.insn.op) {
      case Op::kAdd64Reg:
      case Op::kAdd32Reg:
      case Op::kXor64Reg:
      case Op::kXor32Reg:
        return step.insn.op;
      default:
        return std::nullopt;
    }
  }

  // Whether all that a round does with `reg` is to add something to it.
  std::optional<Reduction> FindReduction(const Block& block, RegSet live_behind, Reg reg) const {
    RegSet before = Bit(reg);  // hold its value at the start of the round
    RegSet after = 0;          // hold the sum
    Reduction reduction;
    reduction.reg = reg;
    for (const Step& step : block.steps) {
      const Effect effect = EffectOf(exec_, step);
      const bool reads_before = (effect.reads & before) != 0;
      const bool reads_after = (effect.reads & after) != 0;
      const auto addition = step.is_select ? std::nullopt : AdditionOf(step);
      const Reg dst = step.insn.dst;
      if (!step.is_select && step.insn.op == Op::kMov64Reg && (reads_before || reads_after)) {
        RegSet& holders = reads_before ? before : after;
        RegSet& others = reads_before ? after : before;
        holders |= Bit(dst);
        others &= static_cast<RegSet>(~Bit(dst));
        continue;
      }
      if (reads_after || (reads_before && (!addition || after != 0))) return std::nullopt;
      const RegSet tagged = before;
      before &= static_cast<RegSet>(~effect.writes);
      after &= static_cast<RegSet>(~effect.writes);
      if (!reads_before) continue;
      const RegSet both = Bit(dst) | Bit(step.insn.src);
      if ((both & ~tagged) == 0) return std::nullopt;
      reduction.op = *addition;
      after = Bit(dst);
    }
    const RegSet asked = ReadsOf(block.end);
    if ((after & Bit(reg)) == 0 || (asked & (before | after)) != 0) return std::nullopt;
    // Nothing may see the value of the round before, nor another round's sum.
    if (((before & ~Bit(reg)) & (live_behind | block.live_in)) != 0) return std::nullopt;
    if (((after & ~Bit(reg)) & block.live_in) != 0) return std::nullopt;
    reduction.copies = static_cast<RegSet>(after & ~Bit(reg) & live_behind);
    return reduction;
  }

  // Registers that nothing in or behind the loop has a use for.
  std::vector<Reg> FreeRegisters(const Block& block, RegSet live_behind) const {
    RegSet used = block.live_in | live_behind | block.live_out;
    for (const Step& step : block.steps) {
      const Effect effect = EffectOf(exec_, step);
      used |= effect.reads | effect.writes;
    }
    std::vector<Reg> free;
    for (Reg reg = 0; reg < kFirstTemporary + kTemporaryCount; ++reg) {
      const bool may = reg <= 5 || reg >= kFirstTemporary || (usable_ & Bit(reg)) != 0;
      if (reg != kFramePointer && may && (used & Bit(reg)) == 0) free.push_back(reg);
    }
    return free;
  }

  static Step Renamed(Step step, Reg from, Reg to) {
    const auto rename = [&](uint8_t& reg) {
      if (reg == from) reg = to;
    };
    if (step.is_select) {
      rename(step.to);
      rename(step.from);
    }
    rename(step.insn.dst);
    if (step.is_select ? ShapeOf(step).second_is_reg != 0
                       : ShapeOf(step).reads_src || ShapeOf(step).writes_src) {
      rename(step.insn.src);
    }
    return step;
  }

  // ---- writing ----------------------------------------------------------------

  bool Unroll(uint32_t b) {
    {
      const Block& block = function_.blocks[b];
      const End& end = block.end;
      if (end.kind != EndKind::kBranch || (end.taken == b) == (end.next == b)) return false;
      if (end.next == kNoBlock) return false;
      if (!std::all_of(block.steps.begin(), block.steps.end(), IsPlain)) return false;
    }
    const auto loop = Count(b);
    if (!loop) return false;
    const size_t size = function_.blocks[b].steps.size();
    const auto all = static_cast<size_t>(loop->rounds) * size;
    if (loop->rounds <= kMostRoundsWrittenOut && all <= kMostWrittenOut && all <= budget_) {
      budget_ -= all;
      WriteOut(b, *loop);
      return true;
    }
    const size_t four = 2 * kRoundsAtOnce * size;
    if (size > kLongestBody || loop->rounds < 3 * kRoundsAtOnce || four > budget_) return false;
    budget_ -= four;
    WriteFour(b, *loop);
    return true;
  }

  static uint32_t ExitOf(uint32_t b, const End& end) {
    return end.taken == b ? end.next : end.taken;
  }

  void WriteOut(uint32_t b, const CountedLoop& loop) {
    Block& block = function_.blocks[b];
    const std::vector<Step> body = block.steps;
    for (int64_t i = 1; i < loop.rounds; ++i) {
      block.steps.insert(block.steps.end(), body.begin(), body.end());
    }
    const uint32_t exit = ExitOf(b, block.end);
    const uint32_t at = block.end.at;
    block.end = End{};
    block.end.at = at;
    block.end.next = exit;
    block.is_aligned = false;
  }

  // Block b becomes what runs in front of the loop: the rounds that are left over
  // by four, and the sums' zeroes.
  void WriteFour(uint32_t b, const CountedLoop& loop) {
    const Block original = function_.blocks[b];
    const uint32_t exit = ExitOf(b, original.end);
    const RegSet live_behind = function_.blocks[exit].live_in;
    const std::vector<Reg> free = FreeRegisters(original, live_behind);
    std::vector<Reduction> reductions;
    for (Reg reg = 0; reg < kRegisters; ++reg) {
      if ((original.live_in & Bit(reg)) == 0 || reg == loop.counter) continue;
      if (const auto found = FindReduction(original, live_behind, reg)) {
        reductions.push_back(*found);
      }
    }
    // sums[r][round]
    std::vector<std::array<Reg, kRoundsAtOnce>> sums(reductions.size());
    size_t used = 0;
    for (size_t r = 0; r < reductions.size(); ++r) {
      const size_t share = (free.size() - used) / (reductions.size() - r);
      const size_t extra = std::min<size_t>(share, kRoundsAtOnce - 1);
      for (size_t round = 0; round < kRoundsAtOnce; ++round) {
        const size_t part = round % (extra + 1);
        sums[r][round] = part == 0 ? reductions[r].reg : free[used + part - 1];
      }
      used += extra;
    }
    Block body;
    body.at = original.at;
    body.is_aligned = ++aligned_ <= kMostAligned;
    body.steps = loop.derived;
    for (size_t round = 0; round < kRoundsAtOnce; ++round) {
      for (Step step : original.steps) {
        for (size_t r = 0; r < reductions.size(); ++r) {
          step = Renamed(step, reductions[r].reg, sums[r][round]);
        }
        body.steps.push_back(step);
      }
    }
    Block behind;
    behind.at = original.at;
    behind.end.at = original.end.at;
    behind.end.next = exit;
    Block& before = function_.blocks[b];
    before.steps.clear();
    before.is_aligned = false;
    for (int64_t i = 0; i < loop.rounds % kRoundsAtOnce; ++i) {
      before.steps.insert(before.steps.end(), original.steps.begin(), original.steps.end());
    }
    for (size_t r = 0; r < reductions.size(); ++r) {
      AddSums(reductions[r], sums[r], before, behind);
    }
    const uint32_t at = before.end.at;
    before.end = End{};
    before.end.at = at;
    Finish(b, loop, original, std::move(body), std::move(behind));
  }

  static void AddSums(const Reduction& reduction, const std::array<Reg, kRoundsAtOnce>& sums,
                      Block& before, Block& behind) {
    RegSet seen = Bit(reduction.reg);
    for (const Reg sum : sums) {
      if ((seen & Bit(sum)) != 0) continue;
      seen |= Bit(sum);
      before.steps.push_back(MakeConstant(sum, 0, before.at));
      Step add = MakeMove(reduction.reg, sum, behind.at);
      add.insn.op = reduction.op;
      behind.steps.push_back(add);
    }
    for (Reg reg = 0; reg < kRegisters; ++reg) {
      if ((reduction.copies & Bit(reg)) != 0) {
        behind.steps.push_back(MakeMove(reg, reduction.reg, behind.at));
      }
    }
  }

  void Finish(uint32_t b, const CountedLoop& loop, const Block& original, Block body,
              Block behind) {
    const uint32_t behind_number = AddBlock(function_, std::move(behind));
    const auto number = static_cast<uint32_t>(function_.blocks.size());
    body.end.kind = EndKind::kBranch;
    body.end.rounds = kRoundsAtOnce;
    body.end.at = original.end.at;
    body.end.insn.op = Op::kJNe64Imm;
    body.end.insn.dst = loop.counter;
    body.end.insn.imm = static_cast<int32_t>(loop.last);
    body.end.taken = number;
    body.end.next = behind_number;
    AddBlock(function_, std::move(body));
    function_.blocks[b].end.next = number;
    placements_.push_back({number, b});
    placements_.push_back({behind_number, b});
  }

  const model::ExecProgram& exec_;
  Function& function_;
  const RegSet usable_;
  std::vector<uint32_t> entry_;
  std::vector<Placement> placements_;
  int aligned_ = 0;
  size_t budget_ = 512;  // steps that may be added
};

}  // namespace

bool UnrollLoops(const model::ExecProgram& exec, Function& function, RegSet usable) {
  return Unroller(exec, function, usable).Run();
}

}  // namespace skep::jit::opt
