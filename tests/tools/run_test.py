#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `skep run` does with its flags."""

import os
import shutil
import subprocess
import unittest

from skep_command import PASS_XDP, SKEP, SkepTest

RANDOM = "-- type\nraw_tracepoint\n-- asm\ncall get_prandom_u32\nexit\n"
CLOCK = "-- type\nraw_tracepoint\n-- asm\ncall ktime_get_ns\nexit\n"
COUNTER = """-- type
xdp
-- maps
counts array key=4 value=8 entries=1
-- asm
*(u32 *)(r10 - 4) = 0
r2 = r10
r2 += -4
r1 = map[0] ll
call map_lookup_elem
if r0 == 0 goto pc+2
r1 = 1
lock *(u64 *)(r0 + 0) += r1
r0 = 2
exit
"""
RING = """-- type
raw_tracepoint
-- maps
events ringbuf key=0 value=0 entries=4096
-- asm
*(u64 *)(r10 - 8) = 7
r1 = map[0] ll
r2 = r10
r2 += -8
r3 = 8
r4 = 0
call ringbuf_output
exit
"""
TRACE = """-- type
raw_tracepoint
-- asm
*(u64 *)(r10 - 8) = 0x6425
r1 = r10
r1 += -8
r2 = 3
r3 = 42
call trace_printk
r0 = 0
exit
"""


