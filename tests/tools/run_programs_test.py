# SPDX-License-Identifier: Apache-2.0
"""The programs of tests/data/run give the same number on every engine and on the
kernel: callbacks of helpers, may_goto, exceptions, iterators, kernel functions,
arenas, values beside tasks."""

import json
import unittest

from skep_command import BUILD, SkepTest

OBJECTS = BUILD / "tests/data/run"
ENGINES = ["interp", "checked", "jit"]
FRAME = "00" * 64


class RunProgramsTest(SkepTest):
    def programs(self, name):
        found = json.loads(self.done("inspect", OBJECTS / f"{name}.bpf.o", "--json"))
        return [(p["name"], p["type"]) for p in found["programs"]]

    def run_on(self, engine, name, program, kind):
        """The low half of r0, or why there is none."""
        packet = [] if kind == "syscall" else ["--packet-hex", FRAME]
        result = self.skep("run", OBJECTS / f"{name}.bpf.o", "-p", program, "--engine", engine,
                           "--repeat", "1", "--json", *packet)
        if result.returncode != 0 or not result.stdout:
            return result.stderr.decode().strip()
        run = json.loads(result.stdout)
        run = run[0] if isinstance(run, list) else run
        value = run["retval"]
        return (int(value, 16) if isinstance(value, str) else value) & 0xFFFFFFFF

    def hold(self, name):
        if not (OBJECTS / f"{name}.bpf.o").exists():
            self.skipTest(f"{name}.bpf.o is not built")
        programs = self.programs(name)
        self.assertGreater(len(programs), 3)
        kernel = True
        for program, kind in programs:
            with self.subTest(program=program):
                values = {e: self.run_on(e, name, program, kind) for e in ENGINES}
                first = values[ENGINES[0]]
                self.assertIsInstance(first, int, values)
                self.assertEqual(set(values.values()), {first}, values)
                if not kernel:
                    continue
                judged = self.run_on("kernel", name, program, kind)
                if isinstance(judged, str) and "bpf(2)" in judged:
                    kernel = False
                    continue
                self.assertEqual(first, judged)
        if not kernel:
            self.skipTest("bpf(2) is refused: the engines agree, the kernel was not asked")

    def test_callbacks_of_helpers(self):
        self.hold("callbacks")

    def test_iterators_and_sections(self):
        self.hold("iterators")

    def test_strings(self):
        self.hold("strings")

    def test_may_goto(self):
        self.hold("may_goto")

    def test_exceptions(self):
        self.hold("exceptions")

    def test_arenas(self):
        self.hold("arena")

    def test_sets_of_cpus(self):
        """By skep compare, which gives programs as many CPUs as the kernel has."""
        path = OBJECTS / "cpumask.bpf.o"
        if not path.exists():
            self.skipTest("cpumask.bpf.o is not built")
        result = self.skep("compare", path, "--json")
        if not result.stdout:
            self.skipTest(result.stderr.decode().strip())
        results = {p["program"]: p["result"] for p in json.loads(result.stdout)["programs"]}
        self.assertEqual(set(results.values()), {"equal"}, results)
        self.assertGreater(len(results), 3)

    def test_tail_calls_out_of_functions(self):
        self.hold("tail_calls")

    def test_storage_of_tasks_and_tunnels(self):
        self.hold("storage")


if __name__ == "__main__":
    unittest.main()
