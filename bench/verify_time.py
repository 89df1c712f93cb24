#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times the verifier beside the running kernel's, on the same programs.

  verify_time.py --skep build/tools/skep OBJECT... [--rounds N] [--least N]

One process verifies a program --rounds times, here and by the kernel in turn (root
needed), so that both meet the same machine and warm caches; medians count. The
kernel's time is the one in its log. Programs that not both accept are left out, as are those of
less than --least processed instructions. Prints nanoseconds a processed
instruction and ratios (below 1: faster here), and the sums.
"""

import argparse
import json
import subprocess
import sys


def measure(skep, path, program, rounds):
    """(us, the kernel's us, processed, the kernel's processed) or None."""
    run = subprocess.run([skep, "verify", "--json", "--backend", "both", "--rounds", str(rounds),
                          "-p", program, path], capture_output=True, text=True)
    try:
        row = json.loads(run.stdout)[0]
    except (ValueError, IndexError):
        return None
    kernel = row.get("kernel", {})
    if row["verdict"] != "accept" or kernel.get("verdict") != "accept" or "time_us" not in kernel:
        return None
    return row["time_us"], kernel["time_us"], row["processed"], kernel["processed"]


def programs(skep, path):
    run = subprocess.run([skep, "inspect", "--json", path], capture_output=True, text=True)
    try:
        return [p["name"] for p in json.loads(run.stdout)["programs"]]
    except (ValueError, KeyError, TypeError):
        return []


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--skep", required=True)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--least", type=int, default=1)
    parser.add_argument("objects", nargs="+")
    arguments = parser.parse_args()

    times = {}
    for path in arguments.objects:
        for program in programs(arguments.skep, path):
            found = measure(arguments.skep, path, program, arguments.rounds)
            if found and found[3] >= arguments.least:
                times[path, program] = found
    if not times:
        print("no program that both accept", file=sys.stderr)
        return 2

    print(f"{'program':<44}{'processed':>10}{'kernel':>10}{'ns/insn':>9}{'kernel':>9}{'ratio':>8}")
    sums = [0.0, 0.0, 0, 0]
    for (path, program), (here, there, processed, by_kernel) in sorted(
            times.items(), key=lambda item: -item[1][3]):
        rate, kernel_rate = here * 1000 / processed, there * 1000 / by_kernel
        name = f"{path.rsplit('/', 1)[-1].removesuffix('.bpf.o')} {program}"
        ratio = f"{rate / kernel_rate:>8.2f}" if kernel_rate else f"{'-':>8}"
        print(f"{name:<44}{processed:>10}{by_kernel:>10}{rate:>9.0f}{kernel_rate:>9.0f}{ratio}")
        for i, value in enumerate((here, there, processed, by_kernel)):
            sums[i] += value
    rate, kernel_rate = sums[0] * 1000 / sums[2], sums[1] * 1000 / sums[3]
    print(f"{'all':<44}{sums[2]:>10}{sums[3]:>10}{rate:>9.0f}{kernel_rate:>9.0f}"
          f"{rate / max(kernel_rate, 1e-9):>8.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
