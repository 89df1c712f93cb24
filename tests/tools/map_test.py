#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""skep map: maps in files, made, shown and changed."""

import unittest

from skep_command import SkepTest


class MapFiles(SkepTest):
    def make(self, name, kind, *options):
        path = self.folder / name
        self.assertEqual(self.done("map", "create", path, kind, *options), "")
        return path

    def elements(self, path, *options):
        dump = self.json("map", "dump", path, *options)
        return {e["key"]: e["value"] for e in dump["elements"]}

    def change(self, *arguments, status=0, says=()):
        """An update or delete: nothing on standard output; one line if it is refused."""
        result = self.skep("map", *arguments)
        errors = result.stderr.decode()
        self.assertEqual(result.returncode, status, (arguments, errors))
        self.assertEqual(result.stdout, b"")
        self.assertEqual(errors.count("\n"), 0 if status == 0 else 1, errors)
        for text in says:
            self.assertIn(text, errors)

    def test_elements_are_inserted_replaced_shown_and_removed(self):
        flows = self.make("flows", "hash", "--key", "4", "--value", "8", "--entries", "3")
        self.change("update", flows, "01000000", "1000000000000000")
        self.change("update", flows, "=2", "=-1")
        self.assertEqual(self.elements(flows),
                         {"01000000": "1000000000000000", "02000000": "ffffffffffffffff"})
        self.change("update", flows, "=1", "=7", "--flag", "noexist", status=1,
                    says=["flows: it is there already"])
        self.change("update", flows, "=3", "=7", "--flag", "exist", status=1,
                    says=["no such element"])
        self.change("update", flows, "=1", "=7", "--flag", "exist")
        self.change("update", flows, "=3", "=7")
        self.change("update", flows, "=4", "=7", status=1, says=["no room"])
        text = self.done("map", "dump", flows)
        self.assertTrue(text.startswith("flows (hash): 3 elements\n"), text)
        self.assertIn("  01000000: 0700000000000000\n", text)
        self.change("delete", flows, "=1", "03000000")
        self.change("delete", flows, "=1", status=1, says=["=1: there is no such element"])
        self.assertEqual(list(self.elements(flows)), ["02000000"])

    def test_the_dump_says_what_the_map_is(self):
        path = self.make("a", "array", "--key", "4", "--value", "2", "--entries", "2",
                         "--name", "limits")
        self.assertEqual(self.json("map", "dump", path),
                         {"file": str(path), "name": "limits", "type": "array", "key_size": 4,
                          "value_size": 2, "max_entries": 2, "flags": 0,
                          "elements": [{"key": "00000000", "value": "0000"},
                                       {"key": "01000000", "value": "0000"}]})
        self.assertEqual(self.json("map", "update", path, "=1", "=5"),
                         {"file": str(path), "updated": 1})

    def test_per_cpu_values_are_one_for_each_slot_or_one_for_all(self):
        path = self.make("p", "percpu_hash", "--key", "4", "--value", "4", "--entries", "4",
                         "--cpus", "3")
        self.change("update", path, "=1", "=1", "=2", "=3")
        self.change("update", path, "=2", "=9")
        self.assertEqual(self.elements(path), {"01000000": ["01000000", "02000000", "03000000"],
                                               "02000000": ["09000000"] * 3})
        self.refuse("map", "update", path, "=1", "=1", "=2", says=["found 2 values, need 1 or 3"])

    def test_maps_without_keys_take_values(self):
        jobs = self.make("jobs", "queue", "--value", "4", "--entries", "2")
        self.change("update", jobs, "=1")
        self.change("update", jobs, "=2")
        self.change("update", jobs, "=3", status=1, says=["no room"])
        self.change("update", jobs, "=3", "--flag", "exist")
        self.change("update", jobs, "=3", "--flag", "noexist", status=1, says=["does not take this"])
        self.refuse("map", "update", jobs, "=1", "=2", says=["found 2 values, need 1"])

    def test_types_of_an_object_give_members_names(self):
        balancer = self.example("balancer")
        maps = {m["name"]: m for m in self.json("inspect", balancer)["maps"]}
        spec = maps["services"]
        path = self.make("services", spec["type"], "--key", str(spec["key_size"]),
                         "--value", str(spec["value_size"]), "--entries", "4")
        self.change("update", path, "00" * spec["key_size"], "01" * spec["value_size"])
        dump = self.json("map", "dump", path, "--object", balancer)
        self.assertEqual(dump["elements"][0]["formatted"],
                         {"key": {"address": 0, "port": 0, "protocol": 0, "zero": 0},
                          "value": {"first": 0x01010101, "count": 0x01010101}})
        self.assertIn('"count":16843009', self.done("map", "dump", path, "--object", balancer))
        other = self.make("other", "hash", "--key", "4", "--value", "4", "--entries", "4")
        self.refuse("map", "dump", other, "--object", balancer, says=["there is no map 'other'"])

    def test_wrong_words_are_refused_in_one_line(self):
        path = self.make("h", "hash", "--key", "4", "--value", "2", "--entries", "3")
        for words, says in ((("=1", "xyz"), "is not hex"), (("=1", "010203"), "has 3 bytes, need 2"),
                            (("=1", "=65536"), "does not fit 2 bytes"), (("=", "=1"), "not a number"),
                            (("=1", "=-32769"), "does not fit"), (("=1",), "need a key and a value")):
            with self.subTest(words):
                self.refuse("map", "update", path, *words, says=[says])
        self.change("update", path, "=1", "=-32768")
        self.change("update", path, "=1", "=65535")
        self.refuse("map", "update", path, "=1", "=1", "--flag", "maybe")
        self.refuse("map", "delete", path, "01", says=["has 1 bytes, need 4"])

    def test_files_that_are_no_maps_are_refused_in_one_line(self):
        self.refuse("map", "dump", self.folder / "missing")
        for content in (b"", b"hello", bytes(5000), b"\xff" * 100000):
            self.refuse("map", "dump", self.write("junk", content), says=["junk"])
        whole = self.make("whole", "hash", "--key", "4", "--value", "2", "--entries", "300")
        for size in (100, 4096, 9000):
            self.refuse("map", "dump", self.write("cut", whole.read_bytes()[:size]), says=["cut"])
        self.refuse("map", "create", whole, "hash", "--key", "4", "--value", "2", "--entries", "3",
                    says=["whole"])
        self.refuse("map", "create", self.folder / "n", "hush", says=["no map type 'hush'"])
        self.refuse("map", "create", self.folder / "n", "hash", "--key", "4", "--entries", "1",
                    says=["value_size"])
        self.refuse("map", "create", self.folder / "n", "prog_array", "--key", "4", "--value", "4",
                    "--entries", "1")
        self.assertFalse((self.folder / "n").exists())


if __name__ == "__main__":
    unittest.main()
