#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""skep bench: programs timed on several engines. No figure is judged here."""

import json
import unittest
import xml.etree.ElementTree

from skep_command import PASS_XDP, UNCHECKED_XDP, SkepTest

# Returns the sum that is in the map under 1, 2 and 3.
SUM = """-- type
xdp
-- maps
sums hash key=4 value=8 entries=8
-- asm
r6 = 0
r7 = 1
again:
*(u32 *)(r10 - 4) = r7
r1 = map[0] ll
r2 = r10
r2 += -4
call map_lookup_elem
if r0 == 0 goto next
r1 = *(u64 *)(r0 + 0)
r6 += r1
next:
r7 += 1
if r7 < 4 goto again
r0 = r6
exit
"""
# Counts its runs in the map and returns how many there were.
COUNTS = """-- type
xdp
-- maps
counts array key=4 value=8 entries=1
-- asm
*(u32 *)(r10 - 4) = 0
r1 = map[0] ll
r2 = r10
r2 += -4
call map_lookup_elem
if r0 == 0 goto out
r1 = *(u64 *)(r0 + 0)
r1 += 1
*(u64 *)(r0 + 0) = r1
r0 = r1
out:
exit
"""
# Returns the address of a value, which is another in each engine's map.
ADDRESS = COUNTS[:COUNTS.index("if r0")] + "exit\n"
RANDOM = "-- type\nxdp\n-- asm\ncall get_prandom_u32\nexit\n"
# Fills a ring of 4096 bytes, 24 bytes a run.
RING = """-- type
xdp
-- maps
ring ringbuf key=0 value=0 entries=4096
-- asm
*(u64 *)(r10 - 8) = 7
*(u64 *)(r10 - 16) = 8
r1 = map[0] ll
r2 = r10
r2 += -16
r3 = 16
r4 = 0
call ringbuf_output
exit
"""
QUICK = ["--rounds", "3", "--sample-ms", "1", "--engine", "interp", "--engine", "jit"]


def setup(**fields):
    return json.dumps(fields)


class Bench(SkepTest):
    def test_each_engine_has_its_times(self):
        rows = self.json("bench", self.assemble("pass", PASS_XDP), *QUICK)
        self.assertEqual([row["engine"] for row in rows], ["interp", "jit"])
        for row in rows:
            self.assertEqual(set(row), {"object", "program", "engine", "compile_us", "code_bytes", "ns_per_run"})
            times = row["ns_per_run"]
            self.assertGreater(times["min"], 0)
            self.assertLessEqual(times["min"], times["median"])
            self.assertLessEqual(times["median"], times["max"])
        self.assertEqual(rows[0]["code_bytes"], 0)
        self.assertGreater(rows[1]["code_bytes"], 0)

    def test_the_kernel_is_measured_beside(self):
        path = self.assemble("pass", PASS_XDP)
        result = self.skep("bench", path, *QUICK[:4], "--engine", "jit", "--engine", "kernel", "--json")
        if b"bpf(2)" in result.stderr:
            self.skipTest(result.stderr.decode())
        self.assertEqual(result.returncode, 0, result.stderr)
        rows = json.loads(result.stdout)
        self.assertEqual([row["engine"] for row in rows], ["jit", "kernel"])
        # It is as the empty program that its time is less: of one run it would be tens of nanoseconds.
        self.assertGreater(rows[1]["ns_per_run"]["median"], -20)

    def test_maps_are_filled_as_the_setup_says(self):
        path = self.write("setup.json", setup(
            maps={"sums": {"fill": [{"count": 4, "key": [{"type": "u32", "gen": "index"}],
                                     "value": [{"type": "u32", "gen": "const", "value": 5},
                                               {"type": "u32", "gen": "const", "value": 0}]}]}},
            ops_per_run=3))
        rows = self.json("bench", self.assemble("sum", SUM), "--setup", path, *QUICK)
        self.assertTrue(all("ns_per_op" in row for row in rows))
        per_run, per_op = rows[0]["ns_per_run"]["median"], rows[0]["ns_per_op"]["median"]
        self.assertAlmostEqual(per_run / 3, per_op, delta=per_run * 1e-6)

    def test_a_result_that_differs_has_no_figure(self):
        rows = self.json("bench", self.assemble("address", ADDRESS), *QUICK, status=1)
        self.assertNotIn("error", rows[0])
        self.assertIn("interp returns", rows[1]["error"])
        self.assertIsNone(rows[1]["ns_per_run"])
        # Every engine has its own maps, so counting does not make them differ.
        self.json("bench", self.assemble("counts", COUNTS), *QUICK)
        # Random numbers are not compared.
        self.json("bench", self.assemble("random", RANDOM), *QUICK)

    def test_rings_are_drained_before_each_sample(self):
        ring = self.assemble("ring", RING)
        path = self.write("setup.json", setup(maps={"ring": {"drain": "before each sample"}}, ops_per_run=1))
        for row in self.json("bench", ring, "--setup", path, *QUICK):
            self.assertNotIn("error", row)

    def test_a_program_that_is_rejected_has_a_row_that_says_why(self):
        rows = self.json("bench", self.assemble("bad", UNCHECKED_XDP), *QUICK, status=1)
        for row in rows:
            self.assertIsNone(row["ns_per_run"])
            self.assertIn("is rejected: ", row["error"])

    def test_the_picture_is_an_svg_with_a_bar_for_each_engine(self):
        path = self.folder / "plot.svg"
        self.done("bench", self.assemble("pass", PASS_XDP), *QUICK, "--plot", path)
        root = xml.etree.ElementTree.parse(path).getroot()
        self.assertTrue(root.tag.endswith("svg"))
        self.assertIn("interp", [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")])

    def test_the_table_has_ratios_to_the_last_engine(self):
        out = self.done("bench", self.assemble("pass", PASS_XDP), *QUICK)
        self.assertIn("interp/jit", out)

    def test_setups_that_make_no_sense_are_refused(self):
        sums = self.assemble("sum", SUM)
        fill = {"count": 1, "key": [{"type": "u32", "gen": "index"}], "value": []}
        for text, says in (
                ("{", "not JSON"),
                (setup(mpas={}), "unknown field 'mpas'"),
                (setup(maps={"no": {}}), "there is none"),
                (setup(maps={"sums": {"fill": [fill]}}), "with 4 and 0"),
                (setup(maps={"sums": {"fill": [{"count": 1, "key": [{"type": "u24", "gen": "index"}]}]}}), "u24"),
                (setup(maps={"sums": {"programs": {"0": "sum"}}}), "no prog_array"),
                (setup(maps={"sums": {"programs": {"x": "sum"}}}), "no slot's number"),
                (setup(baseline="nothing"), "nothing"),
                (setup(ops_per_run=-1), "no whole number")):
            with self.subTest(text=text):
                path = self.write("setup.json", text)
                self.refuse("bench", sums, "--setup", path, *QUICK, says=[says])

    def test_bad_usage_is_refused(self):
        path = self.assemble("pass", PASS_XDP)
        self.refuse("bench", path, "--engine", "warp", says=["warp"])
        self.refuse("bench", path, "--engine", "jit", "--engine", "jit", says=["twice"])
        self.refuse("bench", path, *QUICK, "-p", "other", says=["other"])
        self.refuse("bench", path, *QUICK, "--cpu", "4000", says=["CPU 4000"])
        self.refuse("bench", self.folder / "none.o", *QUICK, says=["none.o"])


if __name__ == "__main__":
    unittest.main()
