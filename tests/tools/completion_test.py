#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The bash completion, asked as bash asks it."""

import os
import shutil
import subprocess
import unittest

from skep_command import ROOT, SKEP, SUBCOMMANDS, SkepTest

ASK = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_skep
printf '%s\\n' "${COMPREPLY[@]}"
"""


class Completion(SkepTest):
    def complete(self, *words):
        if shutil.which("bash") is None:
            self.skipTest("bash is not installed")
        done = subprocess.run(["bash", "-c", ASK, "bash", ROOT / "tools/completion/skep.bash", SKEP,
                               *words], capture_output=True, text=True, cwd=self.folder, check=True)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_the_first_word_is_a_subcommand(self):
        self.assertEqual(sorted(self.complete("")), sorted([*SUBCOMMANDS, "--help", "--version"]))
        self.assertEqual(self.complete("ve"), ["verify"])

    def test_options_are_those_of_the_subcommand(self):
        options = self.complete("run", "--")
        for option in ("--engine", "--pcap", "--show-maps", "--json"):
            self.assertIn(option, options)
        self.assertNotIn("--lowered", options)
        self.assertEqual(self.complete("disasm", "--lo"), ["--lowered"])
        self.assertEqual(len(options), len(set(options)), options)

    def test_what_gen_makes_is_offered_and_its_options_are(self):
        self.assertEqual(self.complete("gen", "sk"), ["skeleton"])
        self.assertEqual(sorted(self.complete("gen", "")), ["--help", "btf", "skeleton"])
        self.assertEqual(self.complete("gen", "skeleton", "--na"), ["--name"])
        self.assertEqual(self.complete("gen", "btf", "--clang-"), ["--clang-argument"])

    def test_what_map_does_is_offered_and_its_options_are(self):
        self.assertEqual(sorted(self.complete("map", "")),
                         ["--help", "create", "delete", "dump", "update"])
        self.assertEqual(self.complete("map", "update", "--fl"), ["--flag"])
        self.assertEqual(self.complete("map", "update", "--flag", "no"), ["noexist"])

    def test_values_of_options_are_offered(self):
        self.assertEqual(self.complete("run", "--engine", "ch"), ["checked"])
        self.assertEqual(self.complete("run", "--clock", ""), ["fixed", "real"])

    def test_other_words_are_files(self):
        (self.folder / "filter.bpf.o").touch()
        self.assertEqual(self.complete("verify", "fil"), ["filter.bpf.o"])

    def test_it_registers_itself(self):
        script = f'source "{ROOT}/tools/completion/skep.bash"; complete -p skep'
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True,
                              env=os.environ)
        self.assertIn("_skep", done.stdout)


if __name__ == "__main__":
    unittest.main()
