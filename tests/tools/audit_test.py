#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""skep audit: runs held against what the verifier proved."""

import json
import unittest

from skep_command import PASS_XDP, SkepTest, UNCHECKED_XDP


class Audit(SkepTest):
    def test_a_program_is_run_as_often_as_asked_and_its_instructions_are_counted(self):
        path = self.write("pass.ebpf", PASS_XDP)
        text = self.done("audit", path, "--runs", "5")
        self.assertEqual(text, "1 programs audited, 0 rejected, 0 cannot run; 5 runs, "
                               "10 instructions checked, 0 violations\n")

    def test_json_has_a_row_for_each_program_and_the_sums(self):
        files = [self.write("pass.ebpf", PASS_XDP), self.write("bad.ebpf", UNCHECKED_XDP)]
        document = json.loads(self.done("audit", *files, "--json"))
        self.assertEqual([row["result"] for row in document["programs"]], ["pass", "rejected"])
        self.assertEqual(document["programs"][0]["violation"], None)
        self.assertIn("R2", document["programs"][1]["detail"])
        self.assertEqual((document["audited"], document["rejected"], document["violated"]), (1, 1, 0))

    def test_generated_programs_need_no_path_and_repeat_with_a_seed(self):
        first = self.done("audit", "--random", "40", "--seed", "3", "--runs", "2")
        self.assertRegex(first, r"\A\d+ programs audited, \d+ rejected, 0 cannot run; .* 0 violations\n\Z")
        self.assertEqual(first, self.done("audit", "--random", "40", "--seed", "3", "--runs", "2"))
        self.refuse("audit", says=["path or --random is required"])


if __name__ == "__main__":
    unittest.main()
