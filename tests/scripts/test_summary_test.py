#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What ./dev test prints last is computed from ctest's own results."""
import contextlib
import io
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.environ["SKEP_SOURCE_DIR"], "scripts"))
import test_summary

PASSED = '<testcase name="A.Adds" status="run"><system-out>ok</system-out></testcase>'
FAILED = '<testcase name="A.Breaks" status="fail"><failure message=""/><system-out/></testcase>'
TIMED_OUT = '<testcase name="A.Hangs" status="fail"><failure message="Timeout"/></testcase>'
NOT_FOUND = '<testcase name="A.Gone" status="notrun"><skipped message="Unable to find executable"/></testcase>'
SKIPPED = '''<testcase name="K.Loads" status="notrun">
<skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/>
<system-out>[ RUN      ] K.Loads
tests/kernel/load_test.cc:7: Skipped
bpf(2) is refused: Operation not permitted

[  SKIPPED ] K.Loads (0 ms)
</system-out></testcase>'''
SKIPPED_SCRIPT = '''<testcase name="scripts.x" status="notrun">
<skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/>
<system-out>test_x (__main__.X.test_x)
Says so. ... skipped 'no shared library in this build'

OK (skipped=1)
</system-out></testcase>'''


class SummaryTest(unittest.TestCase):

    def summary(self, *cases):
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as results:
            results.write("<testsuite>" + "".join(cases) + "</testsuite>")
            results.flush()
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                status = test_summary.main([results.name])
        return status, output.getvalue().splitlines()

    def test_counts_alone_on_the_last_line(self):
        status, lines = self.summary(PASSED, PASSED, SKIPPED)
        self.assertEqual((status, lines[-1]), (0, "2 passed, 0 failed, 1 skipped"))

    def test_names_skipped_tests_with_their_reason(self):
        _, lines = self.summary(PASSED, SKIPPED, SKIPPED_SCRIPT)
        self.assertIn("  K.Loads: bpf(2) is refused: Operation not permitted", lines)
        self.assertIn("  scripts.x: no shared library in this build", lines)

    def test_a_failure_a_timeout_and_a_missing_binary_all_fail(self):
        for case in (FAILED, TIMED_OUT, NOT_FOUND):
            status, lines = self.summary(PASSED, case)
            self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed, 0 skipped"))

    def test_no_tests_at_all_is_a_failure(self):
        self.assertEqual(self.summary(SKIPPED)[0], 1)

    def test_missing_results_are_bad_input(self):
        with contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual(test_summary.main(["/nonexistent/results.xml"]), 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
