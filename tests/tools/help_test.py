#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The text of --help, kept in tests/data/help. SKEP_BLESS=1 writes it anew."""

import os
import re
import unittest

from skep_command import ROOT, SUBCOMMANDS, SkepTest

GOLDEN = ROOT / "tests/data/help"


class Help(SkepTest):
    def check(self, name, *arguments):
        text = self.done(*arguments, "--help")
        golden = GOLDEN / f"{name}.txt"
        if os.environ.get("SKEP_BLESS"):
            golden.write_text(text)
        self.assertEqual(text, golden.read_text(), f"SKEP_BLESS=1 rewrites {golden}")
        return text

    def test_the_command_s_help_names_every_subcommand_and_the_exit_status(self):
        text = self.check("skep")
        for name in SUBCOMMANDS:
            self.assertRegex(text, rf"(?m)^  {name} ")
        self.assertIn("Exit status: 0 ", text)

    def test_each_subcommand_s_help_is_as_kept_and_has_examples(self):
        for name in SUBCOMMANDS:
            with self.subTest(name):
                text = self.check(name, name)
                self.assertRegex(text, rf"Examples:\n(.*\n)*.*skep {name} ")

    def test_subcommands_of_subcommands_have_help_of_their_own(self):
        for command, names in (("gen", ("skeleton", "btf")),
                               ("map", ("create", "dump", "update", "delete"))):
            for name in names:
                with self.subTest(name):
                    text = self.check(f"{command}_{name}", command, name)
                    self.assertRegex(text, rf"Examples:\n(.*\n)*.*skep {command} {name} ")

    def test_no_subcommand_is_missing_here(self):
        listed = self.done("--help").split("Subcommands:\n")[1].split("\n\n")[0]
        self.assertEqual(re.findall(r"(?m)^  ([a-z]+)", listed), SUBCOMMANDS)

    def test_the_version_is_one_line(self):
        self.assertRegex(self.done("--version"), r"\A\d+\.\d+\.\d+\n\Z")


if __name__ == "__main__":
    unittest.main()
