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
  LoadAt(width, sign, dst, At(address, static_cast<uint32_t>(width / 8)));
}

void MasmX64::LoadAt(int width, bool sign, Reg dst, const x86::Mem& memory) {
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

// Clobbers: flags.
void MasmX64::AluLoad(OpKind kind, int width, Reg dst, const Address& address) {
  const Gp to = Machine(dst, width);
  const x86::Mem memory = At(address, static_cast<uint32_t>(width / 8));
  switch (kind) {
    case OpKind::kAdd:
      asm_.add(to, memory);
      break;
    case OpKind::kOr:
      asm_.or_(to, memory);
      break;
    case OpKind::kAnd:
      asm_.and_(to, memory);
      break;
    case OpKind::kXor:
      asm_.xor_(to, memory);
      break;
    default:
      SKEP_UNREACHABLE();
  }
  FlagsOf(width, dst);
}

// Releasing stores are plain stores here: the CPU does not reorder stores.
// Clobbers: r11.
void MasmX64::Store(int width, const Address& address, Operand value) {
  StoreAt(width, At(address, static_cast<uint32_t>(width / 8)), value, x86::r11);
}

void MasmX64::StoreAt(int width, const x86::Mem& memory, Operand value, const Gp& temporary) {
  if (!value.is_reg()) {
    // Sign-extended to the width, as eBPF's.
    const int64_t imm = width == 8    ? static_cast<int8_t>(value.imm)
                        : width == 16 ? static_cast<int16_t>(value.imm)
                                      : value.imm;
    asm_.mov(memory, asmjit::imm(imm));
    return;
  }
  const Gp from = Read(value.reg, 64, temporary);
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
  if (kind == OpKind::kAtomicFetchOr || kind == OpKind::kAtomicFetchAnd ||
      kind == OpKind::kAtomicFetchXor) {
    FetchLoop(kind, width, address, src, live);
    return;
  }
  AtomicAt(kind, width, At(address, static_cast<uint32_t>(width / 8)), Read(src, width, x86::r11));
}

void MasmX64::AtomicAt(OpKind kind, int width, const x86::Mem& memory, const Gp& value) {
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

// Clobbers: r10, r11.
void MasmX64::LoadFromArena(const model::ArenaView& arena, int width, bool sign, Reg dst,
                            const Address& address) {
  const auto bytes = static_cast<uint32_t>(width / 8);
  asm_.mov(x86::r11d, Machine(address.base, 32));
  asm_.mov(x86::r10, asmjit::imm(reinterpret_cast<uintptr_t>(arena.base)));
  LoadAt(width, sign, dst, x86::ptr(x86::r10, x86::r11, 0, address.disp, bytes));
}

// Leaves the arena's base in r10 and the offset of the address in r11. Returns a label,
// to be bound, where control goes if the page is not allocated.
// Clobbers: r9, r10, r11, flags.
asmjit::Label MasmX64::ArenaPage(const model::ArenaView& arena, const Address& address) {
  const asmjit::Label skip = asm_.newLabel();
  asm_.mov(x86::r11d, Machine(address.base, 32));
  if (address.disp != 0) asm_.add(x86::r11, address.disp);
  asm_.mov(x86::r10, asmjit::imm(reinterpret_cast<uintptr_t>(arena.pages)));
  asm_.mov(x86::r9, x86::r11);
  asm_.sar(x86::r9, model::kArenaPageShift);
  asm_.cmp(x86::byte_ptr(x86::r10, x86::r9), 0);
  asm_.short_().je(skip);
  asm_.mov(x86::r10, asmjit::imm(reinterpret_cast<uintptr_t>(arena.base)));
  return skip;
}

// Clobbers: r9, r10, r11, flags.
void MasmX64::StoreToArena(const model::ArenaView& arena, int width, const Address& address,
                           Operand value) {
  const asmjit::Label skip = ArenaPage(arena, address);
  const auto bytes = static_cast<uint32_t>(width / 8);
  StoreAt(width, x86::ptr(x86::r10, x86::r11, 0, 0, bytes), value, x86::r9);
  asm_.bind(skip);
}

// Clobbers: r9, r10, r11, flags.
void MasmX64::AtomicInArena(const model::ArenaView& arena, OpKind kind, int width,
                            const Address& address, Reg src) {
  const asmjit::Label skip = ArenaPage(arena, address);
  const auto bytes = static_cast<uint32_t>(width / 8);
  AtomicAt(kind, width, x86::ptr(x86::r10, x86::r11, 0, 0, bytes), Read(src, width, x86::r9));
  asm_.bind(skip);
}

// Clobbers: r11, flags.
void MasmX64::CastToUser(Reg dst, Reg src, uint64_t upper) {
  asm_.mov(x86::r11, asmjit::imm(upper));
  asm_.mov(Machine(dst, 32), Machine(src, 32));
  asm_.or_(x86::r11, Machine(dst));
  asm_.test(Machine(dst, 32), Machine(dst, 32));
  asm_.cmovnz(Machine(dst), x86::r11);
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
