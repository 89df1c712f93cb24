// SPDX-License-Identifier: Apache-2.0
// The order of the checks is Linux's: opcodes, functions, jumps, reachability.

#include "verifier/structure.h"

#include <algorithm>

#include "verifier/exceptions.h"
#include "verifier/helper_rules.h"
#include "verifier/kfunc_prototype.h"

namespace skep::verifier {
namespace {

class Examiner {
 public:
  Examiner(const Program& program, const Environment& environment, const VerifyOptions& options,
           std::pmr::memory_resource& memory)
      : program_(program), environment_(environment), options_(options), out_(memory) {}

  Structure Run() {
    if (DecodeAll() && FindSubprograms() && CheckMapReferences() && CheckJumps() &&
        CheckReachable()) {
      PropagateEffects();
      ComputeLiveRegisters(out_, environment_);
      FindLoops(out_);
    }
    return std::move(out_);
  }

 private:
  bool Fail(FindingCode code, uint32_t at, Args args) {
    out_.failed = code;
    out_.failed_at = at;
    out_.message = FillIn(RowOf(code).text, args);
    return false;
  }

  size_t size() const { return program_.insns().size(); }
  InsnInfo& at(size_t i) { return out_.insns[i]; }
  OpKind kind(size_t i) const { return Info(out_.insns[i].insn.op).kind; }

  bool DecodeAll() {
    const auto code = program_.insns();
    if (options_.rights == Rights::kUnprivileged && code.size() > kMaxUnprivilegedInsns) {
      return Fail(FindingCode::kTooManyInsns, 0, {kMaxUnprivilegedInsns});
    }
    out_.insns.resize(code.size());
    for (size_t i = 0; i < code.size();) {
      const DecodeResult result = Decode(code, i);
      if (!result) {
        return Fail(FindingCode::kIllegalInstruction, static_cast<uint32_t>(i),
                    {Message(result.error)});
      }
      at(i).insn = result.insn;
      const OpClass op_class = ClassOf(Info(result.insn.op).kind);
      if (op_class == OpClass::kCall || op_class == OpClass::kWideLoad) {
        linked_.push_back(static_cast<uint32_t>(i));
      }
      i += result.slots();
    }
    return true;
  }

  bool FindSubprograms() {
    for (const Subprogram& s : program_.subprograms()) {
      SubprogramInfo info;
      info.start = s.start;
      info.end = s.end;
      info.is_global = s.is_global;
      out_.subprograms.push_back(info);
    }
    if (out_.subprograms.size() > options_.max_subprograms) {
      return Fail(FindingCode::kTooManySubprograms, static_cast<uint32_t>(size()), {});
    }
    for (size_t s = 0; s < out_.subprograms.size(); ++s) {
      for (uint32_t i = out_.subprograms[s].start; i < out_.subprograms[s].end; ++i) {
        at(i).subprogram = static_cast<uint16_t>(s);
      }
    }
    for (const uint32_t i : linked_) {
      const bool names_function = kind(i) == OpKind::kCallLocal || kind(i) == OpKind::kLoadFunc;
      if (!names_function) continue;
      if (options_.rights == Rights::kUnprivileged) {
        return Fail(FindingCode::kUnprivilegedCall, i, {});
      }
      if (out_.SubprogramAt(TargetOf(at(i).insn, i)) < 0) {
        return Fail(FindingCode::kCallOutOfRange, i, {});
      }
    }
    return FindKfuncs() && TakeExceptionCallback();
  }

  bool FindKfuncs() {
    for (const uint32_t i : linked_) {
      if (kind(i) != OpKind::kCallKfunc) continue;
      if (options_.rights == Rights::kUnprivileged) {
        return Fail(FindingCode::kUnprivilegedCall, i, {});
      }
      const auto id = static_cast<uint32_t>(at(i).insn.imm);
      const KfuncSpec* spec = FindKfuncById(program_.data().target_btf.get(), id);
      if (spec == nullptr) continue;
      at(i).kfunc = IndexOf(*spec);
      const KfuncPrototype prototype =
          ReadKfuncPrototype(*program_.data().target_btf, id, program_.type());
      at(i).kfunc_arguments = static_cast<uint8_t>(std::min(prototype.argument_count, 5u));
    }
    return true;
  }

