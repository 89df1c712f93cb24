#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails if a file includes a header that its folder must not know.

usage: check_layers.py SOURCE_TREE

The tables are the include graph of docs/architecture.md, in code. Exit status:
0 nothing found, 1 violations (one a line), 2 bad usage.
"""
import pathlib
import re
import sys

BOTTOM = ["include", "base"]
MIDDLE = BOTTOM + ["isa", "btf", "model"]
VM = MIDDLE + ["loader", "maps", "helpers", "verifier", "jit", "vm"]
EVERYTHING = VM + ["kernel", "syscall"]

# folder: the folders whose headers it may include, besides its own
ALLOWED = {
    "include": [],
    "base": ["include"],
    "isa": BOTTOM,
    "btf": BOTTOM,
    "model": BOTTOM + ["isa", "btf"],
    "loader": MIDDLE,
    "verifier": MIDDLE,
    "jit": MIDDLE,
    "maps": BOTTOM + ["btf", "model"],
    "helpers": BOTTOM + ["btf", "model"],
    "vm": VM,
    "kernel": VM,
    "syscall": VM,
    "tools": EVERYTHING,
    "bench": EVERYTHING + ["tests"],
    "fuzz": EVERYTHING + ["tests"],
    "examples": ["include"],  # they are programs of embedders
    "tests": EVERYTHING + ["tools"],
}

# header prefix: the folders that may include it
ONLY_IN = {
    "asmjit/": ["jit"],
    "fmt/": ["base", "isa", "btf", "model", "loader", "verifier", "jit", "maps", "helpers", "vm",
             "kernel", "syscall", "tools", "tests", "bench", "fuzz"],
    "bpf/": ["kernel", "tests", "examples", "bench"],  # the last two in headers of BPF C
    "CLI/": ["tools"],
    "nlohmann/": ["tools", "tests"],
    "pcap": ["tools", "tests", "examples"],
    "gtest/": ["tests"],
    "gmock/": ["tests"],
    "z3": ["tests"],
    "benchmark/": ["bench"],
    "elf.h": ["loader", "tests"],
    "libelf.h": ["loader", "tests"],
    "gelf.h": ["loader", "tests"],
}

# What a public header may include in angle brackets: the standard library.
STANDARD_HEADER = re.compile(r"[a-z_0-9]+|std(int|def|bool|io)\.h")

INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')
# BPF C is for clang's other target: it includes what programs of users include.
SOURCE = re.compile(r"(?<!\.bpf)\.(c|cc|h|def|inc)$")


def folder_of(header):
    return "include" if header.startswith("skep/") else header.split("/")[0]


def violation(folder, quote, header):
    """Why a file in the folder may not include the header, or None."""
    if quote == '"':
        target = folder_of(header)
        if "/" not in header:
            return "an include in quotes names its path from the root"
        if target == folder or target in ALLOWED[folder]:
            return None
        if target in ALLOWED:
            return f"{folder}/ may not include {target}/"
        return f"{target}/ is no folder of this project; third parties go in angle brackets"
    for prefix, folders in ONLY_IN.items():
        if header.startswith(prefix) and folder not in folders:
            return f"only {', '.join(folders)} may"
    if header.startswith("skep/"):
        return None if folder == "examples" else "our own headers go in quotes"
    if folder == "include" and not STANDARD_HEADER.fullmatch(header):
        return "public headers need the standard library alone"
    return None


def check(root):
    """Returns one line for each violation under the root."""
    found = []
    for folder in ALLOWED:
        for path in sorted((root / folder).rglob("*")):
            if not SOURCE.search(path.name) or not path.is_file():
                continue
            if path.is_relative_to(root / "tests" / "install"):
                continue  # another project, which has us installed
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                match = INCLUDE.match(line)
                why = match and violation(folder, match.group(1), match.group(2))
                if why:
                    found.append(f"{path.relative_to(root)}:{number}: includes {match.group(2)}: {why}")
    return found


def main(arguments):
    if len(arguments) != 1 or not pathlib.Path(arguments[0], "include").is_dir():
        print(__doc__, file=sys.stderr)
        return 2
    found = check(pathlib.Path(arguments[0]))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
