#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The JSON documents: other programs rely on their fields."""

import unittest

from skep_command import BUILD, PASS_XDP, SkepTest, UNCHECKED_XDP

VERIFY = ["object", "program", "section", "type", "insns", "verdict", "code", "message", "insn",
          "source", "processed", "states", "peak_states", "stack", "time_us"]
RUN = ["program", "engine", "retval", "trap", "ns_per_run", "repeat", "trace", "maps", "records"]
RUN_PACKET = RUN + ["packet"]
TEST = ["file", "engine", "result", "detail"]
COUNTER = """-- type
xdp
-- maps
counts array key=4 value=8 entries=2
-- asm
*(u32 *)(r10 - 4) = 1
r2 = r10
r2 += -4
r1 = map[0] ll
call map_lookup_elem
if r0 == 0 goto pc+2
r1 = 258
lock *(u64 *)(r0 + 0) += r1
r0 = 2
exit
"""


class Verify(SkepTest):
    def test_each_row_has_the_fields_of_the_contract_whatever_the_verdict(self):
        unknown = self.assemble("unknown", "-- asm\nr0 = 0\nexit\n", "--section", "nosuch")
        for path, status, verdict in ((self.write("pass.ebpf", PASS_XDP), 0, "accept"),
                                      (self.write("bad.ebpf", UNCHECKED_XDP), 1, "reject"),
                                      (unknown, 1, "error")):
            with self.subTest(verdict):
                rows = self.json("verify", path, status=status)
                self.assertEqual([list(row) for row in rows], [VERIFY])
                row = rows[0]
                self.assertEqual(row["object"], str(path))
                self.assertEqual(row["verdict"], verdict)
                if verdict == "accept":
                    self.assertEqual((row["code"], row["insn"], row["source"]), (None,) * 3)
                    self.assertEqual((row["type"], row["insns"], row["processed"]), ("xdp", 2, 2))
                else:
                    self.assertNotEqual(row["message"], "")
                if verdict == "reject":
                    self.assertRegex(row["code"], r"^V\d+$")
                    self.assertEqual(row["insn"], 1)

    def test_programs_that_are_not_loaded_by_themselves_are_judged_under_their_section(self):
        path = self.assemble("optional", PASS_XDP, "--section", "?xdp")
        row = self.json("verify", path)[0]
        self.assertEqual((row["section"], row["type"], row["verdict"]), ("xdp", "xdp", "accept"))

    def test_an_object_with_several_programs_gives_a_row_for_each(self):
        rows = self.json("verify", self.example("hello_tail"))
        self.assertEqual(len(rows), 4)
        one = self.json("verify", self.example("hello_tail"), "-p", rows[2]["program"])
        self.assertEqual([row["program"] for row in one], [rows[2]["program"]])

    def test_names_that_are_not_utf_8_still_make_a_document(self):
        whole = self.assemble("named", PASS_XDP).read_bytes()
        self.assertEqual(whole.count(b"\0test\0"), 1)
        path = self.write("named.o", whole.replace(b"\0test\0", b"\0t\xffs\x1b\0"))
        self.assertEqual(self.json("verify", path)[0]["program"], "t\ufffds\x1b")
        self.assertEqual(self.json("inspect", path)["programs"][0]["name"], "t\ufffds\x1b")
        self.assertEqual(self.json("run", path)["program"], "t\ufffds\x1b")
        self.assertIn("t\\udcffs\\x1b".encode().replace(b"\\udcff", b"\xff"),
                      self.skep("verify", path).stdout)


class Run(SkepTest):
    def test_one_engine_gives_an_object_and_several_an_array(self):
        path = self.write("counter.ebpf", COUNTER)
        one = self.json("run", path, "--engine", "interp")
        self.assertEqual(list(one), RUN_PACKET)
        self.assertEqual((one["engine"], one["retval"], one["trap"]), ("interp", 2, None))
        engines = ["interp", "checked", "baseline", "jit"]
        flags = [word for engine in engines for word in ("--engine", engine)]
        rows = self.json("run", path, *flags, "--show-maps")
        self.assertEqual([row["engine"] for row in rows], engines)
        for row in rows:
            self.assertEqual(list(row), RUN_PACKET)
            self.assertEqual(row["maps"], {"counts": [
                {"key": "00000000", "value": "0000000000000000"},
                {"key": "01000000", "value": "0201000000000000"}]})

    def test_a_rejected_program_keeps_the_shape_and_says_why(self):
        path = self.write("bad.ebpf", UNCHECKED_XDP)
        row = self.json("run", path, status=1)
        self.assertEqual(list(row), RUN)
        self.assertEqual((row["retval"], row["ns_per_run"]), (None, None))
        self.assertRegex(row["trap"], r"^rejected: V\d+ at instruction 1: ")
        self.assertEqual(len(self.json("run", path, "--engine", "jit", "--engine", "interp",
                                       status=1)), 2)

    def test_a_stopped_run_has_no_value_but_a_trap(self):
        loop = "-- asm\nr0 = 0\nr0 += 1\nif r0 < 100000 goto pc-2\nexit\n"
        path = self.write("loop.ebpf", loop)
        for engine in ("interp", "checked", "jit"):
            with self.subTest(engine):
                row = self.json("run", path, "--engine", engine, "--budget", "1000", status=1)
                self.assertEqual(row["retval"], None)
                self.assertIn("budget", row["trap"])
                self.assertEqual(self.json("run", path, "--engine", engine)["retval"], 100000)

    def test_the_value_has_64_bits_for_plain_memory_and_32_for_linux_s_types(self):
        code = "-- asm\nr0 = -1\nexit\n"
        self.assertEqual(self.json("run", self.write("m.ebpf", code))["retval"], 2**64 - 1)
        path = self.write("x.ebpf", f"-- type\nsocket_filter\n{code}")
        self.assertEqual(self.json("run", path)["retval"], 2**32 - 1)