  uint16_t IndexOf(const KfuncSpec& spec) {
    auto& known = out_.kfuncs;
    const auto it = std::find(known.begin(), known.end(), &spec);
    const auto index = static_cast<uint16_t>(it - known.begin());
    if (it == known.end()) known.push_back(&spec);
    return index;
  }

  bool TakeExceptionCallback() {
    ExceptionCallback found = FindExceptionCallback(program_);
    if (found.failed != FindingCode::kNone) {
      out_.failed = found.failed;
      out_.failed_at = static_cast<uint32_t>(size());
      out_.message = std::move(found.message);
      return false;
    }
    out_.exception_callback = found.subprogram;
    return true;
  }

  bool CheckMapReferences() {
    const auto maps = program_.maps();
    if (maps.size() > options_.max_maps) {
      return Fail(FindingCode::kTooManyMaps, static_cast<uint32_t>(size()), {options_.max_maps});
    }
    for (const uint32_t i : linked_) {
      const DecodedInsn& insn = at(i).insn;
      const OpKind k = kind(i);
      const bool is_value = k == OpKind::kLoadMapValue || k == OpKind::kLoadMapIdxValue;
      if (!is_value && k != OpKind::kLoadMapFd && k != OpKind::kLoadMapIdx) continue;
      const auto index = static_cast<uint32_t>(insn.imm);
      if (index >= maps.size()) {
        return Fail(FindingCode::kNoSuchMap, i, {insn.imm});
      }
      if (maps[index].type == MapType::kStructOps) {
        return Fail(FindingCode::kMapFrozenSpec, i, {});
      }
      if (is_value && !CheckDirectValue(maps[index], insn.imm_high(), i)) {
        return false;
      }
    }
    return true;
  }

  bool CheckDirectValue(const MapSpec& map, uint32_t offset, uint32_t insn) {
    if (offset >= uint32_t{1} << 29) {
      return Fail(FindingCode::kDirectValueOffset, insn, {offset});
    }
    if (map.type != MapType::kArray && map.type != MapType::kArena) {
      return Fail(FindingCode::kNoDirectValue, insn, {});
    }
    if (map.type == MapType::kArray && (map.max_entries != 1 || offset >= map.value_size)) {
      return Fail(FindingCode::kDirectValueRange, insn, {map.value_size, offset});
    }
    constexpr uint64_t kPage = 4096;
    if (map.type == MapType::kArena && offset > map.max_entries * kPage) {
      return Fail(FindingCode::kDirectValueRange, insn, {map.value_size, offset});
    }
    return true;
  }

  bool CheckJumps() {
    for (const SubprogramInfo& s : out_.subprograms) {
      uint32_t last = s.start;
      for (uint32_t i = s.start; i < s.end; ++i) {
        const DecodedInsn& insn = at(i).insn;
        if (insn.op == Op::kInvalid) continue;
        last = i;
        const OpInfo& info = Info(insn.op);
        if (!info.Has(kBranches)) continue;
        const int64_t target = TargetOf(insn, i);
        if (target < s.start || target >= s.end) {
          return Fail(FindingCode::kJumpOutOfRange, i, {i, target});
        }
      }
      const OpKind k = kind(last);
      if (k != OpKind::kExit && k != OpKind::kJa) {
        return Fail(FindingCode::kFallsOffTheEnd, last, {});
      }
    }
    return true;
  }

  // Marks where `target` is entered other than from the slot before it.
  void Enter(int64_t target) {
    at(static_cast<size_t>(target)).prune_point = true;
    at(static_cast<size_t>(target)).jump_point = true;
  }

