// SPDX-License-Identifier: Apache-2.0
#include "jit/opt/select.h"

#include <algorithm>

#include "jit/opt/selector.h"

namespace skep::jit::opt {
namespace {

RegSet BitOf(Reg reg) { return reg == kNoReg || reg == kFramePointer ? RegSet{0} : Bit(reg); }

RegSet BitsOf(const Address& address) { return BitOf(address.base) | BitOf(address.index); }

bool IsPure(const Operation& operation) {
  return operation.what != Do::kStore && operation.what != Do::kStep &&
         operation.kind != OpKind::kLoadAcquire;
}

// Backwards: what machine registers are needed after each operation; drops
// those whose results nothing needs. Loads are dropped as well: what they read
// was proved to be there.
void DropDead(const model::ExecProgram& exec, const Block& block, Selected& selected) {
  RegSet live = block.live_out | BitOf(selected.a) | BitOf(selected.b.reg);
  if (block.end.kind == EndKind::kExit) live |= Bit(0);
  auto& operations = selected.operations;
  size_t kept = operations.size();
  for (size_t i = operations.size(); i-- > 0;) {
    Operation& operation = operations[i];
    const Effect effect = EffectOf(exec, block, operation);
    if (IsPure(operation) && (effect.writes & live) == 0) continue;
    operation.live = live;
    live = static_cast<RegSet>((live & ~effect.writes) | effect.reads);
    operations[--kept] = operation;
  }
  operations.erase(operations.begin(), operations.begin() + static_cast<std::ptrdiff_t>(kept));
}

}  // namespace

Effect EffectOf(const model::ExecProgram& exec, const Block& block, const Operation& operation) {
  if (operation.what == Do::kStep) return EffectOf(exec, block.steps[operation.step]);
  Effect effect;
  effect.writes = BitOf(operation.dst);
  effect.reads = BitOf(operation.a) | BitOf(operation.source) | BitOf(operation.b.reg) |
                 BitsOf(operation.address);
  if (operation.what == Do::kSelect || operation.what == Do::kAluLoad) {
    effect.reads |= BitOf(operation.dst);
  }
  return effect;
}

Selected Select(const model::ExecProgram& exec, const Block& block) {
  Selected selected = Selector(exec, block).Run();
  DropDead(exec, block, selected);
  return selected;
}

}  // namespace skep::jit::opt
