// SPDX-License-Identifier: Apache-2.0
// Loads, stores and atomics of the x86-64 port.
#include "base/check.h"
#include "jit/x64/masm_x64.h"
#include "jit/x64/registers_x64.h"
#include "model/packet_load.h"

namespace skep::jit {

namespace x86 = asmjit::x86;

// Acquiring loads are plain loads here: the CPU does not reorder loads.
void MasmX64::Load(int width, bool sign, Reg dst, const Address& address) {
  const auto bytes = static_cast<uint32_t>(width / 8);
  const x86::Mem memory = At(address, bytes);
  if (sign) {
    if (width == 32) {
      asm_.movsxd(Machine(dst), memory);
    } else {
      asm_.movsx(Machine(dst), memory);
    }
  } else if (width == 64) {
    asm_.mov(Machine(dst), memory);
  } else if (width == 32) {
    asm_.mov(Machine(dst, 32), memory);
  } else {
    asm_.movzx(Machine(dst, 32), memory);
  }
}

// Releasing stores are plain stores here: the CPU does not reorder stores.
// Clobbers: r11.
void MasmX64::Store(int width, const Address& address, Operand value) {
  const x86::Mem memory = At(address, static_cast<uint32_t>(width / 8));
  if (!value.is_reg()) {
    // Sign-extended to the width, as eBPF's.
    const int64_t imm = width == 8    ? static_cast<int8_t>(value.imm)
                        : width == 16 ? static_cast<int16_t>(value.imm)
                                      : value.imm;
    asm_.mov(memory, asmjit::imm(imm));
    return;
  }
  const Gp from = Read(value.reg, 64, x86::r11);
  switch (width) {
    case 8:
      asm_.mov(memory, from.r8());
      break;
    case 16:
      asm_.mov(memory, from.r16());
      break;
    case 32:
      asm_.mov(memory, from.r32());
      break;
    default:
      asm_.mov(memory, from);
      break;
  }
}

// Clobbers: r9, r10, r11, flags.
void MasmX64::Atomic(OpKind kind, int width, const Address& address, Reg src, RegSet live) {
  const x86::Mem memory = At(address, static_cast<uint32_t>(width / 8));
  const Gp value = Read(src, width, x86::r11);
  switch (kind) {
    case OpKind::kAtomicAdd:
      asm_.lock().add(memory, value);
      break;
    case OpKind::kAtomicOr:
      asm_.lock().or_(memory, value);
      break;
    case OpKind::kAtomicAnd:
      asm_.lock().and_(memory, value);
      break;
    case OpKind::kAtomicXor:
      asm_.lock().xor_(memory, value);
      break;
    case OpKind::kAtomicFetchAdd:
      asm_.lock().xadd(memory, value);
      break;
    case OpKind::kXchg:
      asm_.xchg(memory, value);  // locked without the prefix
      break;
    case OpKind::kCmpXchg:
      asm_.lock().cmpxchg(memory, value, width == 64 ? Gp(x86::rax) : Gp(x86::eax));
      // The CPU leaves the upper half of rax alone when the values are equal.
      if (width == 32) asm_.mov(x86::eax, x86::eax);
      break;
    case OpKind::kAtomicFetchOr:
    case OpKind::kAtomicFetchAnd:
    case OpKind::kAtomicFetchXor:
      FetchLoop(kind, width, address, src, live);
      break;
    default:
      SKEP_UNREACHABLE();
  }
}

// Outside the packet the function returns 0.
// Clobbers: r1 .. r5, r9, r10, r11, flags.
void MasmX64::LoadPacket(int width, Reg index, int32_t offset) {
  if (index == kNoReg) {
    asm_.mov(x86::esi, offset);
  } else {
    // Only the low half of the sum counts.
    asm_.lea(x86::esi, x86::ptr(Read(index, 64, x86::r11), offset));
  }
  asm_.mov(x86::rdi, Machine(6));
  asm_.mov(x86::edx, width / 8);
  CallAddress(reinterpret_cast<const void*>(&model::LoadPacket), "LoadPacket");
  static_assert(model::kPacketLoadFailed == ~uint64_t{0});
  asm_.cmp(x86::rax, -1);
  asm_.je(StopLabel());
}

// The CPU has no such instruction: read, compute, and write if nothing changed
// since. The old value must be in rax, so r0 moves aside.
// Clobbers: r9 (r0's old value), r10, r11, flags; rax unless live.
void MasmX64::FetchLoop(OpKind kind, int width, const Address& address, Reg src, RegSet live) {
  const Gp old = width == 64 ? Gp(x86::rax) : Gp(x86::eax);
  const Gp next = width == 64 ? Gp(x86::r10) : Gp(x86::r10d);
  const bool uses_r0 = address.base == 0 || src == 0;
  const bool keep_r0 = src != 0 && (live & Bit(0)) != 0;
  if (uses_r0 || keep_r0) asm_.mov(x86::r9, x86::rax);
  const Gp value =
      src == 0 ? (width == 64 ? Gp(x86::r9) : Gp(x86::r9d)) : Read(src, width, x86::r11);
  x86::Mem memory = At(address, static_cast<uint32_t>(width / 8));
  if (address.base == 0) memory.setBase(x86::r9);

  const asmjit::Label again = asm_.newLabel();
  asm_.mov(old, memory);
  asm_.bind(again);
  asm_.mov(next, old);
  if (kind == OpKind::kAtomicFetchOr) asm_.or_(next, value);
  if (kind == OpKind::kAtomicFetchAnd) asm_.and_(next, value);
  if (kind == OpKind::kAtomicFetchXor) asm_.xor_(next, value);
  asm_.lock().cmpxchg(memory, next, old);
  asm_.jnz(again);
  if (src == 0) return;
  asm_.mov(Machine(src, width), old);
  if (keep_r0) asm_.mov(x86::rax, x86::r9);
}

}  // namespace skep::jit
