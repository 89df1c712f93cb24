#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/data/isa/*.ebpf: what every operation of the instruction set computes.

The expected values come from the arithmetic in this file, which is written from
RFC 9669 and shares nothing with isa/semantics.h. `--check-kernel` runs the cases
on the real kernel (as root) and compares; nothing is written then.

    scripts/gen_isa_tests.py [--check-kernel] [--out FOLDER]

A file's program runs its cases one after another; before each it stores the
case's number, and returns that number if the case goes wrong, 0 if none does.
"""
import argparse
import ctypes
import errno
import os
import pathlib
import random
import struct
import sys

M64 = (1 << 64) - 1
M32 = (1 << 32) - 1


def signed(value, bits):
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


# ---- What the operations compute (RFC 9669, sections 4.1 to 4.3 and 5.3).

def truncated_quotient(a, b):
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def alu(kind, bits, dst, src):
    mask = (1 << bits) - 1
    a, b = dst & mask, src & mask
    sa, sb = signed(a, bits), signed(b, bits)
    shift = b & (bits - 1)
    if kind == "Add":
        result = a + b
    elif kind == "Sub":
        result = a - b
    elif kind == "Mul":
        result = a * b
    elif kind == "Div":
        result = a // b if b else 0
    elif kind == "SDiv":
        result = truncated_quotient(sa, sb) if b else 0
    elif kind == "Mod":
        result = a % b if b else a
    elif kind == "SMod":
        result = sa - sb * truncated_quotient(sa, sb) if b else a
    elif kind == "Or":
        result = a | b
    elif kind == "And":
        result = a & b
    elif kind == "Xor":
        result = a ^ b
    elif kind == "Lsh":
        result = a << shift
    elif kind == "Rsh":
        result = a >> shift
    elif kind == "Arsh":
        result = sa >> shift
    elif kind == "Mov":
        result = b
    elif kind == "Neg":
        result = -a
    elif kind.startswith("MovSx"):
        result = signed(src, int(kind[5:]))
    return result & mask


def byte_order(kind, bits, value):
    raw = (value & M64).to_bytes(8, "little")[: bits // 8]
    return int.from_bytes(raw, "little" if kind == "Le" else "big")


def taken(kind, bits, dst, src):
    mask = (1 << bits) - 1
    a, b = dst & mask, src & mask
    sa, sb = signed(a, bits), signed(b, bits)
    return {"Eq": a == b, "Ne": a != b, "Gt": a > b, "Ge": a >= b, "Lt": a < b, "Le": a <= b,
            "SGt": sa > sb, "SGe": sa >= sb, "SLt": sa < sb, "SLe": sa <= sb,
            "Set": a & b != 0}[kind]


def atomic(kind, bits, memory, src, r0):
    """Returns (memory, src, r0) afterwards; memory is 64 bits, of which the low ones change."""
    mask = (1 << bits) - 1
    old, new = memory & mask, src & mask
    name = kind.replace("Fetch", "")
    if name == "Add":
        new = (old + new) & mask
    elif name == "Or":
        new = old | new
    elif name == "And":
        new = old & new
    elif name == "Xor":
        new = old ^ new
    elif name == "CmpXchg":
        new = new if old == r0 & mask else old
    if kind.startswith("Fetch") or kind == "Xchg":
        src = old
    if kind == "CmpXchg":
        r0 = old
    return (memory & ~mask) | new, src, r0


# ---- Texts and encodings.

ALU = {"Add": (0x00, "+="), "Sub": (0x10, "-="), "Mul": (0x20, "*="), "Div": (0x30, "/="),
       "SDiv": (0x30, "s/="), "Or": (0x40, "|="), "And": (0x50, "&="), "Lsh": (0x60, "<<="),
       "Rsh": (0x70, ">>="), "Mod": (0x90, "%="), "SMod": (0x90, "s%="), "Xor": (0xa0, "^="),
       "Mov": (0xb0, "="), "Arsh": (0xc0, "s>>=")}
JUMPS = {"Eq": (0x10, "=="), "Gt": (0x20, ">"), "Ge": (0x30, ">="), "Set": (0x40, "&"),
         "Ne": (0x50, "!="), "SGt": (0x60, "s>"), "SGe": (0x70, "s>="), "Lt": (0xa0, "<"),
         "Le": (0xb0, "<="), "SLt": (0xc0, "s<"), "SLe": (0xd0, "s<=")}
ATOMICS = {"Add": 0x00, "Or": 0x40, "And": 0x50, "Xor": 0xa0, "FetchAdd": 0x01, "FetchOr": 0x41,
           "FetchAnd": 0x51, "FetchXor": 0xa1, "Xchg": 0xe1, "CmpXchg": 0xf1}
SIGNS = {"Add": "+=", "Or": "|=", "And": "&=", "Xor": "^="}
SIZES = {8: ("B", 0x10), 16: ("H", 0x08), 32: ("W", 0x00), 64: ("Dw", 0x18)}

VALUES = [0, 1, 2, 7, 13, 31, 32, 33, 63, 64, 65, 0x7f, 0x80, 0xff80, 0x7fff, 0x8000, 0x7fffffff,
          0x80000000, 0xffffffff, 0x100000000, 0x8000000180000001, 0x123456789abcdef0,
          0x7fffffffffffffff, 0x8000000000000000, 0xffffffff80000000, 0xfffffffffffffff3, M64]
IMMEDIATES = [0, 1, 2, 3, -1, -3, 7, 31, 0x7f, 0x80, 0x8000, 0x7fffffff, -0x80000000, -13,
              0x12345678, -0x12345678]


def insn(code, dst=0, src=0, off=0, imm=0):
    return struct.pack("<BBhI", code, dst | src << 4, off, imm & M32)


def wide(dst, value):
    return insn(0x18, dst, imm=value) + insn(0, imm=value >> 32)


# ---- Test files.

FILES = {}


def add_file(op, topic, comment, asm, result=None, mem=None, sections=()):
    lines = [f"# {op}: {comment}"]
    for name, body in sections:
        lines += [f"-- {name}"] + body
    lines += ["-- asm"] + asm
    if mem is not None:
        lines.append("-- mem")
        lines += [" ".join(f"{b:02x}" for b in mem[i : i + 16]) for i in range(0, len(mem), 16)]
    if result is not None:
        lines += ["-- result", f"0x{result:x}"]
    FILES[f"{snake(op)}-{topic}.ebpf"] = "\n".join(lines) + "\n"


def snake(name):
    out = ""
    for i, c in enumerate(name):
        if i and c.isupper() and not name[i - 1].isupper():
            out += "_"
        out += c.lower()
    return out


def load(reg, value):
    value &= M64
    if -0x80000000 <= signed(value, 64) <= 0x7fffffff:
        return f"r{reg} = {signed(value, 64)}"
    return f"r{reg} = 0x{value:x} ll"


class Cases:
    """A program out of numbered cases, see the top of the file."""

    def __init__(self):
        self.asm, self.count = [], 0

    def begin(self):
        self.count += 1
        self.asm.append(f"*(u64 *)(r10 - 8) = {self.count}")

    def expect(self, reg, value):
        other = (reg + 1) % 10
        self.asm += [load(other, value), f"if r{reg} != r{other} goto fail"]

    def program(self):
        return self.asm + ["r0 = 0", "exit", "fail:", "r0 = *(u64 *)(r10 - 8)", "exit"]


def registers(index):
    """Goes through all pairs of r0 .. r9, equal ones too."""
    return index % 10, (index + 1 + index // 10 * 3) % 10


def operand_pairs(kind, bits, generator, count):
    special = [(0, 0), (M64, M64), (1, M64), (M64, 1)]
    low = 1 << (bits - 1)
    if kind in ("Div", "SDiv", "Mod", "SMod"):
        special += [(low, M64), (low, 1), (7, 0), (M64, 0), (7, 1 << 32), (-13, 3), (13, -3),
                    (-13, -3), (low, low), (0x8000000180000001, 7), (M64, 2), (3, 13)]
    if kind in ("Lsh", "Rsh", "Arsh"):
        special += [(0x8000000180000001, n) for n in (0, 1, 31, 32, 33, 63, 64, 65, 95, M64)]
    pairs = [(a & M64, b & M64) for a, b in special]
    while len(pairs) < count:
        pairs.append((generator.choice(VALUES), generator.choice(VALUES)))
    return pairs


def immediates_for(kind, bits):
    if kind in ("Lsh", "Rsh", "Arsh"):
        return [0, 1, 7, 8, 15, 16, 30, 31] + ([32, 33, 62, 63] if bits == 64 else [])
    if kind in ("Div", "SDiv", "Mod", "SMod"):
        return [imm for imm in IMMEDIATES if imm]
    return IMMEDIATES


KERNEL_CASES = []  # (name, function that runs the case on the kernel, expected)


def alu_files():
    for bits, cls, letter in ((32, 0x04, "w"), (64, 0x07, "r")):
        for kind, (code, sign) in ALU.items():
            generator = random.Random(f"{kind}{bits}")
            off = 1 if kind in ("SDiv", "SMod") else 0
            cases = Cases()
            for i, (a, b) in enumerate(operand_pairs(kind, bits, generator, 50)):
                dst, src = registers(i)
                if dst == src:
                    b = a
                cases.begin()
                cases.asm.append(load(dst, a))
                if dst != src:
                    cases.asm.append(load(src, b))
                cases.asm.append(f"{letter}{dst} {sign} {letter}{src}")
                expected = alu(kind, bits, a, b)
                cases.expect(dst, expected)
                KERNEL_CASES.append((f"{kind}{bits}Reg {a:#x} {b:#x}",
                                     insn(cls | code | 8, 2, 3, off), (a, b), expected))
            add_file(f"{kind}{bits}Reg", "edges", "edge values and pairs of registers", cases.program(), 0)

            cases = Cases()
            immediates = immediates_for(kind, bits)
            for i in range(30):
                dst = i % 10
                a = generator.choice(VALUES) if i >= 4 else (0, M64, 1 << (bits - 1), 13)[i]
                imm = immediates[i % len(immediates)]
                if kind in ("SDiv", "SMod") and i == 2:
                    imm = -1
                cases.begin()
                cases.asm += [load(dst, a), f"{letter}{dst} {sign} {imm}"]
                expected = alu(kind, bits, a, imm)
                cases.expect(dst, expected)
                KERNEL_CASES.append((f"{kind}{bits}Imm {a:#x} {imm}",
                                     insn(cls | code, 2, 0, off, imm), (a, 0), expected))
            add_file(f"{kind}{bits}Imm", "edges", "edge values", cases.program(), 0)
            a = 0x8000000180000001
            add_file(f"{kind}{bits}Imm", "value", "the result itself",
                     [load(0, a), f"{letter}0 {sign} 7", "exit"], alu(kind, bits, a, 7))
            if kind in ("Lsh", "Rsh", "Arsh"):
                add_file(f"{kind}{bits}Imm", "beyond_width",
                         "a count is taken modulo the width; Linux's verifier refuses this one",
                         [load(0, a), f"{letter}0 {sign} {bits + 1}", "exit"],
                         alu(kind, bits, a, bits + 1))
            if kind in ("Div", "SDiv", "Mod", "SMod"):
                add_file(f"{kind}{bits}Imm", "by_zero",
                         "division by zero has a result; Linux's verifier refuses this one",
                         [load(0, a), f"{letter}0 {sign} 0", "exit"], alu(kind, bits, a, 0))
        cases = Cases()
        for i, a in enumerate(VALUES):
            cases.begin()
            cases.asm += [load(i % 10, a), f"{letter}{i % 10} = -{letter}{i % 10}"]
            cases.expect(i % 10, alu("Neg", bits, a, 0))
            KERNEL_CASES.append((f"Neg{bits} {a:#x}", insn(cls | 0x80, 2), (a, 0),
                                 alu("Neg", bits, a, 0)))
        add_file(f"Neg{bits}", "edges", "two's complement of edge values", cases.program(), 0)
        for width in (8, 16, 32):
            if width >= bits:
                continue
            kind = f"MovSx{width}"
            cases = Cases()
            for i, b in enumerate(VALUES):
                dst, src = registers(i)
                cases.begin()
                cases.asm.append(load(dst, 0x5555555555555555))
                cases.asm += [load(src, b), f"{letter}{dst} = (s{width}){letter}{src}"]
                cases.expect(dst, alu(kind, bits, 0, b))
                KERNEL_CASES.append((f"{kind}To{bits} {b:#x}", insn(cls | 0xb8, 2, 3, width),
                                     (0x5555555555555555, b), alu(kind, bits, 0, b)))
            add_file(f"{kind}To{bits}", "edges", f"sign extension from {width} bits",
                     cases.program(), 0)
    for kind, code, name in (("Le", 0xd4, "le"), ("Be", 0xdc, "be"), ("Bswap", 0xd7, "bswap")):
        for bits in (16, 32, 64):
            cases = Cases()
            for i, a in enumerate(VALUES):
                cases.begin()
                cases.asm += [load(i % 10, a), f"r{i % 10} = {name}{bits} r{i % 10}"]
                cases.expect(i % 10, byte_order(kind, bits, a))
                KERNEL_CASES.append((f"{kind}{bits} {a:#x}", insn(code, 2, imm=bits), (a, 0),
                                     byte_order(kind, bits, a)))
            add_file(f"{kind}{bits}", "edges", "swaps, and drops what is above the width",
                     cases.program(), 0)


def jump_files():
    for bits, cls, letter in ((64, 0x05, "r"), (32, 0x06, "w")):
        for kind, (code, sign) in JUMPS.items():
            generator = random.Random(f"J{kind}{bits}")
            for form in ("Reg", "Imm"):
                cases = Cases()
                for i in range(50 if form == "Reg" else 30):
                    dst, src = registers(i)
                    a = generator.choice(VALUES)
                    if form == "Reg":
                        b = a if dst == src or i % 4 == 0 else generator.choice(VALUES)
                        right, raw = f"{letter}{src}", insn(cls | code | 8, 2, 3, 1)
                    else:
                        b = generator.choice(IMMEDIATES)
                        if i % 4 == 0:
                            a = b & M64
                        right, raw = str(b), insn(cls | code, 2, 0, 1, b)
                    jumps = taken(kind, bits, a, b & M64)
                    cases.begin()
                    cases.asm.append(load(dst, a))
                    if form == "Reg" and dst != src:
                        cases.asm.append(load(src, b))
                    if jumps:
                        cases.asm += [f"if {letter}{dst} {sign} {right} goto +1", "goto fail"]
                    else:
                        cases.asm.append(f"if {letter}{dst} {sign} {right} goto fail")
                    # For the kernel: the result is 1 if the jump skips the move to 0.
                    KERNEL_CASES.append((f"J{kind}{bits}{form} {a:#x} {b:#x}",
                                         [raw, insn(0xb7, 4)], (a, b & M64 if form == "Reg" else 0),
                                         int(jumps)))
                add_file(f"J{kind}{bits}{form}", "edges", "taken and not taken", cases.program(), 0)
    add_file("Ja", "both_ways", "jumps forward and back",
             ["r0 = 1", "goto forward", "back:", "r0 += 4", "exit", "forward:", "r0 += 2",
              "goto back"], 7)
    add_file("Ja", "next", "a jump by 0 goes to the next instruction", ["r0 = 1", "goto +0", "exit"], 1)
    add_file("Ja32", "both_ways", "the distance is in the immediate",
             ["r0 = 1", "gotol forward", "back:", "r0 += 4", "exit", "forward:", "r0 += 2",
              "gotol back"], 7)
    add_file("MayGoto", "refused", "no engine has its loop budget yet, so none may run it",
             ["r0 = 0", "again:", "may_goto out", "r0 += 3", "if r0 < 30 goto again", "out:", "exit"],
             sections=[("type", ["socket_filter"]), ("error", [])])


def memory_files():
    pattern = bytes([0x80, 0x81, 0x02, 0x83, 0x04, 0x85, 0x06, 0x87, 0xf8, 0x79, 0x7a, 0xfb, 0x7c,
                     0x7d, 0x7e, 0xff, 0x10, 0x91, 0x12, 0x93])
    for bits, (suffix, _) in SIZES.items():
        size = bits // 8
        for sign in ("", "S"):
            if sign and bits == 64:
                continue
            letter = "s" if sign else "u"
            op = f"Ldx{sign}{suffix}"
            cases = Cases()
            for i in range(len(pattern) - size + 1):
                value = int.from_bytes(pattern[i : i + size], "little")
                value = signed(value, bits) & M64 if sign else value
                dst, base = registers(i)
                cases.begin()
                cases.asm += [f"r{base} = r9" if base != 9 else "r9 = r9",
                              f"r{dst} = *({letter}{bits} *)(r{base} + {i})"]
                if 9 in (dst, base) or (dst + 1) % 10 == 9:
                    # r9 keeps the memory address: compare by way of others.
                    cases.asm[-2:] = ["r1 = r9", f"r2 = *({letter}{bits} *)(r1 + {i})"]
                    dst = 2
                cases.expect(dst, value)
            add_file(op, "aligned_and_not", "every offset into memory", ["r9 = r1"] + cases.program(), 0,
                     mem=pattern)
            value = 0x8182838485868788
            low = value & ((1 << bits) - 1)
            low = signed(low, bits) & M64 if sign else low
            add_file(op, "negative_offset", "stack, negative offset, base and result in one register",
                     [load(3, value), "*(u64 *)(r10 - 16) = r3", "r1 = r10", "r1 += -8",
                      f"r1 = *({letter}{bits} *)(r1 - 8)", "r0 = r1", "exit"], low)
        cases, op = Cases(), f"St{suffix}"
        for i, imm in enumerate([0, 1, -1, 0x7f, 0x80, -128, 0x7fffffff, -0x80000000, 0x12345678]):
            cases.begin()
            cases.asm += [load(1, 0x5555555555555555), "*(u64 *)(r10 - 16) = r1",
                          f"*(u{bits} *)(r10 - 16) = {imm}", "r2 = *(u64 *)(r10 - 16)"]
            mask = (1 << bits) - 1
            cases.expect(2, (0x5555555555555555 & ~mask) | (imm & mask))
        add_file(op, "edges", "sign-extends the immediate, leaves the bytes around it", cases.program(), 0)
        cases, op = Cases(), f"Stx{suffix}"
        for i, value in enumerate(VALUES):
            base, src = registers(i)
            if base == src:
                base = (base + 1) % 10
            shift = i * size % 8
            cases.begin()
            cases.asm += [load(base, 0x5555555555555555), f"*(u64 *)(r10 - 16) = r{base}",
                          f"r{base} = r10", f"r{base} += -8", load(src, value),
                          f"*(u{bits} *)(r{base} - {8 - shift}) = r{src}",
                          f"r{src} = *(u64 *)(r10 - 16)"]
            mask = ((1 << bits) - 1) << (8 * shift)
            cases.expect(src, (0x5555555555555555 & ~mask) | ((value << (8 * shift)) & mask))
        add_file(op, "edges", "writes its bytes and no others", cases.program(), 0)
        for off in (1, 3):
            memory = bytearray(pattern[:16])
            memory[off : off + size] = (0x1122334455667788 & ((1 << bits) - 1)).to_bytes(size, "little")
            add_file(op, f"unaligned_{off}", "memory need not be aligned",
                     [load(2, 0x1122334455667788), f"*(u{bits} *)(r1 + {off}) = r2",
                      "r0 = *(u64 *)(r1 + 0)", "r1 = *(u64 *)(r1 + 8)", "r0 ^= r1", "exit"],
                     int.from_bytes(memory[:8], "little") ^ int.from_bytes(memory[8:], "little"),
                     mem=pattern[:16])
        value = 0x8182838485868788
        mask = (1 << bits) - 1
        add_file(f"LoadAcquire{bits}", "edges", "zero-extends",
                 [load(3, value), "*(u64 *)(r10 - 8) = r3", load(0, M64),
                  f"r0 = load_acquire((u{bits} *)(r10 - 8))", "exit"], value & mask)
        add_file(f"StoreRelease{bits}", "edges", "writes its bytes and no others",
                 [load(3, 0x5555555555555555), "*(u64 *)(r10 - 8) = r3", load(3, value), "r2 = r10",
                  f"store_release((u{bits} *)(r2 - 8), r3)", "r0 = *(u64 *)(r10 - 8)", "exit"],
                 (0x5555555555555555 & ~mask) | (value & mask))


def atomic_text(kind, bits, base, off, src):
    wide_name = "64" if bits == 64 else ""
    if kind in SIGNS:
        return f"lock *(u{bits} *)(r{base} {off:+d}) {SIGNS[kind]} r{src}"
    if kind == "Xchg":
        return f"r{src} = atomic{wide_name}_xchg((u{bits} *)(r{base} {off:+d}), r{src})"
    if kind == "CmpXchg":
        return f"r0 = atomic{wide_name}_cmpxchg((u{bits} *)(r{base} {off:+d}), r0, r{src})"
    name = kind[5:].lower()
    return f"r{src} = atomic{wide_name}_fetch_{name}((u{bits} *)(r{base} {off:+d}), r{src})"


def atomic_files():
    for bits, code in ((32, 0xc3), (64, 0xdb)):
        for kind, imm in ATOMICS.items():
            op = f"{kind}{bits}" if kind in ("Xchg", "CmpXchg") else f"Atomic{kind}{bits}"
            generator = random.Random(op)
            cases = Cases()
            for i in range(24):
                memory, value = generator.choice(VALUES), generator.choice(VALUES)
                # Half of the compares succeed; some only in the low half.
                r0 = memory if i % 4 == 0 else memory & M32 if i % 4 == 1 else generator.choice(VALUES)
                base, src = (i % 10, (i + 1 + i // 10 * 3) % 10)
                if kind == "CmpXchg":
                    base, src = 1 + i % 4, 5 + i % 5
                if 0 in (base, src) and kind != "CmpXchg":
                    r0 = None
                cases.begin()
                other = next(r for r in range(1, 10) if r not in (base, src))
                cases.asm += [load(other, memory), f"*(u64 *)(r10 - 16) = r{other}",
                              f"r{base} = r10", load(src, value)]
                if r0 is not None:
                    cases.asm.append(load(0, r0))
                cases.asm.append(atomic_text(kind, bits, base, -16, src))
                memory_after, src_after, r0_after = atomic(kind, bits, memory, value, r0 or 0)
                if r0 is not None:
                    cases.asm += [load(other, r0_after), f"if r0 != r{other} goto fail"]
                cases.asm += [load(other, src_after), f"if r{src} != r{other} goto fail",
                              f"r{src} = *(u64 *)(r10 - 16)", load(other, memory_after),
                              f"if r{src} != r{other} goto fail"]
                if r0 is not None:
                    # For the kernel: memory on its stack, src in r3, r0 is r0.
                    for what, expected in (("memory", memory_after), ("src", src_after),
                                           ("r0", r0_after)):
                        KERNEL_CASES.append((f"{op} {what} {memory:#x} {value:#x} {r0:#x}",
                                             ("atomic", what, insn(code, 10, 3, -8, imm), r0),
                                             (memory, value), expected))
            add_file(op, "edges", "memory, source and r0 afterwards", cases.program(), 0)


def packet_files():
    packet = bytes(range(0x20, 0x2e)) + bytes([0x81, 0x02, 0x83, 0x04, 0xf5, 0x06, 0x87, 0x08, 0x99, 0x0a])
    payload = packet[14:]
    kind = [("type", ["socket_filter"])]
    for bits, (suffix, _) in list(SIZES.items())[:3]:
        size = bits // 8
        for off in (0, 3, len(payload) - size):
            expected = int.from_bytes(payload[off : off + size], "big")
            add_file(f"LdAbs{suffix}", f"at_{off}", "network byte order, r6 is the context",
                     ["r6 = r1", f"r0 = *(u{bits} *)skb[{off}]", "exit"], expected, packet, kind)
            add_file(f"LdInd{suffix}", f"at_{off}", "the register and the immediate add up",
                     ["r6 = r1", "r7 = 2", f"r0 = *(u{bits} *)skb[r7 + {off - 2}]", "exit"], expected,
                     packet, kind)
        beyond = len(payload) - size + 1
        add_file(f"LdAbs{suffix}", "out_of_range", "beyond the packet the program returns 0",
                 ["r6 = r1", "r0 = 5", f"r0 = *(u{bits} *)skb[{beyond}]", "r0 = 7", "exit"], 0, packet, kind)
        add_file(f"LdInd{suffix}", "out_of_range", "beyond the packet the program returns 0",
                 ["r6 = r1", f"r1 = {beyond}", f"r0 = *(u{bits} *)skb[r1 + 0]", "r0 = 7", "exit"], 0,
                 packet, kind)


def wide_files():
    for i, value in enumerate((0x1122334455667788, 0xffffffff00000000, 0x80000000, M64)):
        add_file("LdImm64", f"value_{i}", "both halves", [f"r0 = 0x{value:x} ll", "exit"], value)
    kind = ("type", ["socket_filter"])
    maps = ("maps", ["numbers array key=4 value=16 entries=1"])
    packet = bytes(64)
    lookup = ["*(u32 *)(r10 - 4) = 0", "r2 = r10", "r2 += -4", "call map_lookup_elem",
              "if r0 == 0 goto out", "r1 = 9", "*(u64 *)(r0 + 8) = r1", "r0 = *(u64 *)(r0 + 8)",
              "out:", "exit"]
    direct = ["r2 = 9", "*(u64 *)(r1 + 0) = r2", "r0 = *(u64 *)(r1 + 0)", "exit"]
    for op, reference in (("LdMapFd", "map[0]"), ("LdMapIdx", "map_idx[0]")):
        add_file(op, "lookup", "a map by reference", [f"r1 = {reference} ll"] + lookup, 9, packet,
                 [kind, maps])
    for op, reference in (("LdMapValue", "map[0][8]"), ("LdMapIdxValue", "map_idx[0][8]")):
        add_file(op, "access", "the address inside a map's value", [f"r1 = {reference} ll"] + direct, 9,
                 packet, [kind, maps])
    add_file("LdBtfId", "no_such_variable", "type id 0 is void, not a variable",
             ["r1 = btf_id[0][0] ll", "r0 = 0", "exit"], sections=[kind, ("reject", [])])
    add_file("LdFunc", "without_btf", "a callback needs BTF function information",
             ["r1 = 1", "r2 = callback ll", "r3 = 0", "r4 = 0", "call 181", "exit", "callback:",
              "r0 = 0", "exit"], sections=[kind, ("reject", [])])
    add_file("AddrSpaceCast", "without_arena", "needs a program with an arena",
             ["r0 = addr_space_cast(r1, 0, 1)", "r0 = 0", "exit"], sections=[kind, ("reject", [])])


def call_files():
    kind = [("type", ["socket_filter"])]
    add_file("CallHelper", "time", "time does not go back; r6 survives the call",
             ["call 5", "r6 = r0", "call 5", "if r0 >= r6 goto later", "r0 = 0", "exit", "later:",
              "r0 = 1", "exit"], 1, bytes(64), kind)
    add_file("CallLocal", "arguments", "r1 to r5 are passed, r0 comes back",
             ["r1 = 1", "r2 = 20", "r3 = 300", "r4 = 4000", "r5 = 50000", "call sum", "exit", "sum:",
              "r0 = r1", "r0 += r2", "r0 += r3", "r0 += r4", "r0 += r5", "exit"], 54321)
    add_file("CallLocal", "saves", "the callee's r6 to r9 and stack are its own",
             ["r6 = 1", "r7 = 2", "r8 = 4", "r9 = 8", "*(u64 *)(r10 - 8) = 16", "r1 = r10", "call f",
              "r0 += r6", "r0 += r7", "r0 += r8", "r0 += r9", "r1 = *(u64 *)(r10 - 8)", "r0 += r1",
              "exit", "f:", "r6 = 100", "r7 = 100", "r8 = 100", "r9 = 100",
              "*(u64 *)(r10 - 8) = 100", "r0 = *(u64 *)(r1 - 8)", "r0 <<= 8", "exit"],
             (16 << 8) + 31)
    frames = ["r1 = 0", "call f1", "exit"]
    for i in range(1, 8):
        frames += [f"f{i}:", f"r1 += {1 << i}", "r0 = r1"] + ([f"call f{i + 1}"] if i < 7 else []) + ["exit"]
    add_file("CallLocal", "eight_frames", "the deepest chain of calls that Linux allows", frames, 254)
    add_file("CallLocal", "back", "the distance to a callee may be negative",
             ["r1 = 6", "call outer", "exit", "twice:", "r0 = r1", "r0 *= 2", "exit", "outer:",
              "call twice", "r1 = r0", "call twice", "exit"], 24)
    add_file("CallKfunc", "unknown", "no function has BTF id 0", ["call kfunc[0][0]", "r0 = 0", "exit"],
             sections=[kind[0], ("reject", [])])
    add_file("Exit", "not_last", "ends the program where it stands",
             ["r0 = 3", "if r1 != 0 goto +1", "exit", "r0 = 4", "exit"], 4, bytes(8))
    add_file("Exit", "offset", "Linux ignores its offset field", ["r0 = 3", "exit off 7"], 3)


# ---- The real kernel as judge of the arithmetic above.

class Kernel:
    """Runs cases as XDP programs: operands come from the packet, so that the kernel's verifier does
    not know them, and the result goes back into it."""

    def __init__(self):
        self.libc = ctypes.CDLL(None, use_errno=True)

    def bpf(self, command, attr):
        buffer = ctypes.create_string_buffer(attr, len(attr))
        number = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
        result = self.libc.syscall(number, command, buffer, len(attr))
        if result < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return result

    def load(self, code):
        text = ctypes.create_string_buffer(code, len(code))
        licence = ctypes.create_string_buffer(b"GPL")
        attr = struct.pack("<IIQQ", 6, len(code) // 8, ctypes.addressof(text), ctypes.addressof(licence))
        return self.bpf(5, attr.ljust(128, b"\0"))

    def run(self, fd, packet):
        data = ctypes.create_string_buffer(packet, len(packet))
        out = ctypes.create_string_buffer(len(packet))
        attr = struct.pack("<IIIIQQ", fd, 0, len(packet), len(packet), ctypes.addressof(data),
                           ctypes.addressof(out))
        self.bpf(10, attr.ljust(128, b"\0"))
        return out.raw

    PROLOGUE = (insn(0x61, 7, 1, 0) + insn(0x61, 8, 1, 4) + insn(0xbf, 4, 7) + insn(0x07, 4, imm=32)
                + insn(0xbd, 4, 8, 2) + insn(0xb7) + insn(0x95) + insn(0x79, 2, 7, 0) + insn(0x79, 3, 7, 8))
    EPILOGUE = insn(0x7b, 7, 2, 16) + insn(0xb7, 0, imm=2) + insn(0x95)

    def program(self, case):
        if isinstance(case, list):  # a jump over the move of 0 to r4
            return (self.PROLOGUE + insn(0xb7, 4, imm=1) + case[0] + case[1] + insn(0xbf, 2, 4)
                    + self.EPILOGUE)
        if isinstance(case, tuple):
            _, what, raw, r0 = case
            take = {"memory": insn(0x79, 2, 10, -8), "src": insn(0xbf, 2, 3), "r0": insn(0xbf, 2, 0)}
            return (self.PROLOGUE + insn(0x7b, 10, 2, -8) + wide(0, r0) + raw + take[what]
                    + self.EPILOGUE)
        return self.PROLOGUE + case + self.EPILOGUE


def check_kernel():
    kernel, wrong, programs = Kernel(), 0, {}
    for name, case, (a, b), expected in KERNEL_CASES:
        code = kernel.program(case)
        try:
            if code not in programs:
                if len(programs) > 200:
                    for fd in programs.values():
                        os.close(fd)
                    programs.clear()
                programs[code] = kernel.load(code)
            out = kernel.run(programs[code], struct.pack("<QQ", a, b).ljust(64, b"\0"))
        except OSError as error:
            if error.errno in (errno.EPERM, errno.ENOSYS):
                print(f"skipped: bpf(2) is refused: {error.strerror}")
                return 77
            print(f"{name}: {error.strerror}")
            wrong += 1
            continue
        got = struct.unpack_from("<Q", out, 16)[0]
        if got != expected:
            print(f"{name}: kernel {got:#x}, here {expected:#x}")
            wrong += 1
    print(f"{len(KERNEL_CASES)} cases on the kernel, {wrong} differ")
    return wrong != 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check-kernel", action="store_true")
    parser.add_argument("--check", action="store_true", help="fail if the files differ from these")
    parser.add_argument("--out", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parent.parent / "tests/data/isa")
    arguments = parser.parse_args()
    for generate in (alu_files, jump_files, memory_files, atomic_files, packet_files, wide_files,
                     call_files):
        generate()
    if arguments.check_kernel:
        return check_kernel()
    if arguments.check:
        stale = [name for name, text in FILES.items()
                 if not (arguments.out / name).exists() or (arguments.out / name).read_text() != text]
        for name in stale:
            print(f"{arguments.out / name}: differs from what gen_isa_tests.py writes")
        return bool(stale)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, text in FILES.items():
        (arguments.out / name).write_text(text)
    print(f"{len(FILES)} files in {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
