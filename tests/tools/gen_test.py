#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`skep gen` and the types that `skep inspect` writes: skeletons compile, warnings
being errors, for the objects of the tree and those of $SKEP_SELFTEST_OBJECTS;
types read back as they were."""

import os
import pathlib
import shutil
import subprocess
import unittest

from skep_command import BUILD, EXAMPLES, ROOT, SkepTest

CXX = os.environ.get("SKEP_CXX", "c++")
WARNINGS = ["-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror"]
KERNEL_BTF = pathlib.Path("/sys/kernel/btf/vmlinux")

CONSTANTS = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
enum level { LOW = 1, HIGH = 9 };
struct __attribute__((packed)) odd { char tag; long value; };
struct bits { unsigned a : 3; int b : 5; long c; };
struct node { struct node *next; union { int number; char text[4]; }; };
const volatile int limit = 3;
const volatile enum level level = LOW;
const volatile char class[8] = "plain";
long sum = 40;
struct odd odd_one = {'x', 7};
struct bits bits;
struct node nodes[2];
static volatile int hidden;
long other SEC(".data.other") = 5;
SEC("socket") int adds(struct __sk_buff *skb) {
  sum += limit + level;
  odd_one.value = sum;
  nodes[1].number = limit;
  bits.c = other;
  hidden += 1;
  return hidden;
}
SEC("?socket") int left_out(struct __sk_buff *skb) { return *(int *)(long)skb->len; }
char _license[] SEC("license") = "GPL";
"""

HOST = """
#include <cstdio>
#include <cstring>
#include "constants.skel.h"
#define CHECK(x) do { if (!(x)) { std::printf("line %d: %s\\n", __LINE__, #x); return 1; } } while (0)
int main() {
  auto runtime = skep::Runtime::Create({});
  auto skeleton = Constants::Open();
  CHECK(runtime && skeleton);
  CHECK(skeleton->rodata->limit == 3 && skeleton->data->sum == 40);
  CHECK(skeleton->rodata->level == Constants::types::LOW);
  CHECK(std::strcmp(skeleton->rodata->class_, "plain") == 0);
  CHECK(skeleton->data->odd_one.tag == 'x' && skeleton->data_other->other == 5);
  CHECK(skeleton->autoload.adds && !skeleton->autoload.left_out);
  skeleton->rodata->limit = 20;
  skeleton->rodata->level = Constants::types::HIGH;
  skeleton->data->sum = 100;
  skeleton->data_other->other = 6;
  CHECK(skeleton->Load(**runtime));
  CHECK(skeleton->programs.adds && !skeleton->programs.left_out);
  auto context = (*runtime)->NewContext();
  std::byte packet[64] = {};
  CHECK(skeleton->programs.adds->RunPacket(**context, {.data = packet}).value == 1);
  CHECK(skeleton->programs.adds->RunPacket(**context, {.data = packet}).value == 2);
  CHECK(skeleton->data->sum == 158 && skeleton->data->odd_one.value == 158);
  CHECK(skeleton->bss->nodes[1].gap_8[0] == 20);  // of a union without a name
  skeleton->data->sum = 0;
  CHECK(skeleton->programs.adds->RunPacket(**context, {.data = packet}).ok());
  CHECK(skeleton->data->sum == 29);
  // Nothing is changed by a Load that fails.
  const auto before = skeleton->programs.adds;
  skeleton->autoload.left_out = true;
  const auto failed = skeleton->Load(**runtime);
  CHECK(!failed && failed.error().message.find("'left_out' is rejected") != std::string::npos);
  CHECK(skeleton->programs.adds == before && skeleton->data->sum == 29);
  return 0;
}
"""


