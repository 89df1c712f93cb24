#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails on text that does not belong into this repository.

usage: check_text.py SOURCE_TREE

Every source file names its licence at the top; no file names a folder of
somebody's machine; no source has tabs, trailing blanks, a missing newline at
the end or a note to finish something later. Exit status: 0 nothing found,
1 violations (one a line), 2 bad usage.
"""
import os
import pathlib
import re
import subprocess
import sys

SOURCE_SUFFIXES = {".cc", ".h", ".c", ".def", ".inc", ".py", ".sh", ".cmake", ".bash"}
SOURCE_NAMES = {"CMakeLists.txt", "dev", "run"}
PROSE_SUFFIXES = {".md", ".txt", ".json", ".tsv", ".ebpf", ".in"}

LICENCE = "SPDX-License-Identifier: Apache-2.0"
# BPF programs may name GPL in their license section; their own text is ours all the same.
MACHINE_PATH = re.compile(r"(?<![\w.}$])/(home|root|work|Users)/\w")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX)\b")


def tracked_files(root):
    """The files of the work tree, without what git ignores."""
    if (root / ".git").exists():
        listing = subprocess.run(
            ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        if listing.returncode == 0:
            names = os.fsdecode(listing.stdout).split("\0")
            return [root / name for name in sorted(set(names)) if name and (root / name).is_file()]
    # Not a checkout (a release archive): all but build folders.
    return [path for path in sorted(root.rglob("*")) if path.is_file() and
            not re.match(r"(build|\.)", path.relative_to(root).parts[0])]


def check_file(name, path):
    """Yields one line for each violation in the file."""
    is_source = path.suffix in SOURCE_SUFFIXES or path.name in SOURCE_NAMES
    if not is_source and path.suffix not in PROSE_SUFFIXES:
        return
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        yield f"{name}: not UTF-8: {error.reason} at byte {error.start}"
        return
    lines = text.split("\n")
    if is_source and not any(LICENCE in line for line in lines[:3]):
        yield f"{name}:1: no '{LICENCE}' in the first three lines"
    if is_source and text and not text.endswith("\n"):
        yield f"{name}:{len(lines)}: no newline at the end"
    for number, line in enumerate(lines, 1):
        if MACHINE_PATH.search(line) and name != "scripts/check_text.py":
            yield f"{name}:{number}: names a folder of one machine"
        if not is_source:
            continue
        if "\t" in line:
            yield f"{name}:{number}: a tab"
        if line != line.rstrip():
            yield f"{name}:{number}: blanks at the end of the line"
        if UNFINISHED.search(line) and name != "scripts/check_text.py":
            yield f"{name}:{number}: a note to finish something later"


def check(root):
    found = []
    for path in tracked_files(root):
        found.extend(check_file(path.relative_to(root).as_posix(), path))
    return found


def main(arguments):
    if len(arguments) != 1 or not pathlib.Path(arguments[0]).is_dir():
        print(__doc__, file=sys.stderr)
        return 2
    found = check(pathlib.Path(arguments[0]))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
