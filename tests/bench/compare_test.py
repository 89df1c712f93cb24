#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench/compare.py pairs measurements and refuses what is no result file."""

import contextlib
import io
import json
import os
import pathlib
import sys
import tempfile
import unittest

ROOT = pathlib.Path(os.environ.get("SKEP_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
sys.path.insert(0, str(ROOT / "bench"))
import compare  # noqa: E402


def workload(name, **counters):
    return {"name": f"BM_Workload/{name}/iterations:1", "run_type": "iteration", "iterations": 1,
            "real_time": 9.0, "cpu_time": 9.0, "time_unit": "ms", **counters}


class Compare(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def file(self, name, *rows, text=None):
        path = pathlib.Path(self.folder.name) / name
        path.write_text(json.dumps({"benchmarks": list(rows)}) if text is None else text)
        return str(path)

    def run_main(self, *words):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = compare.main(list(words))
        return status, out.getvalue(), err.getvalue()

    def test_workloads_are_compared_by_counter_and_averaged_geometrically(self):
        before = self.file("b", workload("x", jit=10.0, interp=80.0), workload("y", jit=100.0))
        after = self.file("a", workload("x", jit=20.0, interp=80.0), workload("y", jit=50.0))
        rows, means = compare.compare(compare.measurements(before), compare.measurements(after))
        self.assertEqual({(c, n): r for c, n, _, _, r in rows},
                         {("interp", "BM_Workload/x"): 1.0, ("jit", "BM_Workload/x"): 2.0,
                          ("jit", "BM_Workload/y"): 0.5})
        self.assertAlmostEqual(means["jit"], 1.0)

    def test_other_benchmarks_are_compared_by_time_and_failed_ones_are_left_out(self):
        row = {"name": "BM_Call/jit/memory", "run_type": "iteration", "real_time": 5.0,
               "cpu_time": 4.0, "time_unit": "ns"}
        failed = {**row, "name": "BM_Call/jit/packet", "error_occurred": True}
        before, after = self.file("b", row, failed), self.file("a", {**row, "cpu_time": 2.0}, failed)
        status, out, _ = self.run_main(before, after)
        self.assertEqual(status, 0)
        self.assertIn("0.500", out)
        self.assertNotIn("packet", out)

    def test_what_is_no_result_file_is_refused_in_one_line(self):
        good = self.file("g", workload("x", jit=1.0))
        for name, text in (("empty", ""), ("list", "[]"), ("words", "no json"),
                           ("other", '{"benchmarks": [1]}'), ("nameless", '{"benchmarks": [{}]}')):
            status, out, err = self.run_main(good, self.file(name, text=text))
            self.assertEqual((status, out, len(err.splitlines())), (2, "", 1), name)
        self.assertEqual(self.run_main(good, str(pathlib.Path(self.folder.name) / "none"))[0], 2)

    def test_files_with_nothing_in_common_are_refused(self):
        status, _, err = self.run_main(self.file("a", workload("x", jit=1.0)),
                                       self.file("b", workload("y", jit=1.0)))
        self.assertEqual((status, len(err.splitlines())), (2, 1))


if __name__ == "__main__":
    unittest.main()
