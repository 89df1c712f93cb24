// SPDX-License-Identifier: Apache-2.0
// Makes cells out of lowered instructions, and chooses their handlers.
//
// Every cell gets the handler that starts the cheapest way to the end of its
// block, counted in handlers: block by block from the back, each cell tries the
// rows of fusions.def that begin with its operation and takes the one after
// which the least is left. One pass, and independent of where jumps lead, as
// each cell's choice holds for whoever arrives at it.
#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <string>
#include <utility>

#include "base/check.h"
#include "model/may_goto.h"
#include "vm/fusions.h"
#include "vm/interpreter.h"
#include "vm/interpreter_handlers.h"

namespace skep {

using model::ExecInsn;

namespace interpreter {

// Handlers of interpreter.cc.
const Cell* CallHelper(const Cell* pc, Machine& machine) noexcept;
const Cell* CallHelperWithCallbacks(const Cell* pc, Machine& machine) noexcept;
const Cell* CallLocal(const Cell* pc, Machine& machine) noexcept;
const Cell* Leave(const Cell* pc, Machine& machine) noexcept;
const Cell* TailCall(const Cell* pc, Machine& machine) noexcept;
const Cell* StartMayGoto(const Cell* pc, Machine& machine) noexcept;
const Cell* MayGoto(const Cell* pc, Machine& machine) noexcept;
const Cell* CastToUser(const Cell* pc, Machine& machine) noexcept;

namespace {

// Lowering has turned all other operations into these, or refused them.
constexpr bool Runs(Op op) {
  switch (ClassOf(op)) {
    case OpClass::kAlu:
    case OpClass::kLoad:
    case OpClass::kStore:
    case OpClass::kAtomic:
    case OpClass::kJump:
    case OpClass::kBranch:
    case OpClass::kExit:
      return true;
    case OpClass::kWideLoad:
      return op == Op::kLdImm64 || op == Op::kLdFunc;
    case OpClass::kCall:
      return Info(op).kind != OpKind::kCallKfunc;
    case OpClass::kMayGoto:
    case OpClass::kCast:
      return true;
    case OpClass::kPacketLoad:
      return false;
  }
  return false;
}

template <Op op, bool backward>
constexpr CellHandler HandlerOf() {
  if constexpr (!Runs(op)) {
    return nullptr;
  } else if constexpr (Info(op).kind == OpKind::kCallHelper) {
    return CallHelper;
  } else if constexpr (Info(op).kind == OpKind::kCallLocal) {
    return CallLocal;
  } else if constexpr (ClassOf(op) == OpClass::kExit) {
    return Leave;
  } else if constexpr (ClassOf(op) == OpClass::kMayGoto) {
    return MayGoto;
  } else if constexpr (ClassOf(op) == OpClass::kCast) {
    return CastToUser;
  } else {
    constexpr bool jumps = ClassOf(op) == OpClass::kBranch || ClassOf(op) == OpClass::kJump;
    return Handle < 0, jumps && backward, op > ;
  }
}

template <Op op>
constexpr CellHandler ArenaHandlerOf() {
  constexpr OpClass op_class = ClassOf(op);
  if constexpr (op_class == OpClass::kLoad || op_class == OpClass::kStore ||
                op_class == OpClass::kAtomic) {
    return HandleInArena<op>;
  } else {
    return nullptr;
  }
}

constexpr CellHandler kInArena[kOpCount] = {
#define SKEP_OP(name, ...) ArenaHandlerOf<Op::k##name>(),
#include "isa/opcodes.def"
};

constexpr CellHandler kForward[kOpCount] = {
#define SKEP_OP(name, ...) HandlerOf<Op::k##name, false>(),
#include "isa/opcodes.def"
};
constexpr CellHandler kBackward[kOpCount] = {
#define SKEP_OP(name, ...) HandlerOf<Op::k##name, true>(),
#include "isa/opcodes.def"
};

// `links` without what the operations rule out, so that variants which cannot
// differ are one function.
template <Op... ops>
constexpr unsigned Possible(unsigned links) {
  constexpr std::array<Op, sizeof...(ops)> row{ops...};
  unsigned possible = 0;
  for (size_t i = 1; i < row.size(); ++i) {
    possible |= PossibleLinks(row[i - 1], row[i]) << (kLinkBits * i);
  }
  return links & possible;
}

template <Op... ops>
struct Variants {
  static constexpr size_t kLinks = size_t{1} << (kLinkBits * (sizeof...(ops) - 1));
  static constexpr bool kJumps =
      ClassOf(kLast<ops...>) == OpClass::kBranch || ClassOf(kLast<ops...>) == OpClass::kJump;

