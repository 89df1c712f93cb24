#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails if a file or a function is longer than this project allows.

usage: check_sizes.py SOURCE_TREE

Soft limits are printed as warnings, hard limits fail. Exit status: 0 within the
hard limits, 1 not, 2 bad usage.
"""
import pathlib
import re
import sys

FOLDERS = ["include", "base", "isa", "btf", "model", "loader", "verifier", "maps", "helpers", "jit",
           "vm", "kernel", "syscall", "tools", "bench", "fuzz", "examples", "tests"]
FILE_SOFT, FILE_HARD = 400, 900
PUBLIC_HEADER_SOFT, PUBLIC_HEADER_HARD = 170, 200
FUNCTION_SOFT, FUNCTION_HARD = 60, 150

# Functions that may be longer, each with its reason.
LONG_FUNCTIONS = {
    "vm/interpreter.cc": "the interpreter's loop is one function with a case for each operation",
}
# Names that say nothing about what is inside.
VAGUE_NAMES = re.compile(r"(^|_)(util|utils|common|misc|manager)(_|\.|$)")

# In our format a function starts at the margin or two columns in (a method),
# its head ends in an opening brace, and the next line that is not further in
# than the head is its closing brace.
NOT_A_FUNCTION = re.compile(
    r"(namespace|class|struct|union|enum|extern|if|for|while|switch|do|else|case|typedef|using)\b"
    r"|.*= ?$|[#})/]")


def functions(lines):
    """Yields (name, number of its first line, number of lines)."""
    def indent(line):
        return len(line) - len(line.lstrip(" "))

    for index, line in enumerate(lines):
        if not line.endswith("{"):
            continue
        head = index
        while head > 0 and indent(lines[head]) > 2 and not re.search(r"(^|[;{}:])$", lines[head - 1]):
            head -= 1
        text = " ".join(part.strip() for part in lines[head:index + 1]).removesuffix("{")
        if indent(lines[head]) not in (0, 2) or "(" not in text or NOT_A_FUNCTION.match(text):
            continue
        for end in range(index + 1, len(lines)):
            if lines[end].strip() and indent(lines[end]) <= indent(lines[head]) and \
                    not lines[end].startswith("#"):
                if lines[end].strip() in ("}", "};"):
                    name = re.search(r"([\w:~]+|operator\W+)\s*\(", text)
                    yield name.group(1) if name else text.strip(), head + 1, end - head + 1
                break


def check(root):
    """Returns (errors, warnings), one line each."""
    errors, warnings = [], []

    def limit(where, size, soft, hard, what):
        if size > hard:
            errors.append(f"{where}: {what} has {size} lines, the limit is {hard}")
        elif size > soft:
            warnings.append(f"{where}: {what} has {size} lines, better at most {soft}")

    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in (".cc", ".h", ".c") or not path.is_file():
                continue
            name = path.relative_to(root).as_posix()
            lines = path.read_text(errors="replace").splitlines()
            if VAGUE_NAMES.search(path.name):
                errors.append(f"{name}: a file is named after what is in it, not {path.stem}")
            if folder == "include":
                limit(name, len(lines), PUBLIC_HEADER_SOFT, PUBLIC_HEADER_HARD, "public header")
            else:
                limit(name, len(lines), FILE_SOFT, FILE_HARD, "file")
            if name in LONG_FUNCTIONS:
                continue
            for function, line, size in functions(lines):
                limit(f"{name}:{line}", size, FUNCTION_SOFT, FUNCTION_HARD, function)
    return errors, warnings


def main(arguments):
    if len(arguments) != 1 or not pathlib.Path(arguments[0], "include").is_dir():
        print(__doc__, file=sys.stderr)
        return 2
    errors, warnings = check(pathlib.Path(arguments[0]))
    for line in warnings:
        print(f"warning: {line}")
    for line in errors:
        print(line)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
