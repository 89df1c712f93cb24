#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whatever is malformed ends in exit status 2 and one line that says what, where
and what was expected."""

import os
import random
import struct
import subprocess
import unittest

from skep_command import PASS_XDP, SKEP, SUBCOMMANDS, SkepTest, UNCHECKED_XDP

READERS = ["run", "verify", "disasm", "inspect", "jit"]
WITH_MAP = """-- type
xdp
-- maps
counts hash key=4 value=8 entries=16
-- asm
r1 = map[0] ll
*(u32 *)(r10 - 4) = 0
r2 = r10
r2 += -4
call map_lookup_elem
r0 = 2
exit
"""


class BadUsage(SkepTest):
    def test_without_or_with_an_unknown_subcommand_it_lists_what_there_is(self):
        for arguments in ([], ["frobnicate"], ["--frobnicate"], [""]):
            with self.subTest(arguments):
                self.refuse(*arguments, says=["expected", *SUBCOMMANDS])

    def test_a_missing_operand_or_unknown_flag_points_to_the_subcommand_s_help(self):
        for name in SUBCOMMANDS:
            with self.subTest(name):
                self.refuse(name, says=[f"{name}: ", "required", f"see skep {name} --help"])
                self.refuse(name, "x", "--frobnicate", says=[f"see skep {name} --help"])

    def test_numbers_that_are_none_or_too_big_are_named(self):
        path = self.write("pass.ebpf", PASS_XDP)
        for flag, bad in (("--repeat", ["0", "-1", "x", "1x", "99999999999999999999", ""]),
                          ("--threads", ["0", "65", "x"]), ("--seed", ["x", "-1", "1.5", "99999999999999999999"]),
                          ("--budget", ["x", "-1"])):
            for value in bad:
                with self.subTest(f"{flag} {value}"):
                    self.refuse("run", path, f"{flag}={value}", says=[flag])
        self.refuse("verify", path, "--log", "16", says=["--log", "16"])

    def test_names_that_do_not_exist_are_answered_by_those_that_do(self):
        path = self.write("pass.ebpf", PASS_XDP)
        self.refuse("run", path, "--engine", "warp", says=["'warp'", "interp", "checked", "jit"])
        self.refuse("test", path, "--engine", "warp", says=["'warp'", "interp", "checked", "jit"])
        self.refuse("run", path, "--type", "xpd", says=["'xpd'", "expected"])
        self.refuse("run", path, "--clock", "slow", says=["--clock", "slow", "fixed"])
        self.refuse("run", path, "--backend", "moon", says=["--backend", "moon", "kernel"])
        self.refuse("jit", path, "--arch", "vax", says=["--arch", "vax", "x64"])
        for reader in READERS[:3]:
            self.refuse(reader, path, "-p", "nobody", says=["'nobody'", "there are"])

    def test_inputs_that_exclude_one_another_or_do_not_fit_the_type_are_refused(self):
        path = self.write("pass.ebpf", PASS_XDP)
        memory = self.write("memory.ebpf", "-- asm\nr0 = 0\nexit\n")
        self.refuse("run", path, "--packet-hex", "00", "--ctx-hex", "00", says=["exclude"])
        self.refuse("run", path, "--ctx-hex", "00", says=["xdp", "--packet-hex"])
        self.refuse("run", memory, "--packet-hex", "00", says=["--ctx"])


class BadFiles(SkepTest):
    def test_files_of_a_target_are_named_with_what_is_wrong(self):
        target = self.assemble("pass", PASS_XDP)
        text = self.write("text", "no BTF")
        for flag in ("--btf", "--kconfig"):
            for name in READERS:
                # "--btf" of inspect is a type to write.
                flag_of = "--target-btf" if (name, flag) == ("inspect", "--btf") else flag
                self.refuse(name, target, flag_of, self.folder / "none", says=["none", "No such file"])
        self.refuse("verify", target, "--btf", text, says=[text])
        broken = self.write("broken.gz", b"\x1f\x8b\x08\x00rubbish")
        self.refuse("verify", target, "--kconfig", broken, says=[broken])
        self.done("verify", target, "--kconfig", self.write("config", "CONFIG_X=y\n"))

    def test_files_that_cannot_be_read_are_named_with_the_reason(self):
        missing = self.folder / "missing.o"
        for name in [*READERS, "test"]:
            with self.subTest(name):
                self.refuse(name, missing, says=[missing, "No such file"])
                if name != "test":  # which takes folders
                    self.refuse(name, self.folder, says=[self.folder, "directory"])
        self.refuse("asm", missing, "-o", self.folder / "x.o", says=[missing, "No such file"])
        self.refuse("test", self.folder, says=[self.folder, "no .ebpf or .data files"])
        path = self.write("pass.ebpf", PASS_XDP)
        self.refuse("run", path, "--pcap", missing, says=[missing, "No such file"])
        memory = self.write("memory.ebpf", "-- asm\nr0 = 0\nexit\n")
        self.refuse("run", memory, "--ctx", missing, says=[missing, "No such file"])

    def test_files_without_permission_are_named_with_the_reason(self):
        path = self.write("pass.ebpf", PASS_XDP)
        path.chmod(0)
        if os.access(path, os.R_OK):
            self.skipTest("this user may read everything")
        for name in READERS:
            self.refuse(name, path, says=[path, "Permission denied"])

    def test_an_object_that_cannot_be_written_is_no_object(self):
        source = self.write("pass.ebpf", PASS_XDP)
        target = self.folder / "no" / "such" / "folder.o"
        self.refuse("asm", source, "-o", target, says=[target, "No such file"])
        self.refuse("asm", source, "-o", self.folder, says=[self.folder, "directory"])
        self.assertEqual([p.name for p in self.folder.iterdir()], ["pass.ebpf"])

    def test_empty_binary_and_other_text_files_are_refused(self):
        files = [self.write("empty", b""), self.write("zeros", bytes(64)),
                 self.write("text", "hello\n"), self.write("magic", b"\x7fELF"),
                 self.write("other.elf", b"\x7fELF" + bytes(60))]
        for path in files:
            for name in READERS:
                with self.subTest(f"{name} {path.name}"):
                    self.refuse(name, path, says=[path])

    def test_an_object_cut_anywhere_is_refused_or_read_but_never_a_crash(self):
        whole = self.assemble("map", WITH_MAP).read_bytes()
        for size in range(0, len(whole) - 64, 7):
            path = self.write("cut.o", whole[:size])
            for name in ("inspect", "verify"):
                with self.subTest(f"{name} at {size}"):
                    self.refuse(name, path, says=[path])

    def test_an_object_with_flipped_bytes_never_crashes_the_command(self):
        whole = self.assemble("map", WITH_MAP).read_bytes()
        random.seed(20)
        for n in range(150):
            damaged = bytearray(whole)
            for _ in range(random.choice((1, 1, 2, 8))):
                damaged[random.randrange(len(damaged))] = random.choice((0, 1, 0x7f, 0xff))
            path = self.write("flipped.o", bytes(damaged))
            with self.subTest(n):
                result = self.skep(("verify", "inspect", "run")[n % 3], path)
                self.assertIn(result.returncode, (0, 1, 2), result.stderr)
                if result.returncode == 2:
                    self.assertEqual(result.stdout, b"")
                    self.assertEqual(result.stderr.count(b"\n"), 1, result.stderr)

    def test_broken_btf_is_refused_with_its_place(self):
        whole = self.assemble("map", WITH_MAP).read_bytes()
        at = whole.index(struct.pack("<HB", 0xeb9f, 1))
        for offset, value in ((0, 0), (2, 9), (4, 0xff), (8, 0xffffffff), (12, 0xffffffff),
                              (20, 0xffffffff)):
            damaged = bytearray(whole)
            struct.pack_into("<I" if value > 255 else "<B", damaged, at + offset, value)
            with self.subTest(offset):
                self.refuse("inspect", self.write("btf.o", bytes(damaged)), says=["btf.o", "BTF"])

    def test_names_with_control_characters_stay_in_one_line(self):
        path = self.folder / "two\nlines\x1b[31m.o"
        errors = self.refuse("run", path)
        self.assertIn("two\\x0alines\\x1b[31m.o", errors)


class BadText(SkepTest):
    def test_assembler_text_is_refused_with_line_and_column(self):
        for text, says in (("r0 = \nexit\n", ["line 1", "column"]),
                           ("r0 = 0\nr99 = 1\nexit\n", ["line 2", "r99"]),
                           ("goto nowhere\nexit\n", ["line 1", "nowhere"]),
                           ("call no_such_helper\nexit\n", ["line 1", "no_such_helper"]),
                           ("r0 = 0 exit\n", ["line 1"])):
            with self.subTest(text):
                path = self.write("bad.s", text)
                self.refuse("asm", path, "-o", self.folder / "bad.o", says=[path, *says])
                self.assertFalse((self.folder / "bad.o").exists())

    def test_references_to_maps_that_are_not_there_are_refused(self):
        path = self.write("map.s", "r1 = map[3] ll\nr0 = 0\nexit\n")
        self.refuse("asm", path, "-o", self.folder / "map.o", says=[path, "map 3 of 0"])

    def test_test_files_are_refused_with_the_line(self):
        for text, says in (("-- asm\nr0 = 0\nexit\n-- frob\n", [":4:", "frob"]),
                           ("-- type\nrocket\n-- asm\nexit\n", [":2:", "rocket"]),
                           ("-- maps\nm hash key=x\n-- asm\nexit\n", [":2:", "key=x"]),
                           ("-- maps\nm carpet\n-- asm\nexit\n", [":2:", "carpet"]),
                           ("-- asm\nr0 = 0\nexit\n-- result\nzz\n", [":4:", "hex"]),
                           ("-- mem\n0\n-- asm\nexit\n", [":1:", "two hex digits"]),
                           ("-- raw\n12\n0xq\n", [":3:"]),
                           ("hello\n-- asm\nexit\n", [":1:"])):
            with self.subTest(text):
                path = self.write("bad.ebpf", text)
                self.refuse("test", path, says=[f"{path}:", *says])
                self.refuse("run", path, says=[f"{path}:", *says])

    def test_one_broken_test_file_does_not_keep_the_others_from_running(self):
        self.write("a.ebpf", "-- asm\nr0 = 0\nexit\n-- result\n0\n")
        bad = self.write("b.ebpf", "-- frob\n")
        result = self.skep("test", self.folder)
        self.assertEqual(result.returncode, 2)
        self.assertIn(b"3 passed, 3 failed", result.stdout)
        self.assertEqual(result.stderr.count(b"\n"), 1, result.stderr)
        self.assertIn(str(bad).encode(), result.stderr)

    def test_hex_is_refused_with_the_place(self):
        path = self.write("pass.ebpf", PASS_XDP)
        for text, says in (("zz", "character 1"), ("0", "character 1"), ("00 0", "character 4"),
                           ("001g", "character 3"), ("0x00", "character 1")):
            with self.subTest(text):
                self.refuse("run", path, "--packet-hex", text, says=["--packet-hex", says])

    def test_a_context_that_is_too_short_is_refused_with_both_sizes(self):
        for kind, access in (("tracepoint", 8), ("raw_tracepoint", 16), ("syscall", 24)):
            flags = " sleepable" if kind == "syscall" else ""
            text = f"-- type\n{kind}{flags}\n-- asm\nr0 = *(u64 *)(r1 + {access})\nr0 = 0\nexit\n"
            path = self.write(f"{kind}.ebpf", text)
            with self.subTest(kind):
                self.refuse("run", path, "--ctx-hex", "0011",
                            says=["2 bytes", kind, f"at least {access + 8}"])
                self.done("run", path, "--ctx-hex", "00" * 512)


class GoneReaders(SkepTest):
    def outputs(self):
        """Each subcommand that prints, with and without --json."""
        path = self.write("pass.ebpf", PASS_XDP)
        for name in ("run", "verify", "test", "inspect", "jit"):
            yield name, path, "--json"
            yield name, path
        yield "disasm", path
        yield "--help",

    def check(self, arguments, result):
        errors = result.stderr.decode()
        self.assertEqual(result.returncode, 2, (arguments, errors))
        self.assertEqual(errors.count("\n"), 1, errors)
        self.assertIn("standard output", errors)

    def test_a_pipe_that_nobody_reads_is_an_error_not_a_signal(self):
        for arguments in self.outputs():
            reader, writer = os.pipe()
            os.close(reader)
            result = subprocess.run([SKEP, *arguments], stdout=writer, stderr=subprocess.PIPE,
                                    timeout=60, check=False)
            os.close(writer)
            with self.subTest(arguments):
                self.check(arguments, result)

    def test_a_full_disk_is_an_error(self):
        for arguments in self.outputs():
            with open("/dev/full", "wb") as full:
                result = subprocess.run([SKEP, *arguments], stdout=full, stderr=subprocess.PIPE,
                                        timeout=60, check=False)
            with self.subTest(arguments):
                self.check(arguments, result)

    def test_a_reader_that_goes_after_one_byte_gets_no_crash(self):
        lines = "".join(f"*(u16 *)(r1 + 0) = {n}\n" for n in range(4000))  # more than a pipe holds
        path = self.write("long.ebpf", f"-- mem\n0000\n-- asm\n{lines}r0 = 0\nexit\n")
        with subprocess.Popen([SKEP, "jit", path, "--json"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            self.assertEqual(process.stdout.read(1), b"{")
            process.stdout.close()
            errors = process.stderr.read()
            self.assertEqual(process.wait(timeout=60), 2)
        self.assertEqual(errors.count(b"\n"), 1, errors)


class Rejected(SkepTest):
    def test_a_rejected_program_is_status_1_with_the_finding_at_its_instruction(self):
        path = self.write("unchecked.ebpf", UNCHECKED_XDP)
        for arguments in (("run", path), ("jit", path), ("disasm", path, "--lowered")):
            with self.subTest(arguments[0]):
                result = self.skep(*arguments)
                self.assertEqual(result.returncode, 1)
                self.assertEqual(result.stdout, b"")
                self.assertRegex(result.stderr.decode(), r"V\d+ at instruction 1: .*packet")
        self.assertRegex(self.done("verify", path, status=1), r"V\d+ at instruction 1: .*packet")

    def test_the_finding_shows_the_source_line(self):
        source = self.write("reader.bpf.c", """#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
SEC("xdp") int reader(struct xdp_md* ctx) {
  const unsigned char* data = (const unsigned char*)(long)ctx->data;
  return data[12] == 8 ? XDP_PASS : XDP_DROP;  // no check
}
""")
        machine = next(os.path.join("/usr/include", name) for name in os.listdir("/usr/include")
                       if name.endswith("-linux-gnu"))
        try:
            subprocess.run(["clang", "-O2", "-g", "-target", "bpf", "-isystem", machine, "-c",
                            source, "-o", self.folder / "reader.o"], check=True)
        except FileNotFoundError:
            self.skipTest("no clang is installed")
        text = self.done("verify", self.folder / "reader.o", status=1)
        self.assertIn(f"{source}:5", text)
        self.assertIn("return data[12] == 8 ? XDP_PASS : XDP_DROP;  // no check", text)
        row = self.json("verify", self.folder / "reader.o", status=1)[0]
        self.assertIn("reader.bpf.c:5:", row["source"])
        self.assertIn("// no check", self.skep("run", self.folder / "reader.o").stderr.decode())


if __name__ == "__main__":
    unittest.main()
