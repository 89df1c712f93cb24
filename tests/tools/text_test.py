#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Text to object and back, and the subcommands that print code."""

import ctypes
import ctypes.util
import os
import shutil
import subprocess
import unittest

from skep_command import PASS_XDP, ROOT, SKEP, SkepTest

MAPS = """-- type
xdp
-- maps
counts hash key=4 value=8 entries=16
slots array key=4 value=8 entries=4 flags=0x400
events ringbuf key=0 value=0 entries=4096
-- asm
r6 = r1
*(u32 *)(r10 - 4) = 0
r1 = map[1] ll
r2 = r10
r2 += -4
call map_lookup_elem
if r0 == 0x0 goto pc+1
r0 = 1
r1 = r6
call pc+2
r0 = 2
exit
r0 = 0x123456789 ll
exit
"""


def code_section(path):
    """The bytes of the first section that holds instructions."""
    data = path.read_bytes()
    at = int.from_bytes(data[0x28:0x30], "little")
    for n in range(int.from_bytes(data[0x3c:0x3e], "little")):
        header = data[at + 64 * n:at + 64 * (n + 1)]
        if int.from_bytes(header[8:16], "little") & 4:  # SHF_EXECINSTR
            offset, size = (int.from_bytes(header[i:i + 8], "little") for i in (24, 32))
            if size != 0:
                return data[offset:offset + size]
    raise AssertionError(f"{path} has no code")


class RoundTrip(SkepTest):
    def code(self, text):
        """The text without its comments, which name subprograms and source lines."""
        return [line for line in text.splitlines() if line and not line.startswith("#")]

    def back_and_forth(self, first, section):
        text = self.done("disasm", first)
        second = self.assemble(f"{first.stem}.again", text, "--section", section)
        self.assertEqual(code_section(first), code_section(second))
        self.assertEqual(self.code(self.done("disasm", second)), self.code(text))
        return second

    def test_text_with_maps_and_calls_comes_back_as_the_same_bytes(self):
        first = self.assemble("maps", MAPS)
        second = self.back_and_forth(first, "xdp")
        maps = self.json("inspect", first)["maps"]
        self.assertEqual([entry["name"] for entry in maps], ["counts", "slots", "events"])
        # Maps that the program does not use are not part of its text.
        self.assertEqual(self.json("inspect", second)["maps"], [maps[1]])

    def test_every_data_file_of_the_instruction_set_comes_back_as_the_same_bytes(self):
        files = sorted((ROOT / "tests/data/isa").glob("*.ebpf"))
        self.assertGreater(len(files), 50)
        for number, path in enumerate(files):
            if number % 4:  # each takes three processes
                continue
            with self.subTest(path.name):
                target = self.folder / f"{path.stem}.o"
                made = self.skep("asm", path, "-o", target)
                if made.returncode != 0:  # a file of what is refused
                    self.assertEqual(made.returncode, 2)
                    continue
                entry = self.json("inspect", target)["programs"][0]
                if "error" not in entry:  # a kfunc call, which is not linked
                    self.back_and_forth(target, entry["section"])

    def test_what_clang_made_comes_back_as_the_same_bytes(self):
        self.back_and_forth(self.example("hello_map"), "kprobe")

    def test_standard_input_is_assembled_too(self):
        target = self.folder / "pass.o"
        done = subprocess.run([SKEP, "asm", "-",
                               "-o", target, "--section", "xdp"], input=b"r0 = 2; exit",
                              capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.json("run", target)["retval"], 2)

    def test_values_of_maps_cannot_be_written_and_that_is_said(self):
        text = self.done("disasm", self.example("hello"))
        path = self.write("hello.ebpf", text)
        self.refuse("asm", path, "-o", self.folder / "hello.o", says=[path, "value of a map"])


