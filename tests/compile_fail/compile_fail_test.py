#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What must not compile does not, and for the reason that its file names.

Each .cc here names the error in a line "// error: REGULAR EXPRESSION" and
compiles when SKEP_CONTROL is defined: so a file that fails for another reason,
say a renamed header, is found.
"""
import os
import pathlib
import re
import subprocess
import unittest

SOURCE = pathlib.Path(os.environ["SKEP_SOURCE_DIR"])


def compile_file(name, *flags):
    """Returns (status, messages) of the compiler."""
    result = subprocess.run(
        [os.environ["SKEP_CXX"], "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
         f"-I{SOURCE / 'include'}", *flags, str(SOURCE / "tests" / "compile_fail" / name)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return result.returncode, result.stdout


class CompileFail(unittest.TestCase):

    def refuse(self, name):
        text = (SOURCE / "tests" / "compile_fail" / name).read_text()
        expected = re.search(r"^// error: (.*)$", text, re.MULTILINE).group(1)
        status, messages = compile_file(name, "-DSKEP_CONTROL")
        self.assertEqual(status, 0, f"the control does not compile:\n{messages}")
        status, messages = compile_file(name)
        self.assertNotEqual(status, 0, "it compiles")
        self.assertRegex(messages, expected)

    def test_a_dropped_result(self):
        self.refuse("dropped_result.cc")

    def test_a_dropped_void_result(self):
        self.refuse("dropped_void_result.cc")

    def test_preparing_a_program_that_was_not_verified(self):
        self.refuse("prepare_unverified.cc")

    def test_making_a_verified_program_without_the_verifier(self):
        self.refuse("forge_verified.cc")

    def test_each_file_has_a_test(self):
        mine = pathlib.Path(__file__).read_text()
        for path in sorted((SOURCE / "tests" / "compile_fail").glob("*.cc")):
            self.assertIn(f'"{path.name}"', mine)


if __name__ == "__main__":
    unittest.main()
