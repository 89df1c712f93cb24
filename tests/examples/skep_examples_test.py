#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""skep accepts every example that Linux accepts, and the demo ends well."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import compiled_examples
from compiled_examples import BUILD, ROOT

SKEP = pathlib.Path(os.environ.get("SKEP", BUILD / "tools/skep"))


class SkepExamples(unittest.TestCase):
    def setUp(self):
        if not SKEP.exists():
            self.skipTest(f"{SKEP} is not built")

    def verify(self, path):
        done = subprocess.run([SKEP, "verify", path, "--json"], capture_output=True, text=True,
                              check=False)
        return done.returncode, done.stdout, done.stderr

    def test_skep_accepts_what_each_clang_makes_for_each_cpu_version(self):
        if not compiled_examples.objects():
            self.skipTest("no clang is installed")
        for name, path in compiled_examples.objects():
            with self.subTest(name):
                status, output, errors = self.verify(path)
                self.assertEqual(status, 0, output + errors)
                rows = json.loads(output)
                self.assertGreaterEqual(len(rows), 1)
                self.assertEqual({row["verdict"] for row in rows}, {"accept"}, output)

    def test_without_btf_a_program_without_maps_is_accepted_and_maps_are_refused_in_words(self):
        compilers = {name.split(".")[1] for name, _ in compiled_examples.objects()}
        if not compilers:
            self.skipTest("no clang is installed")
        with tempfile.TemporaryDirectory() as folder:
            for compiler in sorted(compilers):
                for program, accepted in (("hello", True), ("hello_map", False)):
                    source = ROOT / f"examples/{program}.bpf.c"
                    path = compiled_examples.compile_one(compiler, source, "v3", ["-g0"], folder,
                                                         f"{program}.{compiler}")
                    with self.subTest(path.name):
                        status, output, errors = self.verify(path)
                        self.assertEqual(status, 0 if accepted else 2, output + errors)
                        if not accepted:
                            self.assertIn("BTF", output + errors)

    def test_the_demo_ends_well(self):
        if not (BUILD / "examples/hello.bpf.o").exists():
            self.skipTest("the example programs are not compiled")
        done = subprocess.run([ROOT / "examples/demo.sh", BUILD], capture_output=True, text=True,
                              env={**os.environ, "SKEP": str(SKEP)}, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_host_programs_do_what_their_comments_say(self):
        for program, arguments in (("block_address", ["firewall"]), ("own_helper", []),
                                   ("read_events", ["hello_buffer"]), ("count_packets", [])):
            path = BUILD / "examples" / program
            if not path.exists():
                self.skipTest(f"{path} is not built")
            objects = [BUILD / f"examples/{name}.bpf.o" for name in arguments]
            done = subprocess.run([path, *objects], capture_output=True, text=True, timeout=60,
                                  check=False)
            with self.subTest(program):
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
