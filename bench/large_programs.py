#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes large programs for verify_time.py: about 50,000 instructions each.

  large_programs.py FOLDER

straight.ebpf   arithmetic without a branch, over registers, stack and packet
branchy.ebpf    5,000 branches on packet bytes; each skips some arithmetic, so
                that both sides meet again
chains.ebpf     5,000 branches that refine a number which decides later ones
calls.ebpf      lookups in an array and stores to what they find
loop.ebpf       a loop of 5,000 rounds, each walked through
"""

import pathlib
import random
import sys

SIZE = 50_000
BRANCHES = 5_000
PACKET = """r6 = *(u32 *)(r1 + 0)
r2 = *(u32 *)(r1 + 4)
r3 = r6
r3 += 1024
if r3 <= r2 goto start
r0 = 1
exit
start:
"""
END = "r0 = 2\nexit\n"


def header(maps=""):
    return "-- type\nxdp\n" + (f"-- maps\n{maps}\n" if maps else "") + "-- asm\n"


def arithmetic(rng):
    register = f"r{rng.choice([3, 4, 5, 7, 8])}"
    other = f"r{rng.choice([3, 4, 5, 7, 8])}"
    return rng.choice([
        f"{register} += {other}", f"{register} ^= {other}", f"{register} *= {rng.randrange(3, 999)}",
        f"{register} >>= {rng.randrange(1, 31)}", f"{register} &= {rng.randrange(1, 1 << 20)}",
        f"{register} |= {other}", f"{register} -= {rng.randrange(1, 4096)}",
        f"{register} = *(u8 *)(r6 + {rng.randrange(1024)})",
        f"*(u64 *)(r10 - {8 * rng.randrange(1, 33)}) = {other}",
    ])


def start():
    return PACKET + "".join(f"r{i} = *(u8 *)(r6 + {i})\n" for i in (3, 4, 5, 7, 8))


def straight(rng):
    return header() + start() + "\n".join(arithmetic(rng) for _ in range(SIZE)) + "\n" + END


def branchy(rng):
    code = start()
    for i in range(BRANCHES):
        code += f"r3 = *(u8 *)(r6 + {rng.randrange(1024)})\nif r3 > {rng.randrange(1, 255)} goto b{i}\n"
        code += "".join(arithmetic(rng) + "\n" for _ in range(SIZE // BRANCHES - 2)) + f"b{i}:\n"
    return header() + code + END


def chains(rng):
    code = start()
    for i in range(BRANCHES):
        if i % 8 == 0:
            code += f"r9 = *(u8 *)(r6 + {rng.randrange(1024)})\n"
        code += f"if r9 {rng.choice(['>', '<', '!=', 's>'])} {rng.randrange(0, 200)} goto b{i}\n"
        code += "".join(arithmetic(rng) + "\n" for _ in range(SIZE // BRANCHES - 1)) + f"b{i}:\n"
    return header() + code + END


def calls(rng):
    code = ""
    for i in range(SIZE // 10):
        code += (f"r1 = {rng.randrange(8)}\n*(u32 *)(r10 - 4) = r1\nr2 = r10\nr2 += -4\n"
                 f"r1 = map[values] ll\ncall bpf_map_lookup_elem\nif r0 == 0 goto b{i}\n"
                 f"r1 = *(u64 *)(r0 + {8 * rng.randrange(4)})\nr1 += 1\n"
                 f"*(u64 *)(r0 + {8 * rng.randrange(4)}) = r1\nb{i}:\n")
    return header("values array key=4 value=32 entries=8") + code + END


def loop(rng):
    body = "".join(arithmetic(rng) + "\n" for _ in range(SIZE // BRANCHES - 2))
    code = start() + "r9 = 0\nnext:\n" + body + f"r9 += 1\nif r9 < {BRANCHES} goto next\n"
    return header() + code + END


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for make in (straight, branchy, chains, calls, loop):
        (folder / f"{make.__name__}.ebpf").write_text(make(random.Random(1)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
