#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What Linux's own test programs state about themselves: programs that return
the value in their annotation do so on every engine, and verdicts are those that
the annotations expect. Needs the built objects (SKEP_SELFTEST_OBJECTS) and the
list of what they state (SKEP_SELFTEST_VERDICTS, JSON, one program a line)."""

import collections
import json
import os
import pathlib
import subprocess
import unittest

from skep_command import SKEP, SkepTest

OBJECTS = os.environ.get("SKEP_SELFTEST_OBJECTS")
SHARED = pathlib.Path(os.environ.get("SKEP_SHARED_DIR", "/nonexistent"))
VERDICTS = pathlib.Path(os.environ.get("SKEP_SELFTEST_VERDICTS",
                                       SHARED / "kernel-selftests/verdicts.jsonl"))
PACKET = "00" * 64  # what the values were taken on
# Linux's runner puts 0xabcdef12 into a map before it runs these.
NEED_A_MAP_VALUE = {"alu_with_different_scalars_1", "value_ptr_known_scalar_5",
                    "value_ptr_known_scalar_6", "unknown_scalar_value_ptr_2",
                    "unknown_scalar_value_ptr_3", "value_ptr_unknown_scalar_2_1"}


def rows():
    with open(VERDICTS, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


class Selftests(SkepTest):
    def setUp(self):
        super().setUp()
        if not OBJECTS:
            self.skipTest("SKEP_SELFTEST_OBJECTS does not name the built selftests")
        if not VERDICTS.exists():
            self.skipTest(f"{VERDICTS} is missing")

    def test_programs_return_what_they_state_on_every_engine(self):
        ran, not_run, wrong = 0, collections.Counter(), []
        for row in rows():
            path = pathlib.Path(OBJECTS) / row["object"]
            stated = row.get("exp_retval")
            if stated is None or row["kernel_verdict"] != "accept" or not path.exists():
                continue
            if row["run_errno"] != 0:
                not_run["the kernel does not run it"] += 1
                continue
            if stated == "POINTER_VALUE" or row["prog"] in NEED_A_MAP_VALUE:
                not_run["returns an address, or what its own runner puts into a map"] += 1
                continue
            for engine in ("interp", "jit"):
                result = subprocess.run(
                    [SKEP, "run", path, "-p", row["prog"], "--engine", engine, "--packet-hex",
                     PACKET, "--json"], capture_output=True, text=True, timeout=60, check=False)
                if result.returncode == 2 or not result.stdout.startswith(("{", "[")):
                    not_run[result.stderr.strip()[-100:]] += 1
                    continue
                answer = json.loads(result.stdout)
                answer = answer[0] if isinstance(answer, list) else answer
                if (answer["trap"] or "").startswith("rejected"):  # the other test counts it
                    not_run["refused by the verifier"] += 1
                    continue
                ran += 1
                # The annotation may be an expression; the kernel's own value says it in numbers.
                if answer["retval"] != row["retval"]:
                    wrong.append((row["object"], row["prog"], engine, answer["retval"],
                                  row["retval"], stated))
        print(f"{ran} runs as stated, {len(wrong)} not; "
              f"not run: {sum(not_run.values())}")
        for entry in wrong:
            print("  ", *entry)
        for reason, count in not_run.most_common(12):
            print(f"  {count}: {reason}")
        self.assertEqual(wrong, [])
        self.assertGreater(ran, 0)

    def test_verdicts_are_those_that_the_programs_state(self):
        # Where Linux 6.18 itself differs from the annotations, its verdict counts.
        as_stated, not_judged, wrong = 0, 0, []
        by_object = collections.defaultdict(list)
        for row in rows():
            stated = {"success": "accept", "failure": "reject"}.get(row.get("expected"))
            if stated == row["kernel_verdict"] and not row.get("env_dependent"):
                by_object[row["object"]].append(row)
        for name, programs in sorted(by_object.items()):
            path = pathlib.Path(OBJECTS) / name
            if not path.exists():
                continue
            result = subprocess.run([SKEP, "verify", "--json", path], capture_output=True,
                                    text=True, timeout=120, check=False)
            verdicts = {p["program"]: p["verdict"] for p in json.loads(result.stdout)}
            for row in programs:
                verdict = verdicts.get(row["prog"], "error")
                if verdict == row["kernel_verdict"]:
                    as_stated += 1
                elif verdict == "error":
                    not_judged += 1
                else:
                    wrong.append((name, row["prog"], verdict))
        print(f"{as_stated} verdicts as stated, {len(wrong)} not, {not_judged} not judged")
        for entry in wrong:
            print("  ", *entry)
        self.assertEqual([w for w in wrong if w[2] == "accept"], [])
        self.assertGreater(as_stated, 0)


if __name__ == "__main__":
    unittest.main()
