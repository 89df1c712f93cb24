// SPDX-License-Identifier: Apache-2.0
// The machine registers of the x86-64 port; jit/x64/masm_x64.h says why these.

#ifndef SKEP_JIT_X64_REGISTERS_X64_H_
#define SKEP_JIT_X64_REGISTERS_X64_H_

#include <cstdint>

#include <asmjit/x86.h>

namespace skep::jit {

// r0 .. r9; none for r10; the temporaries of optimised code.
inline constexpr uint32_t kRegisterIds[] = {
    asmjit::x86::Gp::kIdAx,  asmjit::x86::Gp::kIdDi,  asmjit::x86::Gp::kIdSi,
    asmjit::x86::Gp::kIdDx,  asmjit::x86::Gp::kIdCx,  asmjit::x86::Gp::kIdR8,
    asmjit::x86::Gp::kIdBx,  asmjit::x86::Gp::kIdBp,  asmjit::x86::Gp::kIdR14,
    asmjit::x86::Gp::kIdR15, asmjit::x86::Gp::kIdBad, asmjit::x86::Gp::kIdR9,
    asmjit::x86::Gp::kIdR10, asmjit::x86::Gp::kIdR11,
};
inline constexpr asmjit::x86::Gp kContext = asmjit::x86::r13;
inline constexpr asmjit::x86::Gp kFuel = asmjit::x86::r12;

}  // namespace skep::jit

#endif  // SKEP_JIT_X64_REGISTERS_X64_H_