class Gen(SkepTest):
    def compile_bpf(self, name, text):
        if shutil.which("clang") is None:
            self.skipTest("clang is missing")
        source = self.write(f"{name}.bpf.c", text)
        target = self.folder / f"{name}.bpf.o"
        includes = [f"-I{path}" for path in pathlib.Path("/usr/include").glob("*-linux-gnu")]
        subprocess.run(["clang", "-O2", "-g", "-target", "bpf", *includes, "-c", source,
                        "-o", target], check=True)
        return target

    def compile_cpp(self, *arguments):
        done = subprocess.run([CXX, *WARNINGS, "-I", ROOT / "include", *arguments],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr[:4000])

    def skeletons_compile(self, objects):
        for index, path in enumerate(objects):
            self.done("gen", "skeleton", path, "-o", self.folder / f"{index}.skel.h",
                      "--name", f"skeleton_{index}")
        # In one file: the library's headers alone take a second.
        text = "".join(f'#include "{index}.skel.h"\n' for index in range(len(objects)))
        self.compile_cpp("-fsyntax-only", self.write("all.cc", text))

    def test_skeletons_of_the_tree_s_objects_compile(self):
        objects = sorted(EXAMPLES.glob("*.bpf.o"))
        for folder in ("loader/clang", "loader/clang-19", "run", "verify"):
            for path in sorted((BUILD / "tests/data" / folder).glob("*.o")):
                if self.skep("inspect", path).returncode == 0:
                    objects.append(path)
        if not objects:
            self.skipTest("clang is missing: there are no objects")
        self.skeletons_compile(objects)

    def test_skeletons_of_linux_s_own_objects_compile(self):
        folder = os.environ.get("SKEP_SELFTEST_OBJECTS")
        if not folder:
            self.skipTest("SKEP_SELFTEST_OBJECTS names no objects")
        step = int(os.environ.get("SKEP_SELFTEST_STEP", "8"))
        objects = [path for path in sorted(pathlib.Path(folder).glob("*.o"))[::step]
                   if self.skep("gen", "skeleton", path).returncode == 0]
        self.assertGreater(len(objects), 5)
        self.skeletons_compile(objects)

    def test_a_host_sees_the_variables_that_a_program_changes(self):
        if os.environ.get("SKEP_SANITIZED") == "1":
            self.skipTest("a library with sanitizers needs hosts that are built with them")
        target = self.compile_bpf("constants", CONSTANTS)
        self.done("gen", "skeleton", target, "-o", self.folder / "constants.skel.h",
                  "--name", "Constants")
        program = self.folder / "host"
        self.compile_cpp("-o", program, self.write("host.cc", HOST),
                         BUILD / "libskep.a", "-lelf", "-pthread")
        done = subprocess.run([program], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_skeleton_has_the_name_of_the_file_as_bpftool_s_has(self):
        target = self.assemble("rather-odd", "-- type\nxdp\n-- asm\nr0 = 2\nexit\n")
        self.assertIn("class rather_odd {", self.done("gen", "skeleton", target))
        self.assertIn("class class_ {", self.done("gen", "skeleton", target, "--name", "class"))

    def test_what_is_no_object_is_refused_in_one_line(self):
        self.refuse("gen", "skeleton", self.write("x.o", b"\x7fELFnothing"), says=["x.o"])
        self.refuse("gen", "skeleton", self.folder / "missing.o", says=["missing.o"])
        self.refuse("gen", "btf", self.folder / "missing.h", "-o", self.folder / "x.btf",
                    says=["missing.h"])
        self.refuse("gen", "btf", self.write("x.h", "struct a { int b; };"), "-o",
                    self.folder / "x.btf", "--clang", "no-such-clang",
                    says=["no-such-clang is not there"])
        self.refuse("gen", says=["gen"])

    def test_types_of_a_header_are_a_target_and_read_back_as_c(self):
        if shutil.which("clang") is None:
            self.skipTest("clang is missing")
        header = self.write("host.h", "#include \"more.h\"\nstruct server { struct more more; };\n")
        include = self.folder / "include"
        include.mkdir()
        (include / "more.h").write_text("struct more { int count; char name[8]; };\n")
        target = self.folder / "host.btf"
        self.done("gen", "btf", header, "-o", target, f"--clang-argument=-I{include}")
        text = self.done("inspect", target, "--btf", "server")
        self.assertIn("struct more {\n\tint count;\n\tchar name[8];\n};", text)
        self.assertIn("struct server {\n\tstruct more more;\n};", text)


class Types(SkepTest):
    def test_inspect_writes_the_kernel_s_types_as_bpftool_does(self):
        if not KERNEL_BTF.exists() or shutil.which("bpftool") is None:
            self.skipTest("the kernel's BTF or bpftool is missing")
        theirs = subprocess.run(["bpftool", "btf", "dump", "file", KERNEL_BTF, "format", "raw"],
                                capture_output=True, check=True).stdout
        ours = self.skep("inspect", KERNEL_BTF, "--raw")
        self.assertEqual(ours.returncode, 0, ours.stderr)
        self.assertTrue(ours.stdout == theirs)
        text = self.done("inspect", KERNEL_BTF, "--btf", "task_struct")
        self.assertIn("\nstruct task_struct {\n", text)
        self.assertNotIn("\nstruct bpf_verifier_env {\n", text)
        self.assertIn("#ifndef __VMLINUX_H__", self.done("inspect", KERNEL_BTF, "--btf"))

    def test_types_of_a_module_continue_the_kernel_s(self):
        modules = [path for path in KERNEL_BTF.parent.glob("*") if path != KERNEL_BTF]
        if not modules:
            self.skipTest("there is no module with BTF")
        self.assertIn("[", self.done("inspect", modules[0], "--raw"))

    def test_a_type_that_is_not_there_is_named(self):
        path = self.example("packet_counter")
        self.assertIn("struct service {", self.done("inspect", path, "--btf", "service"))
        self.refuse("inspect", path, "--btf", "no_such_type", says=["no type 'no_such_type'"])


class Summary(SkepTest):
    """What `skep inspect` tells of an object besides programs and maps."""

    def test_sections_and_relocations_are_those_of_the_file(self):
        path = self.example("packet_counter")
        document = self.json("inspect", path)
        sections = {row["name"]: row for row in document["sections"]}
        self.assertEqual(sections["xdp"]["type"], "PROGBITS")
        self.assertEqual(sections["xdp"]["flags"], "AX")
        self.assertEqual(sections["license"]["size"], len("Dual BSD/GPL") + 1)
        self.assertEqual(sections[".bss"]["type"], "NOBITS")
        of_xdp = [row for row in document["relocations"] if row["section"] == "xdp"]
        self.assertEqual(len(of_xdp), sections["xdp"]["relocations"])
        self.assertIn({"type": "R_BPF_64_64", "symbol": "kinds"},
                      [{key: row[key] for key in ("type", "symbol")} for row in of_xdp])
        text = self.done("inspect", path)
        self.assertRegex(text, r"(?m)^xdp +R_BPF_64_64 +kinds +1$")
        self.assertRegex(text, r"(?m)^license +PROGBITS +WA +13$")

    def test_types_are_counted_by_kind(self):
        document = self.json("inspect", self.example("packet_counter"))
        kinds = document["btf"]["kinds"]
        self.assertEqual(sum(kinds.values()), document["btf"]["types"])
        self.assertGreater(kinds["struct"], 2)
        self.assertEqual(document["license"], "Dual BSD/GPL")

    def test_externs_have_their_types_and_values(self):
        path = BUILD / "tests/data/loader/clang/externs.v3.bpf.o"
        if not path.exists():
            self.skipTest("clang is missing: there are no objects")
        config = self.write("config", "CONFIG_BOOL=y\nCONFIG_HZ=1000\nCONFIG_TEXT=\"abc\"\n")
        rows = {row["name"]: row
                for row in self.json("inspect", path, "--kconfig", config)["externs"]}
        self.assertEqual(rows["CONFIG_BOOL"]["value"], True)
        self.assertEqual(rows["CONFIG_HZ"]["value"], 1000)
        self.assertEqual(rows["CONFIG_HZ"]["kind"], "kconfig")
        self.assertEqual(rows["CONFIG_TEXT"]["value"], "abc")
        self.assertTrue(any("error" in row for row in rows.values()))
        self.assertLessEqual({"kconfig", "function"}, {row["kind"] for row in rows.values()})

    def test_co_re_records_are_counted_by_kind(self):
        folder = BUILD / "tests/data/loader/clang"
        kinds, target = folder / "core_kinds.v3.bpf.o", folder / "core_target.v3.bpf.o"
        if not kinds.exists():
            self.skipTest("clang is missing: there are no objects")
        document = self.json("inspect", kinds, "--target-btf", target)
        counts = document["core_summary"]
        self.assertEqual(sum(row["records"] for row in counts.values()),
                         len(document["core_relocations"]))
        self.assertGreater(counts["byte_off"]["missing"], 0)
        self.assertGreater(counts["byte_off"]["found"], counts["byte_off"]["missing"])
        for row in counts.values():
            self.assertEqual(row["records"], row["found"] + row["missing"] + row["undecided"])


class Typed(SkepTest):
    def test_values_of_maps_are_shown_by_their_types(self):
        path = self.example("packet_counter")
        maps = self.json("run", path, "--show-maps", "--pcap", ROOT / "corpus/pcap/mixed.pcap")["maps"]
        service = maps["services"][0]
        self.assertEqual(list(service["formatted"]["key"]), ["family", "protocol", "port"])
        self.assertEqual(list(service["formatted"]["value"]), ["packets", "bytes"])
        value = service["formatted"]["value"]
        self.assertEqual(bytes.fromhex(service["value"]),
                         b"".join(value[key].to_bytes(8, "little") for key in value))
        by_cpu = maps["kinds"][0]["formatted"]
        self.assertEqual((by_cpu["key"], list(by_cpu["value"][0])), (0, ["packets", "bytes"]))
        variables = next(value for name, value in maps.items() if name.endswith(".bss"))
        self.assertGreater(variables[0]["formatted"]["value"]["largest_packet"], 60)
        text = self.done("run", path, "--show-maps", "--pcap", ROOT / "corpus/pcap/mixed.pcap")
        self.assertRegex(text, r'(?m)^  \{"family":\d+,"protocol":\d+,"port":\d+\}: \{"packets":')

    def test_values_without_types_are_shown_as_bytes(self):
        text = ("-- type\nxdp\n-- maps\nm array key=4 value=8 entries=1\n-- asm\n"
                "*(u32 *)(r10 - 4) = 0\nr1 = map[m] ll\nr2 = r10\nr2 += -4\n"
                "call map_lookup_elem\nif r0 == 0 goto +1\n*(u64 *)(r0 + 0) = 5\nr0 = 2\nexit\n")
        elements = self.json("run", self.write("m.ebpf", text), "--show-maps")["maps"]["m"]
        self.assertEqual(elements, [{"key": "00000000", "value": "0500000000000000"}])


if __name__ == "__main__":
    unittest.main()
