#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Line coverage of each room, from the profiles that a coverage build's tests left.

usage: coverage.py BUILD_FOLDER

Reads BUILD_FOLDER/profiles/*.profraw, prints a table and the files below their
room's floor (scripts/coverage_floors.txt). Exit status: 0 all floors are
reached, 1 not, 2 bad usage or no profiles.
"""
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def read_floors(text):
    """Returns room: percent of a coverage_floors.txt."""
    rows = (line.split() for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return {room: float(percent) for room, percent in rows}


def rooms_of(files):
    """Returns room: [(path, covered lines, lines)] of llvm-cov's list of files."""
    rooms = {}
    for entry in files:
        # Names start at the source tree, because the compiler maps them so;
        # llvm-cov puts the folder of the build before them.
        path = pathlib.Path(os.path.normpath(ROOT / entry["filename"]))
        if not path.is_relative_to(ROOT):
            continue
        path = path.relative_to(ROOT)
        lines = entry["summary"]["lines"]
        rooms.setdefault(path.parts[0], []).append((path.as_posix(), lines["covered"], lines["count"]))
    return rooms


def below_floor(rooms, floors):
    """Returns (table rows, rooms that miss their floor)."""
    rows, missed = [], []
    for room, floor in sorted(floors.items()):
        files = rooms.get(room, [])
        total = sum(count for _, _, count in files)
        if not total:
            continue
        percent = 100.0 * sum(covered for _, covered, _ in files) / total
        rows.append((room, total, percent, floor))
        if percent < floor:
            missed.append(room)
    return rows, missed


def export(build):
    """Merges the profiles and returns llvm-cov's list of files."""
    profiles = sorted(map(str, pathlib.Path(build, "profiles").glob("*.profraw")))
    if not profiles:
        raise FileNotFoundError(f"{build}/profiles has no profiles: run the tests of a coverage build first")
    merged = str(pathlib.Path(build, "merged.profdata"))
    subprocess.run(["llvm-profdata", "merge", "-sparse", "-o", merged, *profiles], check=True)
    binaries = [path for folder in ("tests", "tools", "fuzz") for path in pathlib.Path(build, folder).glob("*")
                if path.is_file() and path.stat().st_mode & 0o111 and not path.suffix]
    objects = [f"-object={path}" for path in sorted(binaries)]
    output = subprocess.run(["llvm-cov", "export", "-summary-only", f"-instr-profile={merged}",
                             objects[0].removeprefix("-object="), *objects[1:]],
                            check=True, stdout=subprocess.PIPE).stdout
    return json.loads(output)["data"][0]["files"]


def main(arguments):
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    floors = read_floors((ROOT / "scripts" / "coverage_floors.txt").read_text())
    try:
        rooms = rooms_of(export(arguments[0]))
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 2
    rows, missed = below_floor(rooms, floors)
    if not rows:
        print("the profiles name no source of this project", file=sys.stderr)
        return 2
    print(f"{'room':10} {'lines':>7} {'covered':>8} {'floor':>6}")
    for room, total, percent, floor in rows:
        print(f"{room:10} {total:7} {percent:7.1f}% {floor:5.0f}%{'  MISSED' if room in missed else ''}")
    for room in missed:
        for path, covered, count in sorted(rooms[room], key=lambda row: row[1] - row[2]):
            if count and 100.0 * covered / count < floors[room]:
                print(f"  {path}: {count - covered} of {count} lines never run")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