  template <size_t... i>
  static constexpr std::array<CellHandler, 2 * kLinks> Make(std::index_sequence<i...>) {
    return {Handle < Possible<ops...>((i % kLinks) << kLinkBits), kJumps && (i >= kLinks),
            ops... > ...};
  }
  static constexpr auto kHandlers = Make(std::make_index_sequence<2 * kLinks>());
};

template <Op... ops>
constexpr Fusion MakeFusion() {
  static_assert(sizeof...(ops) >= 2 && sizeof...(ops) <= kMaxFused);
  return {{ops...}, sizeof...(ops), Variants<ops...>::kHandlers.data()};
}

#define SKEP_FUSION_2_(a, b) Op::k##a, Op::k##b
#define SKEP_FUSION_3_(a, b, c) Op::k##a, Op::k##b, Op::k##c
#define SKEP_FUSION_4_(a, b, c, d) Op::k##a, Op::k##b, Op::k##c, Op::k##d
#define SKEP_FUSION_PICK_(a, b, c, d, name, ...) name
#define SKEP_FUSION(...)                                                                    \
  MakeFusion<SKEP_FUSION_PICK_(__VA_ARGS__, SKEP_FUSION_4_, SKEP_FUSION_3_, SKEP_FUSION_2_, \
                               _)(__VA_ARGS__)>(),
constexpr auto kFusions = [] {
  std::array fusions = {
#include "vm/fusions.def"
  };
  std::sort(fusions.begin(), fusions.end(),
            [](const Fusion& a, const Fusion& b) { return a.ops[0] < b.ops[0]; });
  return fusions;
}();

// Where the rows that begin with an operation start in kFusions.
constexpr auto kFirstFusion = [] {
  std::array<uint32_t, kOpCount + 1> first{};
  for (const Fusion& fusion : kFusions) ++first[static_cast<size_t>(fusion.ops[0]) + 1];
  for (size_t op = 0; op < kOpCount; ++op) first[op + 1] += first[op];
  return first;
}();

class Threader {
 public:
  explicit Threader(const model::ExecProgram& exec) : exec_(exec) {}

  Result<std::unique_ptr<ThreadedProgram>> Run(ThreadOptions options) {
    Place();
    out_ = std::make_unique<ThreadedProgram>();
    out_->cells.reserve(place_.back());
    out_->origin.reserve(place_.back());
    for (size_t i = 0; i < exec_.insns.size(); ++i) SKEP_TRY_VOID(Write(i));
    if (exec_.exception_callback != 0) {
      out_->exception_callback = out_->cells.data() + place_[exec_.exception_callback];
    }
    if (options.fuse) Fuse();
    return std::move(out_);
  }

 private:
  void Place() {
    place_.resize(exec_.insns.size() + 1);
    uint32_t next = 0;
    for (size_t i = 0; i < exec_.insns.size(); ++i) {
      place_[i] = next;
      next += CellsOf(exec_.insns[i].op);
    }
    place_.back() = next;
  }

  int64_t Distance(size_t i) const {
    return int64_t{place_[exec_.insns[i].target]} - int64_t{place_[i]};
  }

  Result<void> Write(size_t i) {
    const ExecInsn& insn = exec_.insns[i];
    if (!Runs(insn.op)) {
      return Error{ErrorCode::kUnsupported, exec_.name + ": the interpreter does not know " +
                                                std::string(Info(insn.op).name)};
    }
    const auto op = static_cast<size_t>(insn.op);
    Cell cell{insn.in_arena != 0 ? kInArena[op] : kForward[op], insn.dst, insn.src, insn.off,
              insn.imm};
    const OpKind kind = Info(insn.op).kind;
    const OpClass op_class = ClassOf(insn.op);
    if (op_class == OpClass::kBranch || op_class == OpClass::kJump ||
        op_class == OpClass::kMayGoto) {
      const int64_t distance = Distance(i);
      if (op_class != OpClass::kJump) {
        if (distance != static_cast<int16_t>(distance)) {
          return Error{ErrorCode::kUnsupported, exec_.name + ": a branch is too far to interpret"};
        }
        cell.off = static_cast<int16_t>(distance);
        if (op_class == OpClass::kMayGoto) {
          cell.imm = insn.off;
          if (insn.imm == model::kMayGotoStarts) cell.handler = StartMayGoto;
        }
      } else {
        cell.imm = static_cast<int32_t>(distance);
      }
      if (distance <= 0 && op_class != OpClass::kMayGoto) cell.handler = kBackward[op];
    } else if (kind == OpKind::kCallLocal) {
      cell.imm = static_cast<int32_t>(Distance(i));
      cell.off = static_cast<int16_t>(FrameBytesAt(i));
    } else if (kind == OpKind::kCallHelper) {
      const HelperSpec& spec = *exec_.HelperAt(insn).spec;
      if (spec.id == model::kHelperTailCall) {
        cell.handler = TailCall;
      } else if (model::MayCallBack(spec)) {
        cell.handler = CallHelperWithCallbacks;
        cell.off = static_cast<int16_t>(FrameBytesAt(i));
      }
    }
    out_->cells.push_back(cell);
    out_->origin.push_back(exec_.origin[i]);
    if (CellsOf(insn.op) == 2) {
      Cell value;
      const uint64_t wide =
          kind == OpKind::kLoadFunc
              ? reinterpret_cast<uintptr_t>(out_->cells.data() + place_[insn.target])
              : insn.wide();
      std::memcpy(static_cast<void*>(&value), &wide, sizeof wide);
      out_->cells.push_back(value);
      out_->origin.push_back(exec_.origin[i]);
    }
    return {};
  }

