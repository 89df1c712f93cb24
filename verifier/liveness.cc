// SPDX-License-Identifier: Apache-2.0
// Live registers by the usual backwards data flow: iterate
//   live_before = (live_after - written) + read
// over each function until nothing changes. Stack slots are not done here:
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
  std::vector<InsnInfo>& insns = structure.insns;
  std::vector<Effect> effects(insns.size());
  for (size_t i = 0; i < insns.size(); ++i) {
    if (insns[i].insn.op != Op::kInvalid) effects[i] = EffectOf(insns[i], environment);
  }
  for (const SubprogramInfo& sub : structure.subprograms) {
    for (bool changed = true; changed;) {
      changed = false;
      for (uint32_t i = sub.end; i-- > sub.start;) {
        const DecodedInsn& insn = insns[i].insn;
        if (insn.op == Op::kInvalid) continue;
        const OpInfo& info = Info(insn.op);
        uint16_t after = 0;
        if (!info.Has(kEndsPath)) {
          after |= insns[i + static_cast<uint32_t>(insn.slots())].live_before;
        }
        if (info.Has(kBranches)) {
          after |= insns[static_cast<size_t>(TargetOf(insn, i))].live_before;
        }
        const auto before = static_cast<uint16_t>((after & ~effects[i].writes) | effects[i].reads);
        if (before != insns[i].live_before) {
          insns[i].live_before = before;
          changed = true;
        }
      }
    }
  }
}

}  // namespace skep::verifier
