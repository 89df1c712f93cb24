// SPDX-License-Identifier: Apache-2.0
// OpShape: what the compiler asks of isa/opcodes.def for every instruction, in
// eight bytes a row: the walks over a program look at this table and branch
// only for the operations that need more.

#ifndef SKEP_JIT_OP_SHAPE_H_
#define SKEP_JIT_OP_SHAPE_H_

#include <array>
#include <cstdint>

#include "isa/op.h"
#include "jit/masm.h"

namespace skep::jit {

struct OpShape {
  OpClass op_class{};
  OpKind kind{};
  uint8_t width = 0;
  // One or zero, to be shifted by a register's number: sets without branches.
  RegSet reads_dst : 1 = 0;
  RegSet reads_src : 1 = 0;
  RegSet writes_dst : 1 = 0;
  RegSet writes_src : 1 = 0;
  RegSet reads_r0 : 1 = 0;
  RegSet writes_r0 : 1 = 0;
  RegSet falls_through : 1 = 0;  // the next instruction is a successor
  RegSet branches : 1 = 0;
  RegSet pure : 1 = 0;     // does nothing but write dst
  RegSet special : 1 = 0;  // calls, function addresses, packet loads
  RegSet unknown : 1 = 0;  // the compiler refuses it
  RegSet second_is_reg : 1 = 0;
};

namespace op_shape {
constexpr bool IsUnknown(OpKind kind) {
  const OpClass op_class = ClassOf(kind);
  return kind == OpKind::kCallKfunc ||
         (op_class == OpClass::kWideLoad && kind != OpKind::kLoadImm && kind != OpKind::kLoadFunc);
}

constexpr OpShape Make(const OpInfo& info) {
  OpShape shape;
  shape.op_class = ClassOf(info.kind);
  shape.kind = info.kind;
  shape.width = info.width;
  shape.reads_dst = info.Has(kReadsDst);
  shape.reads_src = info.Has(kReadsSrc);
  shape.writes_dst = info.Has(kWritesDst);
  shape.writes_src = info.Has(kWritesSrc);
  shape.reads_r0 = info.Has(kReadsR0) || info.kind == OpKind::kExit;
  shape.writes_r0 = info.Has(kWritesR0);
  shape.falls_through = !info.Has(kEndsPath) && info.kind != OpKind::kExit;
  shape.branches = info.Has(kBranches);
  shape.pure = shape.op_class == OpClass::kAlu || shape.op_class == OpClass::kWideLoad;
  shape.special = shape.op_class == OpClass::kCall || shape.op_class == OpClass::kPacketLoad ||
                  info.kind == OpKind::kLoadFunc;
  shape.unknown = IsUnknown(info.kind);
  shape.second_is_reg = UsesSrcRegister(info.operands);
  return shape;
}

inline constexpr auto kTable = [] {
  std::array<OpShape, kOpCount> table{};
  for (size_t i = 0; i < table.size(); ++i) table[i] = Make(kOpTable[i]);
  return table;
}();
}  // namespace op_shape

// REQUIRES: op is not kInvalid.
constexpr const OpShape& ShapeOf(Op op) { return op_shape::kTable[static_cast<size_t>(op)]; }

}  // namespace skep::jit

#endif  // SKEP_JIT_OP_SHAPE_H_
