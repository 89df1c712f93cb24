#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""./dev says what it does, refuses what it does not know, and its package list fits it."""
import os
import pathlib
import re
import subprocess
import unittest

SOURCE = pathlib.Path(os.environ["SKEP_SOURCE_DIR"])
COMMANDS = {"demo", "test", "check", "bench", "format", "lint", "setup"}


def dev(*arguments, **environment):
    return subprocess.run([str(SOURCE / "dev"), *arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, check=False,
                          env={**os.environ, **environment})


class Dev(unittest.TestCase):

    def test_help_names_every_command(self):
        result = dev("--help")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        for command in COMMANDS:
            self.assertRegex(result.stdout, rf"(?m)^  {command} ")

    def test_help_of_a_command_does_nothing_else(self):
        result = dev("test", "--help")
        self.assertEqual((result.returncode, result.stdout), (0, dev("--help").stdout))

    def test_no_command_or_an_unknown_one_is_bad_usage(self):
        self.assertEqual(dev().returncode, 2)
        result = dev("deploy")
        self.assertEqual(result.returncode, 2)
        self.assertIn("no command named deploy", result.stderr)

    def test_an_unknown_stage_of_check_is_bad_usage(self):
        result = dev("check", "format", "luck")
        self.assertEqual(result.returncode, 2)
        self.assertIn("no stage named luck", result.stderr)

    def test_nothing_to_install_says_nothing(self):
        if dev("setup", "test", NO_INSTALL="1").returncode != 0:
            self.skipTest("the packages of ./dev test are not all installed as Debian packages")
        result = dev("setup", "test", NO_INSTALL="1")
        self.assertEqual((result.stdout, result.stderr), ("", ""))

    def test_a_missing_package_fails_where_installing_is_forbidden(self):
        fake = "dpkg-query() { :; }; export -f dpkg-query; NO_INSTALL=1 ./dev setup format"
        result = subprocess.run(["bash", "-c", fake], cwd=SOURCE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, check=False)
        self.assertEqual(result.returncode, 2)
        self.assertIn("packages are missing: clang-format", result.stderr)

    def test_every_package_names_commands_that_exist(self):
        rows = [line.split() for line in (SOURCE / "scripts" / "packages.txt").read_text().splitlines()
                if line and not line.startswith("#")]
        self.assertTrue(rows)
        for package, *commands in rows:
            self.assertRegex(package, r"^[a-z0-9][a-z0-9+.-]+(:arm64)?$")
            self.assertTrue(commands, package)
            self.assertLessEqual(set(commands), COMMANDS | {"all", "arm64"}, package)
        packages = [row[0] for row in rows]
        self.assertEqual(len(packages), len(set(packages)))

    def test_every_package_that_a_message_of_the_build_names_is_in_the_list(self):
        listed = (SOURCE / "scripts" / "packages.txt").read_text()
        text = "".join(path.read_text() for path in
                       [*(SOURCE / "cmake").glob("*.cmake"), *SOURCE.glob("*/CMakeLists.txt")])
        named = re.findall(r'skep_require\(\w+ "[^"]*" ([\w.+-]+)\)', text) + \
            re.findall(r"\(Debian: ([\w.+-]+)\)", text)
        self.assertTrue(named)
        for package in named:
            self.assertRegex(listed, rf"(?m)^{re.escape(package)} ")


if __name__ == "__main__":
    unittest.main()
