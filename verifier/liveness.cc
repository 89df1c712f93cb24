// SPDX-License-Identifier: Apache-2.0
// Live registers by the usual backwards data flow:
//   live_before = (live_after - written) + read
// for each instruction until nothing changes. Stack slots are not done here:
// which bytes an instruction reads is known only on a path (prune.cc).

#include "verifier/structure.h"

namespace skep::verifier {
namespace {

struct Effect {
  uint16_t reads = 0;
  uint16_t writes = 0;
};

constexpr uint16_t Bit(int reg) { return static_cast<uint16_t>(1u << reg); }
constexpr uint16_t kArgs = 0x3e;        // r1 .. r5
constexpr uint16_t kCallWrites = 0x3f;  // r0 .. r5

uint16_t HelperReads(const Environment& environment, uint32_t id) {
  const HelperSpec* helper = FindAnyHelper(environment, id);
  if (helper == nullptr) return kArgs;
  uint16_t reads = 0;
  for (int i = 0; i < 5; ++i) {
    if (helper->args[static_cast<size_t>(i)].kind != ArgKind::kNone) reads |= Bit(i + 1);
  }
  return reads;
}

Effect EffectOf(const InsnInfo& slot, const Environment& environment) {
  const DecodedInsn& insn = slot.insn;
  const OpInfo& info = Info(insn.op);
  Effect e;
  if (info.Has(kReadsDst)) e.reads |= Bit(insn.dst);
  if (info.Has(kReadsSrc)) e.reads |= Bit(insn.src);
  if (info.Has(kReadsR0)) e.reads |= Bit(0);
  if (info.Has(kReadsR6)) e.reads |= Bit(6);
  if (info.Has(kWritesDst)) e.writes |= Bit(insn.dst);
  if (info.Has(kWritesSrc)) e.writes |= Bit(insn.src);
  if (info.Has(kWritesR0)) e.writes |= Bit(0);
  if (info.kind == OpKind::kCallHelper) {
    e.reads |= HelperReads(environment, static_cast<uint32_t>(insn.imm));
    e.writes |= kCallWrites;
  } else if (info.kind == OpKind::kCallKfunc) {
    e.reads |= static_cast<uint16_t>((2u << slot.kfunc_arguments) - 2);
    e.writes |= kCallWrites;
  } else if (ClassOf(info.kind) == OpClass::kCall) {
    e.reads |= kArgs;
    e.writes |= kCallWrites;
  } else if (info.Has(kClobbersArgs)) {
    e.writes |= kCallWrites;
  }
  return e;
}

}  // namespace

void ComputeLiveRegisters(Structure& structure, const Environment& environment) {
  std::pmr::vector<InsnInfo>& insns = structure.insns;
  std::pmr::memory_resource* memory = insns.get_allocator().resource();
  const size_t count = insns.size();
  std::pmr::vector<Effect> effects(count, memory);
  // Jumps by target: those to i are jumps[first[i]] .. jumps[first[i + 1] - 1].
  std::pmr::vector<uint32_t> first(count + 1, memory);
  const auto target_of = [&](size_t i) {
    const bool jumps = insns[i].insn.op != Op::kInvalid && Info(insns[i].insn.op).Has(kBranches);
    return jumps ? TargetOf(insns[i].insn, i) : -1;
  };
  for (size_t i = 0; i < count; ++i) {
    if (insns[i].insn.op != Op::kInvalid) effects[i] = EffectOf(insns[i], environment);
    if (const int64_t target = target_of(i); target >= 0) ++first[static_cast<size_t>(target) + 1];
  }
  for (size_t i = 0; i < count; ++i) first[i + 1] += first[i];
  std::pmr::vector<uint32_t> jumps(first[count], memory), filled(first, memory);
  for (size_t i = 0; i < count; ++i) {
    if (const int64_t target = target_of(i); target >= 0) {
      jumps[filled[static_cast<size_t>(target)]++] = static_cast<uint32_t>(i);
    }
  }

  // Backwards over the code first; what changes behind an instruction that was
  // done is done again. A set of 11 registers grows at most 11 times, so this is
  // linear in the code.
  std::vector<uint32_t> work;
  std::vector<bool> waits(count, true);
  const auto enqueue = [&](size_t i) {
    if (waits[i]) return;
    waits[i] = true;
    work.push_back(static_cast<uint32_t>(i));
  };
  for (size_t left = count; left > 0 || !work.empty();) {
    size_t i;
    if (!work.empty()) {
      i = work.back();
      work.pop_back();
    } else {
      i = --left;
    }
    waits[i] = false;
    const DecodedInsn& insn = insns[i].insn;
    if (insn.op == Op::kInvalid) continue;
    const OpInfo& info = Info(insn.op);
    uint16_t after = 0;
    if (!info.Has(kEndsPath)) after |= insns[i + static_cast<size_t>(insn.slots())].live_before;
    if (info.Has(kBranches)) after |= insns[static_cast<size_t>(TargetOf(insn, i))].live_before;
    const auto before = static_cast<uint16_t>((after & ~effects[i].writes) | effects[i].reads);
    if (before == insns[i].live_before) continue;
    insns[i].live_before = before;
    for (uint32_t j = first[i]; j < first[i + 1]; ++j) enqueue(jumps[j]);
    if (i == 0) continue;
    const size_t previous = insns[i - 1].insn.op != Op::kInvalid || i < 2 ? i - 1 : i - 2;
    if (insns[previous].subprogram == insns[i].subprogram) enqueue(previous);
  }
}

}  // namespace skep::verifier