class OtherLoaders(SkepTest):
    def test_libbpf_opens_our_objects_and_finds_program_and_maps(self):
        name = ctypes.util.find_library("bpf")
        if name is None:
            self.skipTest("libbpf is not installed")
        libbpf = ctypes.CDLL(name)
        libbpf.bpf_object__open.restype = ctypes.c_void_p
        libbpf.bpf_object__open.argtypes = [ctypes.c_char_p]
        for function in (libbpf.bpf_object__find_map_by_name,
                         libbpf.bpf_object__find_program_by_name):
            function.restype = ctypes.c_void_p
            function.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        libbpf.bpf_object__close.argtypes = [ctypes.c_void_p]
        for function in (libbpf.bpf_map__max_entries, libbpf.bpf_map__map_flags,
                         libbpf.bpf_map__value_size):
            function.argtypes = [ctypes.c_void_p]
        path = self.assemble("maps", MAPS)
        opened = libbpf.bpf_object__open(os.fsencode(path))
        self.assertTrue(opened)
        self.assertTrue(libbpf.bpf_object__find_program_by_name(opened, b"test"))
        slots = libbpf.bpf_object__find_map_by_name(opened, b"slots")
        self.assertTrue(slots)
        self.assertEqual((libbpf.bpf_map__max_entries(slots), libbpf.bpf_map__map_flags(slots),
                          libbpf.bpf_map__value_size(slots)), (4, 0x400, 8))
        libbpf.bpf_object__close(opened)

    def test_bpftool_loads_our_objects_into_linux(self):
        if shutil.which("bpftool") is None:
            self.skipTest("bpftool is not installed")
        if os.geteuid() != 0 or not os.path.ismount("/sys/fs/bpf"):
            self.skipTest("loading needs root and the bpf file system")
        # libbpf wants subprograms in a section of their own, so there are none here.
        alone = MAPS.replace("r1 = r6\ncall pc+2\n", "").replace("r0 = 0x123456789 ll\nexit\n", "")
        for name, text in (("pass", PASS_XDP), ("maps", alone)):
            pin = f"/sys/fs/bpf/skep_tools_test_{os.getpid()}"
            path = self.assemble(name, text)
            with self.subTest(name):
                done = subprocess.run(["bpftool", "prog", "load", path, pin], capture_output=True,
                                      text=True, check=False)
                if "Operation not permitted" in done.stderr:
                    self.skipTest("bpf(2) is refused here")
                self.assertEqual(done.returncode, 0, done.stderr)
                os.unlink(pin)


class Listings(SkepTest):
    def test_every_reader_takes_test_files_as_objects(self):
        path = self.write("maps.ebpf", MAPS)
        self.assertIn("returned 2", self.done("run", path))
        self.assertIn("accepted", self.done("verify", path))
        self.assertIn("r0 = 2\n", self.done("disasm", path))
        self.assertIn("counts", self.done("inspect", path))
        self.assertIn("mov", self.done("jit", path))

    def test_lowered_code_shows_addresses_and_the_call_base(self):
        text = self.done("disasm", self.write("maps.ebpf", MAPS), "--lowered")
        self.assertRegex(text, r"call map_lookup_elem  # call base \+ 0x[0-9a-f]+")
        self.assertNotIn("map[1]", text)

    def test_machine_code_stands_under_its_instruction(self):
        path = self.write("store.ebpf", "-- mem\n0000\n-- asm\n*(u8 *)(r1 + 0) = 1\n*(u8 *)(r1 + 1) = 2\nr0 = 0\nexit\n")
        text = self.done("jit", path)
        self.assertRegex(text, r"   0: \*\(u8 \*\)\(r1 \+0\) = 1\n(?: +L\d+:\n)? +mov byte ")
        self.assertRegex(text, r"   1: \*\(u8 \*\)\(r1 \+1\) = 2\n +mov byte ")
        document = self.json("jit", path)
        self.assertEqual((document["program"], document["arch"]), ("test", "x64"))
        insns = [insn for piece in document["pieces"] for insn in piece["insns"]]
        # The constant is put off until the program ends.
        self.assertEqual(list(dict.fromkeys(insns)), ["*(u8 *)(r1 +0) = 1", "*(u8 *)(r1 +1) = 2", "exit"])
        offsets = [piece["offset"] for piece in document["pieces"]]
        self.assertEqual(offsets, sorted(offsets))

    def test_there_are_no_colours_outside_a_terminal(self):
        path = self.write("maps.ebpf", MAPS)
        for arguments in (("run", path), ("verify", path), ("inspect", path), ("jit", path)):
            self.assertNotIn("\x1b", self.done(*arguments))

    def test_a_terminal_gets_colours(self):
        import pty
        path = self.write("maps.ebpf", MAPS)
        main, terminal = pty.openpty()
        subprocess.run([SKEP, "verify", path], stdout=terminal,
                       stderr=subprocess.DEVNULL, check=True)
        os.close(terminal)
        self.assertIn(b"\x1b[32maccepted\x1b[0m", os.read(main, 4096))
        os.close(main)


if __name__ == "__main__":
    unittest.main()