  void VisitCall(uint32_t i, std::vector<uint32_t>& work) {
    InsnInfo& info = at(i);
    SubprogramInfo& sub = out_.subprograms[info.subprogram];
    at(i + 1).prune_point = true;
    at(i + 1).jump_point = true;
    if (kind(i) == OpKind::kCallLocal) {
      info.prune_point = true;
      const int64_t target = TargetOf(info.insn, i);
      Enter(target);
      work.push_back(static_cast<uint32_t>(target));
    } else if (kind(i) == OpKind::kCallHelper) {
      if (IsTailCall(info.insn)) sub.has_tail_call = sub.calls_tail_call = true;
      const HelperSpec* helper = FindAnyHelper(environment_, static_cast<uint32_t>(info.insn.imm));
      if (helper != nullptr && (helper->flags & kHelperChangesPacket) != 0) {
        sub.changes_packet = true;
      }
      if (helper != nullptr && (helper->flags & kHelperMightSleep) != 0) sub.might_sleep = true;
      // Before another entry into the callback is put aside.
      constexpr int32_t kTimerSetCallback = 170;
      if (info.insn.imm == kTimerSetCallback) info.prune_point = true;
      if (helper != nullptr && (helper->flags & kHelperCallsBack) != 0) {
        info.prune_point = info.jump_point = info.checkpoint = info.calls_back = true;
      }
    } else if (const KfuncSpec* kfunc = out_.KfuncOf(i); kfunc != nullptr) {
      VisitKfunc(*kfunc, info, sub);
    }
  }

  static void VisitKfunc(const KfuncSpec& kfunc, InsnInfo& info, SubprogramInfo& sub) {
    if (kfunc.Has(kfunc::kSleepable)) sub.might_sleep = true;
    if (kfunc.Has(kfunc::kMovesPacket)) sub.changes_packet = true;
    if (kfunc.Has(kfunc::kIterNext)) {
      info.prune_point = info.jump_point = info.checkpoint = info.iterator_next = true;
    }
    if (kfunc.id == Kfunc::bpf_wq_set_callback_impl ||
        kfunc.id == Kfunc::bpf_task_work_schedule_signal_impl ||
        kfunc.id == Kfunc::bpf_task_work_schedule_resume_impl) {
      info.prune_point = true;  // before another entry into the callback is put aside
    }
    if (kfunc.id == Kfunc::bpf_rbtree_add_impl) {
      info.prune_point = info.jump_point = info.checkpoint = info.calls_back = true;
    }
  }

  void VisitInsn(uint32_t i, std::vector<uint32_t>& work) {
    InsnInfo& info = at(i);
    const OpInfo& op = Info(info.insn.op);
    const OpClass op_class = ClassOf(op.kind);
    if (op_class == OpClass::kPacketLoad) out_.subprograms[info.subprogram].has_ld_abs = true;
    if (op_class == OpClass::kCall) VisitCall(i, work);
    if (op.kind == OpKind::kLoadFunc) {
      const int64_t target = TargetOf(info.insn, i);
      Enter(target);
      work.push_back(static_cast<uint32_t>(target));
    }
    if (op.Has(kBranches)) {
      if (op.kind != OpKind::kJa) info.prune_point = true;
      if (op.kind == OpKind::kMayGoto) info.checkpoint = true;
      const int64_t target = TargetOf(info.insn, i);
      Enter(target);
      work.push_back(static_cast<uint32_t>(target));
    }
    if (!op.Has(kEndsPath)) work.push_back(i + static_cast<uint32_t>(info.insn.slots()));
  }

  bool CheckReachable() {
    std::vector<bool> seen(size());
    std::vector<uint32_t> work{0};
    if (out_.exception_callback != 0) {
      work.insert(work.begin(), out_.subprograms[out_.exception_callback].start);
    }
    while (!work.empty()) {
      const uint32_t i = work.back();
      work.pop_back();
      if (i >= size()) {
        return Fail(FindingCode::kJumpOutOfRange, static_cast<uint32_t>(size() - 1),
                    {size() - 1, i});
      }
      if (seen[i]) continue;
      if (at(i).insn.op == Op::kInvalid) return Fail(FindingCode::kJumpIntoWide, i, {i});
      seen[i] = true;
      VisitInsn(i, work);
    }
    for (uint32_t i = 0; i < size(); i += static_cast<uint32_t>(at(i).insn.slots())) {
      if (!seen[i]) return Fail(FindingCode::kUnreachable, i, {i});
    }
    if (options_.rights == Rights::kUnprivileged) return CheckNoLoops();
    return true;
  }