class Test(SkepTest):
    def test_each_engine_gives_a_row_and_a_verdict_alone_one_of_the_verifier(self):
        self.write("1.ebpf", "-- asm\nr0 = 1\nexit\n-- result\n1\n")
        self.write("2.ebpf", "-- asm\nr0 = 1\nexit\n-- result\n2\n")
        self.write("3.ebpf", UNCHECKED_XDP + "-- reject\n")
        rows = self.json("test", self.folder, status=1)
        self.assertTrue(all(list(row) == TEST for row in rows), rows)
        self.assertEqual([(row["file"][-6:], row["engine"], row["result"]) for row in rows],
                         [("1.ebpf", "interp", "pass"), ("1.ebpf", "checked", "pass"),
                          ("1.ebpf", "jit", "pass"), ("2.ebpf", "interp", "fail"),
                          ("2.ebpf", "checked", "fail"), ("2.ebpf", "jit", "fail"),
                          ("3.ebpf", "verifier", "pass")])
        self.assertIn("2", rows[3]["detail"])


class Inspect(SkepTest):
    def test_it_has_the_fields_of_the_contract(self):
        document = self.json("inspect", self.example("packet_counter"))
        for field in ("object", "programs", "maps", "btf", "core_relocations"):
            self.assertIn(field, document)
        for program in document["programs"]:
            self.assertLessEqual({"name", "section", "type", "insns", "subprograms"}, set(program))
        for entry in document["maps"]:
            self.assertEqual(list(entry)[:6], ["name", "type", "key_size", "value_size",
                                               "max_entries", "flags"])
        maps = {entry["name"]: entry for entry in document["maps"]}
        self.assertEqual((maps["services"]["type"], maps["services"]["max_entries"]), ("hash", 4096))
        self.assertGreater(document["btf"]["types"], 10)
        self.assertEqual(document["core_relocations"], [])


class Core(SkepTest):
    """CO-RE: tests/data/loader/core_kinds.bpf.c against core_target.bpf.c."""

    def setUp(self):
        super().setUp()
        folder = BUILD / "tests/data/loader/clang"
        self.kinds, target = folder / "core_kinds.v3.bpf.o", folder / "core_target.v3.bpf.o"
        if not self.kinds.exists():
            self.skipTest("clang is missing: there are no objects")
        self.btf = ("--btf", target)

    def test_inspect_lists_what_each_relocation_becomes(self):
        rows = self.json("inspect", self.kinds, "--target-btf", self.btf[1])["core_relocations"]
        for row in rows:
            self.assertEqual(list(row), ["function", "insn", "kind", "type", "access", "value"])
        values = {row["function"]: (row["kind"], row["type"], row["value"]) for row in rows}
        self.assertEqual(values["signed_field"], ("byte_off", "struct flow___mine", 24))
        self.assertEqual(values["enumerator"], ("enumval_value", "enum state___mine", 300000))
        self.assertEqual(values["missing_field"], ("byte_off", "struct flow___mine", None))
        text = self.done("inspect", self.kinds, "--target-btf", self.btf[1])
        self.assertIn("not in the target", text)

    def test_disasm_prints_what_the_target_asks_for(self):
        text = self.done("disasm", self.kinds, "-p", "narrower_field", *self.btf)
        self.assertIn("r0 = *(u32 *)(r1 +12)", text)

    def test_verify_says_which_relocation_found_nothing(self):
        verdict = self.json("verify", self.kinds, "-p", "missing_field", *self.btf, status=1)[0]
        self.assertEqual(verdict["verdict"], "reject")
        self.assertEqual(verdict["message"], "invalid func unknown#195896080")
        text = self.done("verify", self.kinds, "-p", "missing_field", *self.btf, status=1)
        self.assertIn("struct flow___mine.gone (0:7", text)
        verdict = self.json("verify", self.kinds, "-p", "guarded_field", *self.btf)[0]
        self.assertEqual(verdict["verdict"], "accept")


if __name__ == "__main__":
    unittest.main()
