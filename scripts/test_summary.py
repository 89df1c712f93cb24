#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Summarises a JUnit file that ctest wrote.

usage: test_summary.py RESULTS.xml

Prints the tests that were skipped, each with its reason, the tests that failed,
and at last, alone on its line, "N passed, N failed, N skipped". Exit status: 0
if at least one test ran and none failed, 1 otherwise, 2 if there are no results.
"""
import re
import sys
import xml.etree.ElementTree as ElementTree


def skip_reason(output):
    """The text of GTEST_SKIP or of unittest's skip, or the last line printed."""
    match = re.search(r": Skipped\n(.*?)\n\s*(?:\n|\[)", output + "\n\n", re.DOTALL)
    if match and match.group(1).strip():
        return " ".join(match.group(1).split())
    match = re.search(r"\.\.\. skipped (['\"])(.*)\1", output)
    if match:
        return match.group(2)
    lines = [line for line in output.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no reason given"


def classify(results):
    """Returns (passed, failed, skipped): names, names, pairs of name and reason."""
    passed, failed, skipped = [], [], []
    for case in ElementTree.parse(results).getroot().iter("testcase"):
        name = case.get("name")
        output = case.findtext("system-out") or ""
        if case.get("status") == "disabled":
            skipped.append((name, "disabled"))
        elif case.get("status") == "run":
            passed.append(name)
        elif case.find("skipped") is not None and re.search(
                "SKIP_(REGULAR_EXPRESSION|RETURN_CODE)", case.find("skipped").get("message", "")):
            skipped.append((name, skip_reason(output)))
        else:  # failed, timed out, or could not be run at all
            failed.append(name)
    return passed, failed, skipped


def main(arguments):
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        passed, failed, skipped = classify(arguments[0])
    except (OSError, ElementTree.ParseError) as error:
        print(f"{arguments[0]}: no test results: {error}", file=sys.stderr)
        return 2
    if skipped:
        print("\nskipped:")
        for name, reason in skipped:
            print(f"  {name}: {reason}")
    if failed:
        print("\nfailed:")
        for name in failed:
            print(f"  {name}")
    print(f"\n{len(passed)} passed, {len(failed)} failed, {len(skipped)} skipped")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
