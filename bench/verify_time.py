#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times the verifier beside the running kernel's, on the same programs.

  verify_time.py --skep build/tools/skep OBJECT... [--rounds N] [--least N]

In each round every program is verified once here and once by the kernel (root
needed), so that both meet the same machine; medians count. The kernel's time is
the one in its log. Programs that not both accept are left out, as are those of
less than --least processed instructions. Prints nanoseconds a processed
instruction and ratios (below 1: faster here), and the sums.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys

TIME = re.compile(r"^verification time (\d+) usec$", re.M)
PROCESSED = re.compile(r"^processed (\d+) insns", re.M)


def ours(skep, path, program):
    """(microseconds, processed) or None if refused."""
    run = subprocess.run([skep, "verify", "--json", "-p", program, path],
                         capture_output=True, text=True)
    try:
        row = json.loads(run.stdout)[0]
    except (ValueError, IndexError):
        return None
    return (row["time_us"], row["processed"]) if row["verdict"] == "accept" else None


def kernels(skep, path, program):
    run = subprocess.run([skep, "verify", "--backend", "kernel", "--log", "4", "-p", program, path],
                         capture_output=True, text=True)
    time, processed = TIME.search(run.stdout), PROCESSED.search(run.stdout)
    if run.returncode != 0 or time is None or processed is None:
        return None
    return int(time.group(1)), int(processed.group(1))


def programs(skep, path):
    run = subprocess.run([skep, "inspect", "--json", path], capture_output=True, text=True)
    try:
        return [p["name"] for p in json.loads(run.stdout)["programs"]]
    except (ValueError, KeyError, TypeError):
        return []


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--skep", required=True)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--least", type=int, default=1)
    parser.add_argument("objects", nargs="+")
    arguments = parser.parse_args()

    times = {}  # (object, program): ([ours], [the kernel's], processed, processed by the kernel)
    for path in arguments.objects:
        for program in programs(arguments.skep, path):
            here, there = ours(arguments.skep, path, program), kernels(arguments.skep, path, program)
            if here and there and there[1] >= arguments.least:
                times[path, program] = ([], [], here[1], there[1])
    if not times:
        print("no program that both accept", file=sys.stderr)
        return 2
    for _ in range(arguments.rounds):
        for (path, program), (mine, theirs, _, _) in times.items():
            mine.append(ours(arguments.skep, path, program)[0])
            theirs.append(kernels(arguments.skep, path, program)[0])

    print(f"{'program':<44}{'processed':>10}{'kernel':>10}{'ns/insn':>9}{'kernel':>9}{'ratio':>8}")
    sums = [0.0, 0.0, 0, 0]
    for (path, program), (mine, theirs, processed, by_kernel) in sorted(
            times.items(), key=lambda item: -item[1][3]):
        here, there = statistics.median(mine), statistics.median(theirs)
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
