#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The coverage report counts by room and sees a room that is below its floor."""
import os
import sys
import unittest

SOURCE = os.environ["SKEP_SOURCE_DIR"]
sys.path.insert(0, os.path.join(SOURCE, "scripts"))
import coverage


def entry(name, covered, count):
    return {"filename": name, "summary": {"lines": {"covered": covered, "count": count}}}


class CoverageTest(unittest.TestCase):

    def test_files_are_counted_in_their_room_wherever_the_build_names_them(self):
        rooms = coverage.rooms_of([entry("build-coverage/../isa/op.h", 1, 2), entry("isa/cfg.cc", 3, 4),
                                   entry("/usr/include/c++/12/vector", 5, 6)])
        self.assertEqual(rooms, {"isa": [("isa/op.h", 1, 2), ("isa/cfg.cc", 3, 4)]})

    def test_a_room_below_its_floor_is_found_and_one_on_it_is_not(self):
        rooms = {"isa": [("isa/a.cc", 8, 10), ("isa/b.cc", 10, 10)], "jit": [("jit/a.cc", 9, 10)]}
        rows, missed = coverage.below_floor(rooms, {"isa": 90.0, "jit": 90.5, "vm": 50.0})
        self.assertEqual(missed, ["jit"])
        self.assertEqual([row[0] for row in rows], ["isa", "jit"])

    def test_every_floor_is_a_folder_and_a_percentage(self):
        with open(os.path.join(SOURCE, "scripts", "coverage_floors.txt"), encoding="utf-8") as text:
            floors = coverage.read_floors(text.read())
        self.assertTrue(floors)
        for room, percent in floors.items():
            self.assertTrue(os.path.isdir(os.path.join(SOURCE, room)), room)
            self.assertTrue(0 < percent <= 100, room)


if __name__ == "__main__":
    unittest.main()
