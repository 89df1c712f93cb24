#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""skep compare: programs run here and in the kernel over the same inputs."""

import unittest

from skep_command import PASS_XDP, UNCHECKED_XDP, SkepTest

# Returns the length of the packet, counts in a map and writes to the packet.
COUNTS = """-- type
xdp
-- maps
counts array key=4 value=8 entries=2
-- asm
r6 = *(u32 *)(r1 + 0)
r7 = *(u32 *)(r1 + 4)
*(u32 *)(r10 - 4) = 1
r1 = map[0] ll
r2 = r10
r2 += -4
call map_lookup_elem
if r0 == 0 goto out
r1 = 7
lock *(u64 *)(r0 + 0) += r1
r1 = r6
r1 += 1
if r1 > r7 goto out
*(u8 *)(r6 + 0) = 0xab
r7 -= r6
r0 = r7
exit
out:
r0 = 0
exit
"""
# The time is never the same twice, the rest is.
TIMED = """-- type
xdp
-- maps
when array key=4 value=8 entries=1
-- asm
call ktime_get_ns
r6 = r0
*(u32 *)(r10 - 4) = 0
r1 = map[0] ll
r2 = r10
r2 += -4
call map_lookup_elem
if r0 == 0 goto out
*(u64 *)(r0 + 0) = r6
out:
r0 = 2
exit
"""


class Compare(SkepTest):
    def setUp(self):
        super().setUp()
        probe = self.skep("compare", self.assemble("probe", PASS_XDP))
        if probe.returncode == 2:
            self.skipTest(f"the kernel cannot be asked: {probe.stderr.decode().strip()}")

    def only(self, answer):
        self.assertEqual(len(answer["programs"]), 1)
        return answer["programs"][0]

    def test_values_packets_and_maps_are_equal_on_every_engine(self):
        answer = self.json("compare", self.assemble("counts", COUNTS), "--engine", "interp",
                           "--engine", "checked", "--engine", "baseline", "--engine", "jit")
        row = self.only(answer)
        self.assertEqual((row["result"], row["differences"]), ("equal", []))
        self.assertEqual(row["retvals"]["zero-64"], 64)
        self.assertEqual(row["retvals"]["udp4-1500"], 1500)
        self.assertEqual(answer["summary"]["equal"], 1)

    def test_what_the_kernel_does_not_repeat_is_left_out_and_the_rest_compared(self):
        row = self.only(self.json("compare", self.assemble("timed", TIMED)))
        self.assertEqual(row["result"], "equal")
        self.assertEqual(row["unstable"], ["map when[00000000]"])
        self.assertEqual(set(row["retvals"].values()), {2})

    def test_a_program_that_both_refuse_is_counted_and_not_run(self):
        row = self.only(self.json("compare", self.assemble("bad", UNCHECKED_XDP)))
        self.assertEqual((row["result"], row["reason"]), ("refused", "refused by both"))

    def test_folders_are_searched_and_summed_up(self):
        for name in ("a", "b"):
            self.assemble(name, PASS_XDP)
        text = self.done("compare", self.folder)
        self.assertIn("3 programs of 3 objects: 3 compared (3 equal, 0 differ", text)

    def test_bad_usage_is_said_in_one_line(self):
        self.refuse("compare", self.folder / "none.o", says=["none.o"])
        self.refuse("compare", self.assemble("x", PASS_XDP), "--engine", "native", says=["native"])


if __name__ == "__main__":
    unittest.main()
