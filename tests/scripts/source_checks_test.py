#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants violations in a small source tree and expects each check to name them."""
import os
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.environ["SKEP_SOURCE_DIR"], "scripts"))
import check_layers
import check_sizes
import check_text

HEAD = "// SPDX-License-Identifier: Apache-2.0\n"


class SourceTree(unittest.TestCase):

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name)
        self.write("include/skep/result.h", HEAD + "#include <cstdint>\n")

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


class LayersTest(SourceTree):

    def violations(self, name, *includes):
        self.write(name, HEAD + "".join(f"#include {include}\n" for include in includes))
        return check_layers.check(self.root)

    def test_accepts_what_the_graph_allows(self):
        self.assertEqual(self.violations(
            "vm/runtime.cc", "<vector>", '"skep/result.h"', '"jit/compiler.h"', '"base/check.h"'), [])

    def test_finds_an_upward_include(self):
        found = self.violations("base/check.cc", '"base/check.h"', '"isa/op.h"')
        self.assertEqual(len(found), 1)
        self.assertIn("base/check.cc:3", found[0])

    def test_finds_middle_rooms_that_include_each_other(self):
        self.assertEqual(len(self.violations("verifier/explore.cc", '"maps/map.h"')), 1)
        self.assertEqual(len(self.violations("maps/array_map.cc", '"isa/op.h"')), 2)

    def test_finds_third_parties_outside_their_room(self):
        self.assertEqual(len(self.violations("vm/jit_engine.cc", "<asmjit/asmjit.h>")), 1)
        self.assertEqual(self.violations("jit/x64/masm.cc", "<asmjit/x86.h>")[1:], [])
        self.assertEqual(len(self.violations("loader/elf.cc", "<bpf/libbpf.h>", "<libelf.h>")), 2)

    def test_finds_a_public_header_that_needs_more_than_the_standard_library(self):
        self.assertEqual(len(self.violations("include/skep/a.h", "<fmt/format.h>")), 1)
        self.assertEqual(len(self.violations("include/skep/b.h", "<sys/mman.h>", '"base/bits.h"')), 3)

    def test_finds_an_include_that_does_not_start_at_the_root(self):
        self.assertEqual(len(self.violations("isa/decode.cc", '"decode.h"', '"../base/check.h"')), 2)

    def test_fails_with_status_one(self):
        self.violations("base/check.cc", '"vm/runtime.h"')
        self.assertEqual(check_layers.main([str(self.root)]), 1)


class SizesTest(SourceTree):

    def test_finds_a_source_file_over_the_hard_limit(self):
        self.write("vm/long.cc", HEAD + "int x;\n" * 900)
        errors, _ = check_sizes.check(self.root)
        self.assertEqual(len(errors), 1)
        self.assertEqual(check_sizes.main([str(self.root)]), 1)

    def test_warns_about_a_source_file_over_the_soft_limit(self):
        self.write("vm/longish.cc", HEAD + "int x;\n" * 400)
        errors, warnings = check_sizes.check(self.root)
        self.assertEqual((len(errors), len(warnings)), (0, 1))

    def test_finds_a_long_public_header(self):
        self.write("include/skep/map.h", HEAD + "\n" * 200)
        self.assertEqual(len(check_sizes.check(self.root)[0]), 1)

    def test_finds_a_long_function_and_names_it(self):
        body = "  Step();\n" * 160
        self.write("vm/a.cc", HEAD + "namespace skep {\n\nint Runtime::Load(int a,\n"
                   "                  int b) {\n" + body + "}\n\n}  // namespace skep\n")
        errors, _ = check_sizes.check(self.root)
        self.assertEqual(len(errors), 1)
        self.assertIn("vm/a.cc:4: Runtime::Load has 163 lines", errors[0])

    def test_finds_a_long_method_inside_a_class(self):
        body = "    Step();\n" * 100
        self.write("vm/a.h", HEAD + "class A {\n public:\n  int Run() const {\n" + body + "  }\n};\n")
        _, warnings = check_sizes.check(self.root)
        self.assertEqual(len(warnings), 1)
        self.assertIn("Run has 102 lines", warnings[0])

    def test_does_not_take_tables_and_namespaces_for_functions(self):
        rows = "    {1, 2},\n" * 160
        self.write("isa/table.cc", HEAD + "namespace skep {\nconstexpr Row kRows[] = {\n" + rows +
                   "};\nstruct S {\n" + "  int a;\n" * 160 + "};\n}\n")
        self.assertEqual(check_sizes.check(self.root), ([], []))

    def test_finds_a_file_with_a_vague_name(self):
        self.write("base/string_util.h", HEAD)
        self.assertEqual(len(check_sizes.check(self.root)[0]), 1)


class TextTest(SourceTree):

    def found(self, name, text):
        self.write(name, text)
        return check_text.check(self.root)

    def test_accepts_a_clean_source(self):
        self.assertEqual(self.found("vm/a.cc", HEAD + "int x;\n"), [])

    def test_finds_a_source_without_licence(self):
        self.assertEqual(len(self.found("vm/a.cc", "int x;\n")), 1)

    def test_finds_a_path_of_one_machine_in_sources_and_documents(self):
        self.assertEqual(len(self.found("vm/a.cc", HEAD + "// see /ho" + "me/someone/notes\n")), 1)
        self.assertEqual(len(self.found("docs/a.md", "Look into /wo" + "rk/main.\n")), 2)

    def test_finds_tabs_trailing_blanks_and_a_missing_newline(self):
        self.assertEqual(len(self.found("vm/a.cc", HEAD + "\tint x; \nint y;")), 3)

    def test_finds_unfinished_work(self):
        self.assertEqual(len(self.found("vm/a.cc", HEAD + "// TO" + "DO: later\n")), 1)

    def test_finds_bytes_that_are_not_text(self):
        path = self.root / "vm" / "a.cc"
        path.parent.mkdir()
        path.write_bytes(HEAD.encode() + b"\xff\xfe\n")
        self.assertEqual(len(check_text.check(self.root)), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
