#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`skep run --pcap` over the capture files of tests/data/pcap: what it must take
and what it must refuse, with one line and exit status 2."""

import json
import os
import pathlib
import struct
import subprocess
import unittest

from compiled_examples import BUILD, ROOT

SKEP = pathlib.Path(os.environ.get("SKEP", BUILD / "tools/skep"))
PROGRAM = BUILD / "examples/packet_counter.bpf.o"
VARIANTS = ROOT / "tests/data/pcap"
OTHER = 3  # PACKET_OTHER: what the packets of ok_* are


class PcapInput(unittest.TestCase):
    def setUp(self):
        for path in (SKEP, PROGRAM):
            if not path.exists():
                self.skipTest(f"{path} is not built")

    def run_over(self, path, *flags):
        return subprocess.run([SKEP, "run", PROGRAM, "--pcap", path, "--show-maps", *flags],
                              capture_output=True, text=True, timeout=60, check=False)

    def counted(self, path):
        """(packets, bytes) of kind `other`."""
        done = self.run_over(path, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        result = json.loads(done.stdout)
        result = result[0] if isinstance(result, list) else result
        values = {int.from_bytes(bytes.fromhex(entry["key"]), "little"): entry["value"]
                  for entry in result["maps"]["kinds"]}
        value = values.get(OTHER, "")
        words = struct.iter_unpack("<QQ", bytes.fromhex("".join(value)))
        return tuple(map(sum, zip(*words))) or (0, 0)

    def refuse(self, path):
        for flags in ((), ("--json",)):
            done = self.run_over(path, *flags)
            self.assertEqual(done.returncode, 2, f"{done.stdout}{done.stderr}")
            self.assertEqual(done.stdout, "")
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertIn(path.name, done.stderr)

    def test_both_byte_orders_and_resolutions_give_the_same_packets(self):
        for path in sorted(VARIANTS.glob("ok_*.pcap")):
            with self.subTest(path.name):
                self.assertEqual(self.counted(path), (3, 174))

    def test_broken_files_are_refused_in_one_line(self):
        paths = sorted([*VARIANTS.glob("bad_*"), *VARIANTS.glob("cut_*")])
        self.assertGreater(len(paths), 15)
        for path in [*paths, VARIANTS / "no_such_file.pcap"]:
            with self.subTest(path.name):
                self.refuse(path)

    def test_pcapng_is_read_or_refused_but_never_taken_for_pcap(self):
        path = VARIANTS / "pcapng.pcapng"
        if self.run_over(path, "--json").returncode == 0:
            self.assertEqual(self.counted(path), (3, 174))
        else:
            self.refuse(path)

    def test_odd_packets_are_run_or_refused_without_a_crash(self):
        for path in sorted(VARIANTS.glob("odd_*")):
            with self.subTest(path.name):
                done = self.run_over(path, "--json")
                self.assertIn(done.returncode, (0, 2), f"{done.stdout}{done.stderr}")


if __name__ == "__main__":
    unittest.main()
