#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What Linux makes of the example programs: loads them with libbpf and runs the
packet programs over a capture by BPF_PROG_TEST_RUN.

  record_kernel.py OBJECTS CAPTURE [--write FOLDER]

OBJECTS is the folder of the compiled examples (build/examples). Needs root.
Fails unless every program of every object loads, and unless return values, maps
and rewritten packets are what count_pcap.py computes. With --write, leaves
<program>.json in the folder: {"program", "capture", "retvals", "maps"}, with keys
and values in hex, per-CPU values summed.
"""

import argparse
import contextlib
import ctypes
import json
import os
import pathlib
import struct
import sys

import count_pcap

PERCPU_TYPES = {5, 6, 10}  # hash, array, LRU hash
PROG_ARRAY, ARRAY = 3, 2
PACKET_PROGRAMS = ["packet_counter", "firewall", "balancer"]

# The path that hello_tail must take for these system call numbers: ignored,
# program started, timer, anything else. A slot is chosen by 32 bits alone.
TAIL_CALLS = {0: 0, 1: 0, 1 << 40: 0, 59: 1, 222: 2, 224: 2, 226: 2, 60: 3, 511: 3, 512: 3}


class TestRunOptions(ctypes.Structure):
    """struct bpf_test_run_opts of <bpf/bpf.h>."""

    _fields_ = [("sz", ctypes.c_size_t), ("data_in", ctypes.c_char_p),
                ("data_out", ctypes.c_void_p), ("data_size_in", ctypes.c_uint32),
                ("data_size_out", ctypes.c_uint32), ("ctx_in", ctypes.c_char_p),
                ("ctx_out", ctypes.c_void_p), ("ctx_size_in", ctypes.c_uint32),
                ("ctx_size_out", ctypes.c_uint32), ("retval", ctypes.c_uint32),
                ("repeat", ctypes.c_int), ("duration", ctypes.c_uint32),
                ("flags", ctypes.c_uint32), ("cpu", ctypes.c_uint32),
                ("batch_size", ctypes.c_uint32)]


def load_libbpf():
    library = ctypes.CDLL("libbpf.so.1", use_errno=True)
    for name in ("bpf_object__open_file", "bpf_object__next_map", "bpf_object__next_program"):
        getattr(library, name).restype = ctypes.c_void_p
    for name in ("bpf_map__name", "bpf_program__name"):
        getattr(library, name).restype = ctypes.c_char_p
    return library


LIBBPF = load_libbpf()


def check(result, what):
    if result < 0:
        raise SystemExit(f"{what}: {os.strerror(-result)}")
    return result


class LoadedObject:
    def __init__(self, path):
        self.handle = ctypes.c_void_p(LIBBPF.bpf_object__open_file(str(path).encode(), None))
        if not self.handle:
            raise SystemExit(f"{path}: {os.strerror(ctypes.get_errno())}")
        check(LIBBPF.bpf_object__load(self.handle), path)
        self.programs = {
            LIBBPF.bpf_program__name(program).decode(): LIBBPF.bpf_program__fd(program)
            for program in self.each(LIBBPF.bpf_object__next_program)}
        self.maps = {LIBBPF.bpf_map__name(m).decode(): m
                     for m in self.each(LIBBPF.bpf_object__next_map)}

    def close(self):
        LIBBPF.bpf_object__close(self.handle)

    def each(self, following):
        item = following(self.handle, None)
        while item:
            yield ctypes.c_void_p(item)
            item = following(self.handle, ctypes.c_void_p(item))

    def run(self, program, data=None, context=None):
        """Returns r0 and the packet afterwards."""
        options = TestRunOptions(sz=ctypes.sizeof(TestRunOptions))
        out = ctypes.create_string_buffer(65536)
        if data is not None:
            options.data_in, options.data_size_in = data, len(data)
            options.data_out, options.data_size_out = ctypes.addressof(out), len(out)
            options.repeat = 1
        if context is not None:
            options.ctx_in, options.ctx_size_in = context, len(context)
        check(LIBBPF.bpf_prog_test_run_opts(self.programs[program], ctypes.byref(options)), program)
        return options.retval, out.raw[: options.data_size_out]

    def contents(self, name):
        bpf_map = self.maps[name]
        fd, kind = LIBBPF.bpf_map__fd(bpf_map), LIBBPF.bpf_map__type(bpf_map)
        key_size, size = LIBBPF.bpf_map__key_size(bpf_map), LIBBPF.bpf_map__value_size(bpf_map)
        stride = (size + 7) // 8 * 8
        cpus = LIBBPF.libbpf_num_possible_cpus() if kind in PERCPU_TYPES else 1
        value = ctypes.create_string_buffer(stride * cpus)
        key, following = None, ctypes.create_string_buffer(key_size)
        entries = {}
        while LIBBPF.bpf_map_get_next_key(fd, key, following) == 0:
            key = ctypes.create_string_buffer(following.raw, key_size)
            check(LIBBPF.bpf_map_lookup_elem(fd, key, value), name)
            if cpus > 1:
                lanes = struct.iter_unpack(f"<{stride // 8}Q", value.raw)
                entries[key.raw] = count_pcap.u64s(*map(sum, zip(*lanes)))
            else:
                entries[key.raw] = value.raw[:size]
        return count_pcap.hex_map(entries)


def run_packets(objects, program, frames):
    with contextlib.closing(LoadedObject(objects / f"{program}.bpf.o")) as loaded:
        results = [loaded.run(program, frame) for frame in frames]
        names = [name for name, m in loaded.maps.items() if "." not in name]
        return {"program": program, "retvals": [retval for retval, _ in results],
                "maps": {name: loaded.contents(name) for name in names}}, [
                    out for _, out in results]


def check_tail_calls(objects):
    with contextlib.closing(LoadedObject(objects / "hello_tail.bpf.o")) as loaded:
        for number in TAIL_CALLS:
            loaded.run("hello", context=struct.pack("<QQ", 0, number))
        counted = [struct.unpack("<Q", bytes.fromhex(value))[0]
                   for value in loaded.contents("paths").values()]
    expected = [list(TAIL_CALLS.values()).count(path) for path in range(len(counted))]
    return counted == expected or f"hello_tail: paths {counted}, expected {expected}"


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("objects", type=pathlib.Path)
    parser.add_argument("capture", type=pathlib.Path)
    parser.add_argument("--write", type=pathlib.Path, metavar="FOLDER")
    arguments = parser.parse_args(words)

    frames = count_pcap.read_pcap(arguments.capture.read_bytes())
    expected, rewritten = count_pcap.expectations(frames)
    wrong = []
    for path in sorted(arguments.objects.glob("*.bpf.o")):
        with contextlib.closing(LoadedObject(path)) as loaded:
            print(f"{path.name}: accepted: {', '.join(loaded.programs)}")
    for program in PACKET_PROGRAMS:
        got, out = run_packets(arguments.objects, program, frames)
        for part in ("retvals", "maps"):
            if got[part] != expected[program][part]:
                wrong.append(f"{program}: {part}: {got[part]}, expected {expected[program][part]}")
        if out != (rewritten if program == "balancer" else frames):
            wrong.append(f"{program}: the packets that it left are not those expected")
        if arguments.write:
            text = json.dumps({"program": program, "capture": arguments.capture.name, **got})
            text = text.replace('"retvals"', '\n"retvals"').replace('"maps"', '\n"maps"')
            (arguments.write / f"{program}.json").write_text(text + "\n")
    tail = check_tail_calls(arguments.objects)
    if tail is not True:
        wrong.append(tail)
    print("\n".join(wrong) or f"{len(frames)} packets: as count_pcap.py expects")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
