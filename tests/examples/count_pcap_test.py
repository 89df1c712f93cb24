#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""count_pcap.py agrees with tshark and with what Linux did, and reads no nonsense."""

import json
import os
import pathlib
import shutil
import struct
import sys
import unittest

ROOT = pathlib.Path(os.environ.get("SKEP_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
sys.path.insert(0, str(ROOT / "examples"))
import count_pcap  # noqa: E402

CAPTURE = ROOT / "corpus/pcap/mixed.pcap"
VARIANTS = ROOT / "tests/data/pcap"


class CountPcap(unittest.TestCase):
    def frames(self):
        return count_pcap.read_pcap(CAPTURE.read_bytes())

    def test_agrees_with_what_linux_returned_and_left_in_the_maps(self):
        expected, _ = count_pcap.expectations(self.frames())
        for program, result in expected.items():
            recorded = json.loads((ROOT / f"corpus/pcap/kernel/{program}.json").read_text())
            self.assertEqual(recorded["retvals"], result["retvals"], program)
            self.assertEqual(recorded["maps"], result["maps"], program)

    def test_agrees_with_tshark(self):
        if not shutil.which("tshark"):
            self.skipTest("tshark is not installed")
        self.assertEqual(list(count_pcap.differences_from_tshark(CAPTURE, self.frames())), [])

    def test_the_capture_holds_every_kind_of_traffic_that_the_readme_names(self):
        expected, _ = count_pcap.expectations(self.frames())
        services = {struct.unpack("<BBH", bytes.fromhex(key))
                    for key in expected["packet_counter"]["maps"]["services"]}
        for service in [(4, 6, 80), (6, 6, 80), (4, 6, 8080), (4, 17, 53), (6, 17, 53),
                        (4, 17, 5000), (4, 6, 8443), (4, 1, 0), (6, 58, 0), (4, 17, 0)]:
            self.assertIn(service, services)
        for program, actions in {"firewall": {1, 2}, "balancer": {1, 2, 3}}.items():
            self.assertEqual(set(expected[program]["retvals"]), actions)

    def test_reads_both_byte_orders_and_both_resolutions(self):
        for path in sorted(VARIANTS.glob("ok_*.pcap")):
            sizes = [len(frame) for frame in count_pcap.read_pcap(path.read_bytes())]
            self.assertEqual(sizes, [14, 60, 100], path.name)

    def test_refuses_broken_files(self):
        broken = [path for pattern in ("bad_*", "cut_*", "pcapng*")
                  for path in sorted(VARIANTS.glob(pattern)) if path.name != "bad_version.pcap"]
        self.assertGreater(len(broken), 12)
        for path in broken:
            with self.assertRaises(count_pcap.BadCapture, msg=path.name):
                count_pcap.read_pcap(path.read_bytes())

    def test_a_cut_packet_is_truncated_and_not_counted_as_a_service(self):
        frame = next(f for f in self.frames() if count_pcap.dissect(f)[0].protocol == 6)
        for size in (0, 13, 14, 33, 34, 53):
            self.assertEqual(count_pcap.dissect(frame[:size])[0].kind, "truncated", size)
        self.assertEqual(count_pcap.dissect(frame[:54])[0].kind, "ipv4")


if __name__ == "__main__":
    unittest.main()
