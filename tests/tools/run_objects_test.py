#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The programs of tests/data/run return the same and leave the same in their
maps on every engine of skep and in the kernel."""

import json
import re
import unittest

from skep_command import BUILD, ROOT, SkepTest

SOURCES = ROOT / "tests/data/run"
ENGINES = ["interp", "checked", "jit"]
OBJECTS = BUILD / "tests/data/run"


def programs_of(source):
    """Those of section tc; others need a host beside them."""
    return re.findall(r'SEC\("tc"\)\nint (\w+)\(', source.read_text(encoding="utf-8"))


class RunObjects(SkepTest):
    def setUp(self):
        super().setUp()
        if not OBJECTS.exists():
            self.skipTest(f"{OBJECTS} is not built")

    def run_on(self, path, program, *flags):
        answer = self.skep("run", path, "-p", program, *flags, "--show-maps", "--json")
        if not answer.stdout:
            return None, answer.stderr.decode()
        answer = json.loads(answer.stdout)
        answer = answer[0] if isinstance(answer, list) else answer
        if answer["trap"]:
            return None, answer["trap"]
        maps = {name: rows for name, rows in answer["maps"].items()
                if name.endswith((".bss", ".data"))}
        return {"retval": answer["retval"], "maps": maps}, None

    def test_programs_do_the_same_on_every_engine_and_in_the_kernel(self):
        probe = self.skep("run", self.write("probe.ebpf", "-- type\nxdp\n-- asm\nr0 = 2\nexit\n"),
                          "--engine", "kernel", "--json")
        kernel = probe.returncode == 0
        ran = 0
        for source in sorted(SOURCES.glob("*.bpf.c")):
            path = OBJECTS / source.name.replace(".bpf.c", ".bpf.o")
            if not path.exists():  # a compiler that cannot
                continue
            for program in programs_of(source):
                with self.subTest(file=source.name, program=program):
                    expected, why = None, None
                    if kernel:
                        expected, why = self.run_on(path, program, "--engine", "kernel")
                        self.assertIsNotNone(expected, f"the kernel: {why}")
                    for engine in ENGINES:
                        got, why = self.run_on(path, program, "--engine", engine)
                        self.assertIsNotNone(got, f"{engine}: {why}")
                        if expected is None:
                            expected = got
                        self.assertEqual(got, expected, engine)
                        ran += 1
        self.assertGreater(ran, 0)
        if not kernel:
            self.skipTest("bpf(2) is refused: engines were compared with one another only")


if __name__ == "__main__":
    unittest.main()
