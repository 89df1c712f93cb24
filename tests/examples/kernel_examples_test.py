#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Linux accepts every example and does with the capture what we expect."""

import contextlib
import ctypes
import io
import os
import sys
import unittest

import compiled_examples
from compiled_examples import BUILD, ROOT

sys.path.insert(0, str(ROOT / "examples"))

BPF_MAP_CREATE, SYS_BPF = 0, {"x86_64": 321, "aarch64": 280}


def why_not():
    """Why the kernel cannot be asked; empty if it can."""
    try:
        ctypes.CDLL("libbpf.so.1")
    except OSError:
        return "libbpf.so.1 is not installed"
    number = SYS_BPF.get(os.uname().machine)
    if number is None:
        return "the number of bpf(2) is not known here"
    cpus = "/sys/devices/system/cpu/possible"
    if not os.access(cpus, os.R_OK):
        return f"{cpus} cannot be read"
    array_map = (ctypes.c_uint32 * 18)(2, 4, 4, 1)  # type, key, value, entries
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(number, BPF_MAP_CREATE, array_map, 72)
    if fd < 0:
        return f"bpf(2) is refused: {os.strerror(ctypes.get_errno())}"
    os.close(fd)
    return ""


class KernelExamples(unittest.TestCase):
    def setUp(self):
        reason = why_not()
        if reason:
            self.skipTest(reason)
        import record_kernel
        self.record_kernel = record_kernel

    def test_linux_does_with_the_capture_what_count_pcap_expects(self):
        if not list((BUILD / "examples").glob("*.bpf.o")):
            self.skipTest("the example programs are not compiled")
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            status = self.record_kernel.main(
                [str(BUILD / "examples"), str(ROOT / "corpus/pcap/mixed.pcap")])
        self.assertEqual(status, 0, said.getvalue())

    def test_linux_accepts_what_each_clang_makes_for_each_cpu_version(self):
        if not compiled_examples.objects():
            self.skipTest("no clang is installed")
        for name, path in compiled_examples.objects():
            with self.subTest(name):
                try:
                    self.record_kernel.LoadedObject(path).close()
                except SystemExit as refusal:
                    self.fail(str(refusal))


if __name__ == "__main__":
    unittest.main()