  // Of the function that instruction i is in.
  uint32_t FrameBytesAt(size_t i) const {
    const auto after = std::upper_bound(
        exec_.subprograms.begin(), exec_.subprograms.end(), i,
        [](size_t at, const model::ExecSubprogram& sub) { return at < sub.start; });
    if (after == exec_.subprograms.begin()) return model::kFrameBytes;
    return std::prev(after)->stack_depth;
  }

  bool Matches(const Fusion& fusion, size_t i) const {
    if (i + fusion.size > exec_.insns.size() || exec_.insns[i].in_arena != 0) return false;
    for (size_t k = 1; k < fusion.size; ++k) {
      if (exec_.insns[i + k].in_arena != 0) return false;
      if (exec_.insns[i + k].op != fusion.ops[k]) return false;
    }
    return true;
  }

  unsigned LinksOf(const Fusion& fusion, size_t i) const {
    unsigned links = 0;
    for (size_t k = 1; k < fusion.size; ++k) {
      const ExecInsn& before = exec_.insns[i + k - 1];
      const ExecInsn& insn = exec_.insns[i + k];
      const unsigned equal =
          (insn.dst == before.dst ? kDstLink : 0) | (insn.src == before.dst ? kSrcLink : 0);
      links |= (equal & PossibleLinks(before.op, insn.op)) << (kLinkBits * (k - 1));
    }
    return links;
  }

  void Fuse() {
    // Handlers until the end of the block, from each instruction on.
    std::vector<uint32_t> left(exec_.insns.size() + 1);
    for (size_t i = exec_.insns.size(); i-- > 0;) {
      const ExecInsn& insn = exec_.insns[i];
      const auto op = static_cast<size_t>(insn.op);
      const Fusion* best = nullptr;
      left[i] = 1 + (Info(insn.op).Has(kEndsPath) ? 0 : left[i + 1]);
      for (uint32_t f = kFirstFusion[op]; f < kFirstFusion[op + 1]; ++f) {
        const Fusion& fusion = kFusions[f];
        if (!Matches(fusion, i)) continue;
        const size_t last = i + fusion.size - 1;
        const uint32_t cost = 1 + (Info(exec_.insns[last].op).Has(kEndsPath) ? 0 : left[last + 1]);
        if (cost > left[i] || (cost == left[i] && best == nullptr)) continue;
        left[i] = cost;
        best = &fusion;
      }
      if (best != nullptr) Choose(*best, i);
    }
  }

  void Choose(const Fusion& fusion, size_t i) {
    const size_t last = i + fusion.size - 1;
    const OpClass op_class = ClassOf(exec_.insns[last].op);
    const bool jumps = op_class == OpClass::kBranch || op_class == OpClass::kJump;
    out_->cells[place_[i]].handler =
        fusion.HandlerFor(LinksOf(fusion, i), jumps && Distance(last) <= 0);
    ++out_->fused;
  }

  const model::ExecProgram& exec_;
  std::vector<uint32_t> place_;  // the cell of each instruction
  std::unique_ptr<ThreadedProgram> out_;
};

}  // namespace

std::span<const Fusion> Fusions() { return kFusions; }

}  // namespace interpreter

Result<std::unique_ptr<ThreadedProgram>> Thread(std::shared_ptr<const model::ExecProgram> exec,
                                                ThreadOptions options) {
  SKEP_CHECK(exec->verified);
  SKEP_TRY(auto out, interpreter::Threader(*exec).Run(options));
  out->exec = std::move(exec);
  return out;
}

}  // namespace skep
