#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The host program of the README is one that is compiled and run."""

import re
import subprocess
import textwrap
import unittest

from skep_command import EXAMPLES, PASS_XDP, ROOT, SkepTest


class Readme(SkepTest):
    def test_its_host_program_is_the_compiled_one(self):
        source = (ROOT / "examples/host/run_filter.cc").read_text()
        lines = re.search(r"// README: begin\n(.*?)  // README: end", source, re.S).group(1)
        self.assertIn(f"```cpp\n{textwrap.dedent(lines)}```", (ROOT / "README.md").read_text())

    def test_the_host_program_gives_the_verdict(self):
        host = EXAMPLES / "run_filter"
        if not host.exists():
            self.skipTest(f"{host} is not built")
        path = self.assemble("pass", PASS_XDP)
        done = subprocess.run([host, path, "test"], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, "verdict 2\n"), done.stderr)
        for arguments, status in ((["/no/such/object", "test"], 2), ([path, "nobody"], 1), ([], 2)):
            done = subprocess.run([host, *arguments], capture_output=True, check=False)
            self.assertEqual(done.returncode, status)

    def test_its_links_lead_somewhere(self):
        for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text()):
            if "://" not in target:
                self.assertTrue((ROOT / target).exists(), target)


if __name__ == "__main__":
    unittest.main()
