#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs clang-tidy over sources of the library and tools, several at a time.

usage: lint.py [--jobs N] [--build FOLDER] [FILE...]

Without files, all sources that the build folder knows are checked, except
tests. Exit status: 0 clean, 1 findings, 2 bad usage.
"""
import argparse
import concurrent.futures
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def known_sources(build):
    with open(pathlib.Path(build, "compile_commands.json"), encoding="utf-8") as commands:
        paths = {pathlib.Path(entry["file"]) for entry in json.load(commands)}
    return sorted(path.relative_to(ROOT).as_posix() for path in paths
                  if path.suffix == ".cc" and path.is_relative_to(ROOT))


def tidy(build, source):
    """Returns the findings in the source as text, empty if there are none."""
    result = subprocess.run(
        ["clang-tidy", "--quiet", "-p", build, source], cwd=ROOT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if result.returncode == 0:
        return ""
    return result.stdout or result.stderr


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--build", default="build")
    parser.add_argument("files", nargs="*")
    options = parser.parse_args(arguments)
    build = str(pathlib.Path(options.build).resolve())
    try:
        known = known_sources(build)
    except OSError as error:
        parser.error(f"no compile commands: {error}")
    if options.files:
        sources = [pathlib.Path(name).resolve().relative_to(ROOT).as_posix() for name in options.files]
        unknown = [name for name in sources if name not in known]
        if unknown:
            parser.error(f"the build knows no source {unknown[0]}")
    else:
        sources = [name for name in known if not name.startswith("tests/")]
    findings = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for number, (source, text) in enumerate(
                zip(sources, pool.map(lambda name: tidy(build, name), sources)), 1):
            print(f"[{number}/{len(sources)}] {source}", flush=True)
            if text:
                print(text.rstrip())
                findings += max(1, len(re.findall(r": (?:error|warning): ", text)))
    print(f"{len(sources)} files, {findings} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
