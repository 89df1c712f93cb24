// SPDX-License-Identifier: Apache-2.0
// RegisterFrame: runs a few instructions as machine code between "load r0 .. r9
// from an array" and "store them back", so that a test sees what they do to
// every register.

#ifndef SKEP_TESTS_JIT_REGISTER_FRAME_H_
#define SKEP_TESTS_JIT_REGISTER_FRAME_H_

#include <array>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "base/check.h"
#include "jit/compile.h"
#include "model/exec_program.h"
#include "tests/jit/exec_from_text.h"

namespace skep::jit {

using Registers = std::array<uint64_t, 10>;

// Numbers at which arithmetic changes its behaviour.
inline constexpr uint64_t kHostileValues[] = {
    0,
    1,
    2,
    31,
    32,
    63,
    0x7f,
    0x80,
    0xffff,
    0x7fffffff,
    0x80000000,
    0xffffffff,
    0x100000000,
    0x7fffffffffffffff,
    0x8000000000000000,
    0xffffffffffffffff,
    0xfffffffffffffffe,
    0x123456789abcdef0,
    0xffffffff80000000,
};

class RegisterFrame {
 public:
  // Jump targets in `body` count from its first instruction; body.size() is
  // the place behind it. r10 - 64 .. r10 - 24 are the body's own.
  explicit RegisterFrame(std::vector<model::ExecInsn> body, const CompileOptions& options = {},
                         bool nonzero_divisor = false) {
    using model::ExecInsn;
    exec_.name = "frame";
    exec_.verified = true;
    Add({Op::kStxDw, 10, 1, 0, -8, 0, 0, 0});
    for (uint8_t i : std::initializer_list<uint8_t>{0, 2, 3, 4, 5, 6, 7, 8, 9, 1}) {
      Add({Op::kLdxDw, i, 1, 0, static_cast<int16_t>(8 * i), 0, 0, 0});
    }
    const auto start = static_cast<uint32_t>(exec_.insns.size());
    for (ExecInsn insn : body) {
      if (Info(insn.op).Has(kBranches)) insn.target += start;
      Add(insn);
    }
    Add({Op::kStxDw, 10, 1, 0, -16, 0, 0, 0});
    Add({Op::kLdxDw, 1, 10, 0, -8, 0, 0, 0});
    for (uint8_t i : std::initializer_list<uint8_t>{0, 2, 3, 4, 5, 6, 7, 8, 9}) {
      Add({Op::kStxDw, 1, i, 0, static_cast<int16_t>(8 * i), 0, 0, 0});
    }
    Add({Op::kLdxDw, 0, 10, 0, -16, 0, 0, 0});
    Add({Op::kStxDw, 1, 0, 0, 8, 0, 0, 0});
    Add({Op::kExit, 0, 0, 0, 0, 0, 0, 0});
    exec_.subprograms.push_back({"frame", 0, static_cast<uint32_t>(exec_.insns.size()), 64, false});
    if (nonzero_divisor) {
      exec_.facts.resize(exec_.insns.size());
      for (model::InsnFact& fact : exec_.facts) fact.nonzero_divisor = true;
    }
    auto code = Compile(exec_, options);
    SKEP_CHECK(bool(code));
    code_ = *std::move(code);
  }

  void Run(Registers& registers) {
    code_.entry(reinterpret_cast<uintptr_t>(registers.data()), 0, &*context_);
  }

 private:
  void Add(const model::ExecInsn& insn) { exec_.insns.push_back(insn); }

  model::ExecProgram exec_;
  CompiledCode code_;
  TestContext context_;
};

}  // namespace skep::jit

#endif  // SKEP_TESTS_JIT_REGISTER_FRAME_H_
