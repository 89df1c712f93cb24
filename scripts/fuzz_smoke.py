#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every fuzzer of a fuzz build for a short time.

usage: fuzz_smoke.py BUILD_FOLDER SECONDS [NAME...]

Starts from fuzz/seeds/<name>/ and from what earlier runs found worth keeping in
BUILD_FOLDER/corpus/<name>/, which grows. An input that makes a fuzzer fail is
left in BUILD_FOLDER/findings/<name>/; mend the bug and move the input to
fuzz/seeds/<name>/, where every test run replays it. Exit status: 0 no finding,
1 findings, 2 bad usage or nothing to run.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def run(fuzzer, build, seconds):
    """Returns (status, last lines of output) of one fuzzer."""
    stem = fuzzer.name.removesuffix("_fuzzer")
    corpus, findings = build / "corpus" / stem, build / "findings" / stem
    corpus.mkdir(parents=True, exist_ok=True)
    findings.mkdir(parents=True, exist_ok=True)
    seeds = ROOT / "fuzz" / "seeds" / stem
    folders = [str(corpus)] + ([str(seeds)] if seeds.is_dir() else [])
    dictionary = ROOT / "fuzz" / f"{stem}.dict"
    options = [f"-max_total_time={seconds}", f"-artifact_prefix={findings}/", "-timeout=10",
               "-rss_limit_mb=2048", "-print_final_stats=1"]
    if dictionary.is_file():
        options.append(f"-dict={dictionary}")
    result = subprocess.run([str(fuzzer), *options, *folders], cwd=ROOT, check=False,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    return result.returncode, result.stdout.decode(errors="replace")


def main(arguments):
    if len(arguments) < 2 or not arguments[1].isdigit():
        print(__doc__, file=sys.stderr)
        return 2
    build = pathlib.Path(arguments[0]).resolve()
    fuzzers = [path for path in sorted((build / "fuzz").glob("*_fuzzer"))
               if not arguments[2:] or path.name.removesuffix("_fuzzer") in arguments[2:]]
    if not fuzzers:
        print(f"{arguments[0]}: no fuzzer to run", file=sys.stderr)
        return 2
    failed = []
    for fuzzer in fuzzers:
        print(f"{fuzzer.name}: {arguments[1]} s ...", flush=True)
        status, output = run(fuzzer, build, int(arguments[1]))
        runs = re.search(r"number_of_executed_units:\s*(\d+)", output)
        if status:
            print("\n".join(output.splitlines()[-60:]))
            failed.append(fuzzer.name)
        print(f"{fuzzer.name}: {'failed' if status else 'no finding'} in "
              f"{runs.group(1) if runs else 'an unknown number of'} runs", flush=True)
    print(f"{len(fuzzers)} fuzzers, {len(failed)} with findings" + "".join(f" {name}" for name in failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