  // Depth-first search with colours; an edge to an open node closes a loop.
  bool CheckNoLoops() {
    enum : uint8_t { kNew, kOpen, kDone };
    std::vector<uint8_t> colour(size(), kNew);
    std::vector<std::pair<uint32_t, int>> path{{0, 0}};
    colour[0] = kOpen;
    while (!path.empty()) {
      const uint32_t i = path.back().first;
      const int edge = path.back().second++;
      const OpInfo& op = Info(at(i).insn.op);
      int64_t next = -1;
      if (edge == 0 && !op.Has(kEndsPath)) next = int64_t{i} + at(i).insn.slots();
      if (edge == 1 && op.Has(kBranches)) next = TargetOf(at(i).insn, i);
      if (edge > 1) {
        colour[i] = kDone;
        path.pop_back();
        continue;
      }
      if (next < 0) continue;
      const auto n = static_cast<uint32_t>(next);
      if (colour[n] == kOpen) return Fail(FindingCode::kBackEdge, i, {i, n});
      if (colour[n] == kNew) {
        colour[n] = kOpen;
        path.push_back({n, 0});
      }
    }
    return true;
  }

  // What a callee does to packet pointers and tail calls, its callers do too.
  void PropagateEffects() {
    std::vector<std::pair<uint32_t, uint32_t>> calls;  // callee and caller, each once
    for (const uint32_t i : linked_) {
      // What is passed as a callback counts as called.
      if (kind(i) != OpKind::kCallLocal && kind(i) != OpKind::kLoadFunc) continue;
      const int callee = out_.SubprogramAt(TargetOf(at(i).insn, i));
      calls.emplace_back(static_cast<uint32_t>(callee), at(i).subprogram);
    }
    std::sort(calls.begin(), calls.end());
    calls.erase(std::unique(calls.begin(), calls.end()), calls.end());
    for (bool changed = true; changed;) {
      changed = false;
      for (const auto& [callee, caller] : calls) {
        const SubprogramInfo& from = out_.subprograms[callee];
        SubprogramInfo& to = out_.subprograms[caller];
        if (from.changes_packet && !to.changes_packet) to.changes_packet = changed = true;
        if (from.calls_tail_call && !to.calls_tail_call) to.calls_tail_call = changed = true;
        if (from.might_sleep && !to.might_sleep) to.might_sleep = changed = true;
      }
    }
  }

  const Program& program_;
  const Environment& environment_;
  const VerifyOptions& options_;
  Structure out_;
  std::vector<uint32_t> linked_;  // calls and wide loads: what may name something outside
};

}  // namespace

const HelperSpec* FindAnyHelper(const Environment& environment, uint32_t id) {
  const auto it =
      std::lower_bound(environment.helpers.begin(), environment.helpers.end(), id,
                       [](const HelperSpec& h, uint32_t wanted) { return h.id < wanted; });
  return it != environment.helpers.end() && it->id == id ? &*it : nullptr;
}

int Structure::SubprogramAt(int64_t slot) const {
  const auto it = std::lower_bound(
      subprograms.begin(), subprograms.end(), slot,
      [](const SubprogramInfo& s, int64_t start) { return int64_t{s.start} < start; });
  if (it == subprograms.end() || it->start != slot) return -1;
  return static_cast<int>(it - subprograms.begin());
}

Structure Examine(const Program& program, const Environment& environment,
                  const VerifyOptions& options, std::pmr::memory_resource& memory) {
  return Examiner(program, environment, options, memory).Run();
}

}  // namespace skep::verifier
