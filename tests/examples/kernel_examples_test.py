#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Linux accepts every example and does with the capture what we expect.

Exits with 77, which ctest counts as skipped, where bpf(2) is refused.
"""

import ctypes
import ctypes.util
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(os.environ.get("SKEP_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
BUILD = pathlib.Path(os.environ.get("SKEP_BINARY_DIR", ROOT / "build"))
BPF_MAP_CREATE, SYS_BPF = 0, {"x86_64": 321, "aarch64": 280}


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(77)


def main():
    if not list((BUILD / "examples").glob("*.bpf.o")):
        skip("the example programs are not compiled")
    try:
        ctypes.CDLL("libbpf.so.1")
    except OSError:
        skip("libbpf.so.1 is not installed")
    number = SYS_BPF.get(os.uname().machine)
    array_map = (ctypes.c_uint32 * 18)(2, 4, 4, 1)  # type, key, value, entries
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(number, BPF_MAP_CREATE, array_map, 72) if number else -1
    if fd < 0:
        skip(f"bpf(2) is refused: {os.strerror(ctypes.get_errno())}")
    os.close(fd)
    command = [sys.executable, ROOT / "examples/record_kernel.py", BUILD / "examples",
               ROOT / "corpus/pcap/mixed.pcap"]
    sys.exit(subprocess.run(command, check=False).returncode)


if __name__ == "__main__":
    main()