class Run(SkepTest):
    def count(self, *flags):
        entries = self.json("run", self.write("counter.ebpf", COUNTER), "--show-maps",
                            *flags)["maps"]["counts"]
        return int.from_bytes(bytes.fromhex(entries[0]["value"]), "little")

    def test_a_program_without_options_runs_once(self):
        text = self.done("run", self.write("pass.ebpf", PASS_XDP))
        self.assertIn("returned 2 (0x2)", text)
        self.assertIn("ns a run", text)
        self.assertEqual(self.count(), 1)

    def test_repeat_and_threads_multiply_the_runs(self):
        self.assertEqual(self.count("--repeat", "1000"), 1000)
        for engine in ("interp", "checked", "jit"):
            with self.subTest(engine):
                self.assertEqual(self.count("--repeat", "500", "--threads", "4", "--engine",
                                            engine), 2000)

    def test_a_seed_makes_random_numbers_repeatable_on_all_engines(self):
        path = self.write("random.ebpf", RANDOM)

        def value(seed, engine="jit"):
            return self.json("run", path, "--seed", seed, "--engine", engine)["retval"]
        self.assertEqual({value("7"), value("7"), value("7", "interp"), value("7", "checked")},
                         {value("7")})
        self.assertNotEqual(value("7"), value("8"))

    def test_a_fixed_clock_stands_still(self):
        path = self.write("clock.ebpf", CLOCK)
        self.assertEqual(self.json("run", path, "--clock", "fixed", "--repeat", "3")["retval"],
                         1_000_000_000)
        self.assertNotEqual(self.json("run", path)["retval"], 1_000_000_000)

    def test_packets_come_from_hex_and_the_default_packet_is_always_the_same(self):
        length = ("-- type\nsched_cls\n-- asm\nr0 = *(u32 *)(r1 + 0)\nexit\n")
        path = self.write("length.ebpf", length)
        self.assertEqual(self.json("run", path)["retval"], 1536)
        self.assertEqual(self.json("run", path, "--packet-hex", "00 11 22" * 10)["retval"], 30)

    def test_memory_comes_from_the_test_file_or_the_flags(self):
        code = "-- asm\nr0 = *(u8 *)(r1 + 1)\nexit\n"
        path = self.write("memory.ebpf", f"-- mem\n01 02\n{code}")
        self.assertEqual(self.json("run", path)["retval"], 2)
        self.assertEqual(self.json("run", path, "--ctx-hex", "0304")["retval"], 4)
        block = self.write("block", b"\x05\x06")
        self.assertEqual(self.json("run", path, "--ctx", block)["retval"], 6)

    def test_contexts_with_fields_come_as_bytes_and_are_shown_afterwards(self):
        code = ("-- type\ncgroup_sock_addr attach=10\n-- asm\nr2 = *(u32 *)(r1 + 4)\nr2 += 1\n"
                "*(u32 *)(r1 + 4) = r2\nr0 = 1\nexit\n")
        path = self.write("connect.ebpf", code)
        for engine in ("interp", "checked", "jit"):
            with self.subTest(engine):
                document = self.json("run", path, "--engine", engine, "--ctx-hex",
                                     "02000000 7f000000" + "00" * 64)
                self.assertEqual(document["retval"], 1)
                self.assertEqual(document["context"], "0200000080" + "00" * 67)
        self.refuse("run", path, "--ctx-hex", "0200", says=["needs at least 8"])
        self.refuse("run", path, "--packet-hex", "00" * 64, says=["take context bytes"])

    def test_flow_dissectors_leave_keys(self):
        code = ("-- type\nflow_dissector attach=17\n-- asm\nr2 = *(u64 *)(r1 + 144)\nr3 = 17\n"
                "*(u8 *)(r2 + 9) = r3\nr0 = 0\nexit\n")
        path = self.write("dissect.ebpf", code)
        document = self.json("run", path, "--packet-hex", "00" * 12 + "0800" + "00" * 20)
        self.assertEqual(document["flow_keys"], "0e000e00000000000011" + "0800" + "00" * 44)
        self.assertIn("flow keys: 0e00", self.done("run", path))

    def test_records_that_wait_in_a_ring_buffer_are_shown(self):
        path = self.write("ring.ebpf", RING)
        document = self.json("run", path, "--show-maps", "--repeat", "3")
        self.assertEqual(document["records"], {"events": ["0700000000000000"] * 3})
        self.assertEqual(self.json("run", path)["records"], {})
        text = self.done("run", path, "--show-maps")
        self.assertIn("events (ringbuf): 1 record\n  0700000000000000\n", text)

    def test_records_of_a_perf_event_array_are_shown(self):
        document = self.json("run", self.example("hello_buffer"), "-p", "hello_perf", "--show-maps")
        self.assertEqual(len(document["records"]["output"]), 1)
        self.assertIn(b"Hello World", bytes.fromhex(document["records"]["output"][0]))

    def test_values_that_wait_in_queues_and_stacks_are_shown_in_their_order(self):
        for kind, order in (("queue", "123"), ("stack", "321")):
            push = "".join(f"*(u32 *)(r10 - 4) = {n}\nr1 = map[0] ll\nr2 = r10\nr2 += -4\nr3 = 0\n"
                           "call map_push_elem\n" for n in (1, 2, 3))
            text = (f"-- type\nraw_tracepoint\n-- maps\nwaiting {kind} key=0 value=4 entries=8\n"
                    f"-- asm\n{push}r0 = 0\nexit\n")
            with self.subTest(kind):
                result = self.skep("run", self.write(f"{kind}.ebpf", text), "--show-maps", "--json")
                if b"map_push_elem" in result.stderr:
                    self.skipTest("programs cannot push in this version")
                records = self.json("run", self.write(f"{kind}.ebpf", text), "--show-maps")
                self.assertEqual(records["records"]["waiting"], [f"0{n}000000" for n in order])

    def test_trace_output_is_the_text_alone(self):
        path = self.write("trace.ebpf", TRACE)
        for engine in ("interp", "checked", "baseline", "jit"):
            with self.subTest(engine):
                document = self.json("run", path, "--repeat", "2", "--engine", engine)
                self.assertEqual(document["trace"], ["42", "42"])
        self.assertIn("  trace: 42\n", self.done("run", path))

    def test_a_type_can_be_named_for_code_that_has_none(self):
        path = self.assemble("plain", "-- asm\nr0 = 0\nexit\n", "--section", "xdp")
        self.assertEqual(self.json("verify", path, "--type", "socket_filter")[0]["type"],
                         "socket_filter")
        self.assertEqual(self.json("run", path, "--type", "sched_cls")["retval"], 0)

    def test_untrusted_rules_refuse_what_root_may(self):
        leak = "-- type\nsocket_filter\n-- asm\nr0 = r10\nexit\n"
        path = self.write("leak.ebpf", leak)
        self.done("run", path)
        self.assertIn("R0", self.json("run", path, "--unprivileged", status=1)["trap"])

    def test_a_process_with_one_program_stays_small(self):
        timer = shutil.which("time", path="/usr/bin")
        if timer is None:
            self.skipTest("time(1) is not installed")
        if os.environ.get("SKEP_SANITIZED") == "1":
            self.skipTest("a build with sanitizers takes more")
        path = self.write("pass.ebpf", PASS_XDP)
        done = subprocess.run([timer, "-f", "%M", SKEP, "run", path], capture_output=True,
                              text=True, check=True)
        # Half of it is code: the command itself and what libpcap brings.
        self.assertLess(int(done.stderr.split()[-1]), 9 << 10, "KB peak")


if __name__ == "__main__":
    unittest.main()
