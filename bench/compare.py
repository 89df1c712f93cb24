#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares two result files of skep_bench.

  compare.py BEFORE.json AFTER.json [--filter TEXT]

Prints, for each time and counter that both have, the two values and their
ratio (below 1: faster now), and the geometric mean of the ratios of each
counter. Workloads are compared by their counters, everything else by CPU time.
Files are made by --benchmark_out=FILE --benchmark_out_format=json.
"""

import argparse
import collections
import json
import math
import sys

# Keys of a benchmark in the file that are not measurements.
NOT_MEASURED = {"iterations", "repetitions", "repetition_index", "threads", "family_index",
                "per_family_instance_index", "insns", "processed"}


class BadFile(Exception):
    pass


def measurements(path):
    """{(counter, benchmark): value}"""
    try:
        with open(path, encoding="utf-8") as file:
            rows = json.load(file)["benchmarks"]
        found = {}
        for row in rows:
            if row.get("error_occurred") or row.get("run_type", "iteration") != "iteration":
                continue
            name = row["name"].removesuffix("/iterations:1")
            if name.startswith("BM_Workload/"):
                for key, value in row.items():
                    if isinstance(value, (int, float)) and not key.endswith("time") and \
                            key not in NOT_MEASURED:
                        found[key, name] = float(value)
            else:
                found[f"time/{row['time_unit']}", name] = float(row["cpu_time"])
        return found
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadFile(f"{path}: not a result file of skep_bench: {error!r}") from error


def compare(before, after, text=""):
    """[(counter, benchmark, before, after, ratio)] in order, and {counter: geometric mean}."""
    rows, logs = [], collections.defaultdict(list)
    for counter, name in sorted(before.keys() & after.keys()):
        old, new = before[counter, name], after[counter, name]
        if text not in name or old <= 0 or new <= 0:
            continue
        rows.append((counter, name, old, new, new / old))
        logs[counter].append(math.log(new / old))
    return rows, {counter: math.exp(sum(values) / len(values)) for counter, values in logs.items()}


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before")
    parser.add_argument("after")
    parser.add_argument("--filter", default="", help="only benchmarks whose name has this text")
    arguments = parser.parse_args(words)
    try:
        rows, means = compare(measurements(arguments.before), measurements(arguments.after),
                              arguments.filter)
    except BadFile as error:
        print(error, file=sys.stderr)
        return 2
    if not rows:
        print("the two files have no measurement in common", file=sys.stderr)
        return 2
    for counter, name, old, new, ratio in rows:
        print(f"{counter:<14}{name:<42}{old:>12.2f}{new:>12.2f}{ratio:>8.3f}")
    for counter, mean in sorted(means.items()):
        print(f"{counter:<14}{'geometric mean':<42}{'':>24}{mean:>8.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
