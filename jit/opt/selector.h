// SPDX-License-Identifier: Apache-2.0
// Selector: the state of jit/opt/select.h's walk over one block.

#ifndef SKEP_JIT_OPT_SELECTOR_H_
#define SKEP_JIT_OPT_SELECTOR_H_

#include <array>
#include <optional>
#include <vector>

#include "jit/opt/select.h"

namespace skep::jit::opt {

class Selector {
 public:
  Selector(const model::ExecProgram& exec, const Block& block) : exec_(exec), block_(block) {
    bits_.fill(64);
  }

  Selected Run();

 private:
  static constexpr int kRegisters = kFirstTemporary + kTemporaryCount;

  enum class Form : uint8_t {
    kReal,      // what the machine register holds
    kConstant,  // `constant`
    kAddress,   // `address`, its low `width` bits, zero-extended
    kShift,     // `base` shifted by `count`, on `width` bits
  };
  struct Value {
    Form form = Form::kReal;
    uint8_t width = 64;
    uint8_t count = 0;
    OpKind shift{};
    Reg base = kNoReg;
    Address address{kNoReg, kNoReg, 0, 0};
    uint64_t constant = 0;
  };

  static RegSet NamedBy(const Value& value);
  static bool IsCopy(const Value& value);
  // Upper bounds of how many low bits of a value may be set.
  int BitsOf(Reg reg) const;
  int BitsOf(const Value& value) const;

  Operation& Emit(Do what);
  // Computes what `reg` stands for into its own register.
  void Force(Reg reg);
  void ComputeAddress(Reg dst, const Value& value);
  void ComputeScaled(Reg dst, const Value& value);
  // Computes expressions that name `reg` and are in `needed`, but not `reg`'s own.
  void ForceThoseNaming(Reg reg, RegSet needed);
  // `dst` is about to be changed by an operation; its value becomes what the register holds.
  void Define(Reg dst, int bits);
  void PutOff(Reg dst, const Value& value);
  void PutOffConstant(Reg dst, uint64_t constant);

  // Makes sure that a machine register holds the low `width` bits of the value (all
  // 64: exactly), without moving a copy. Name gives that register.
  void Prepare(Reg reg, int width);
  bool IsPrepared(Reg reg, int width) const;
  Reg Name(Reg reg) const;
  void PrepareBoth(Reg a, Reg b, int width);
  // A constant that fits an immediate of operations of this width.
  std::optional<int32_t> ImmediateOf(Reg reg, int width) const;

  // The value as an address, if it is one on `width` bits.
  std::optional<Address> AddressOf(Reg reg, int width) const;
  static std::optional<Address> Sum(const Address& a, const Address& b);
  static std::optional<Address> Sum(const Address& a, int64_t disp);
  Address PrepareAddress(Reg base, int32_t off);

  void Walk(const Step& step);
  void Arithmetic(const Step& step, const OpShape& op);
  void Move(int width, Reg dst, Reg src);
  void AddImmediate(int width, Reg dst, int64_t imm);
  void AddRegister(int width, Reg dst, Reg src);
  bool Rotate(int width, Reg dst, Reg src);
  void Mask(int width, Reg dst, int32_t mask);
  void MultiplyImmediate(int width, Reg dst, int32_t factor);
  void ShiftImmediate(OpKind kind, int width, Reg dst, int32_t count);
  void General(OpKind kind, int width, Reg dst, Operand b);
  bool FoldConstants(OpKind kind, int width, Reg dst, std::optional<uint64_t> b);
  void Load(const Step& step, const OpShape& op);
  void Store(const Step& step, const OpShape& op);
  void SelectStep(const Step& step, const OpShape& op);
  void Baseline(const Step& step);
  void Finish(Selected& selected);

  const model::ExecProgram& exec_;
  const Block& block_;
  std::array<Value, kRegisters> values_;
  std::array<uint8_t, kRegisters> bits_;  // of what the machine registers hold
  std::vector<Operation> operations_;
  std::vector<RegSet> live_;
  RegSet needed_ = 0;      // by the step in hand or after it
  RegSet live_after_ = 0;  // after it
  uint32_t at_ = 0;
  uint32_t step_ = 0;
};

}  // namespace skep::jit::opt

#endif  // SKEP_JIT_OPT_SELECTOR_H_
