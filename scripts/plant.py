#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants bugs in the verifier, one at a time, and says what catches them.

usage: plant.py [--build DIR] [--random N] [--seeds N] [--tests] [NAME...]

Each bug is one text of one file, replaced; the source tree is put back after
each. Built and run for each bug: `skep audit --random N` (by seeds, until one
finds a violation) and, with --tests, the tests of values and verdict files in
verifier_tests. Exit status: 0 if all were caught by something, 1 if not, 2 bad
usage. The table is in docs/verifier.md.
"""
import argparse
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# name, what is wrong, file, the right text, the wrong one
BUGS = [
    ("tnum-mul", "unknown bits of a factor count as zeros in products",
     "verifier/tnum.h", "sum = Union(sum, Add(sum, b));", "sum = Add(sum, BasicTnum<kBits>::Const(0));"),
    ("sub-wraps", "signed bounds survive a subtraction that overflows",
     "verifier/bounds.h", "W::SubOverflows(a.smax, b.smin, &r.smax);\n  if (low_leaves || high_leaves) {",
     "W::SubOverflows(a.smax, b.smin, &r.smax);\n  if (low_leaves && high_leaves) {"),
    ("zero-extension", "a 32-bit move keeps what was known about the upper half",
     "verifier/transfer_alu_inl.h", "return narrow ? src.TruncateToLow() : src;", "return src;"),
    ("rsh-bounds", "a right shift leaves the largest value one too small",
     "verifier/transfer_alu_inl.h", "  if (kind == OpKind::kRsh) return Rsh(a, amount);\n  SKEP_CHECK(kind == OpKind::kArsh);\n  return Arsh(a, amount);\n}\n\n// A shift by a known",
     "  if (kind == OpKind::kRsh) return amount > 1 ? Rsh(a, amount + 1) : Rsh(a, amount);\n  SKEP_CHECK(kind == OpKind::kArsh);\n  return Arsh(a, amount);\n}\n\n// A shift by a known"),
    ("branch-off-by-one", "x <= y is taken for x < y",
     "verifier/refine_inl.h", "const typename W::Unsigned gap = kind == OpKind::kJLt ? 1 : 0;",
     "const typename W::Unsigned gap = b.umax > 0 && a.umin < W::kMax ? 1 : 0;"),
    ("jset-side", "the sides of a bit test are exchanged",
     "verifier/refine_inl.h", "alive = RefineTest(taken, a, narrow", "alive = RefineTest(!taken, a, narrow"),
    ("not-equal", "x != v cuts off a value that is no end",
     "verifier/refine_inl.h", "  if (a.umin == v) ++a.umin;\n", "  if (a.umin <= v && a.umin < a.umax) ++a.umin;\n"),
    ("prune-ids", "pruning does not compare which numbers are linked",
     "verifier/prune.cc", "return ids_.SameScalar(old_reg.id, current.id) && within();", "return within();"),
    ("prune-range", "pruning compares ranges the wrong way round",
     "verifier/prune.cc", "return current.var.IsSubsetOf(old_reg.var); };",
     "return old_reg.var.IsSubsetOf(current.var); };"),
    ("prune-packet", "pruning takes a shorter proved packet for a longer one",
     "verifier/prune.cc", "} else if (old_reg.range > current.range) {", "} else if (old_reg.range < current.range) {"),
    ("prune-stack", "pruning skips bytes that were known to be zero",
     "verifier/prune.cc", "if (old_byte == StackByte::kInvalid) continue;",
     "if (old_byte == StackByte::kInvalid || old_byte == StackByte::kZero) continue;"),
    ("prune-rounds", "pruning ignores how many rounds of a callback are left",
     "verifier/prune.cc", "if (old_frame.callback_depth > current.callback_depth) return false;", ""),
    ("precision-spill", "backtracking forgets a number that was filled from the stack",
     "verifier/precision.cc", "      request.ClearReg(insn.dst);\n      if (on_stack) want_slot();\n      break;\n    case OpClass::kAtomic",
     "      request.ClearReg(insn.dst);\n      break;\n    case OpClass::kAtomic"),
    ("precision-linked", "backtracking forgets numbers that a branch refined together",
     "verifier/precision.cc", "if (entry == nullptr || entry->linked == 0) return;", "if (entry != nullptr || entry == nullptr) return;"),
    ("precision-callee", "backtracking forgets the caller's r6-r9 behind a call",
     "verifier/precision.cc", "  request.ClearReg(0);\n  ++request.frame;\n",
     "  request.regs[request.frame] = 0;\n  ++request.frame;\n"),
    ("precision-source", "backtracking forgets the second operand",
     "verifier/precision.cc", "if (from_register && insn.src != kFramePointer) request.SetReg(insn.src);", ""),
    ("precision-once", "a walk back is taken for done on another path too",
     "verifier/explore.cc", "  last_marked_ = {};\n  insn_ = next.insn;\n", "  insn_ = next.insn;\n"),
    ("shared-stack", "two states that share a stack both see what one of them writes",
     "verifier/state.h", "if (chunk->users != 1) Unshare(chunk);", "if (chunk->users > 2) Unshare(chunk);"),
    ("shared-frame", "marks in a caller's frame reach the states that share it",
     "verifier/state.cc", "  if (frame->users != 1) {\n", "  if (frame->users > 2) {\n"),
    ("dead-too-early", "registers that only a jump's target reads count as dead",
     "verifier/liveness.cc", "after |= insns[static_cast<size_t>(TargetOf(insn, i))].live_before;", ";"),
    ("slot-not-read", "a slot's read is noted in the nearest kept state alone",
     "verifier/prune.cc", "    slots &= ~s->written[f];\n  }\n  return changed;", "    slots = 0;\n  }\n  return changed;"),
    ("packet-range", "a comparison with the packet's end proves a byte too many",
     "verifier/branches.cc", "const int32_t range = pointer.off + (open ? 1 : 0);", "const int32_t range = pointer.off + 1;"),
    ("linked-delta", "a linked number's delta is applied the wrong way",
     "verifier/branches.cc", "int64_t{r.off} - int64_t{known.off}", "int64_t{known.off} - int64_t{r.off}"),
    ("null-forgotten", "a lookup's result counts as not null",
     "verifier/calls_helper.cc", "if (maybe_null && !there) {", "if (maybe_null && !there && call.map != 0) {"),
]


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, **more)


def audit(build, programs, seeds):
    """How many programs were needed, and the message; or (0, None)."""
    for seed in range(1, seeds + 1):
        done = run(f"{build}/tools/skep", "audit", "--random", str(programs), "--seed", str(seed),
                   "--runs", "8")
        found = re.search(r"violation\s+random program (\d+), run \d+, (.*)", done.stdout)
        if found:
            return (seed - 1) * programs + int(found.group(1)) + 1, found.group(2)
        if done.returncode not in (0, 1):
            return 1, "the program ended: " + (done.stderr.strip().splitlines() or ["by a signal"])[-1]
    return 0, None


def tests(build):
    done = run(f"{build}/tests/verifier_tests", "--gtest_brief=1",
               "--gtest_filter=-KernelVerdict.*:*Objects*:HostileCode.*")
    return sorted(set(re.findall(r"\[  FAILED  \] (\w+\.\w+)", done.stdout)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build", help="build folder, configured (default: build)")
    parser.add_argument("--random", type=int, default=5000, help="programs a seed (default: 5000)")
    parser.add_argument("--seeds", type=int, default=4, help="seeds at most (default: 4)")
    parser.add_argument("--tests", action="store_true", help="also run verifier_tests")
    parser.add_argument("names", nargs="*", help="bugs to plant (default: all)")
    options = parser.parse_args()
    unknown = set(options.names) - {bug[0] for bug in BUGS}
    if unknown:
        parser.error("unknown: " + ", ".join(sorted(unknown)))
    missed = 0
    for name, what, file, right, wrong in BUGS:
        if options.names and name not in options.names:
            continue
        path = ROOT / file
        source = path.read_text()
        if source.count(right) != 1:
            sys.exit(f"{name}: {file} has the text to replace {source.count(right)} times, need 1")
        try:
            path.write_text(source.replace(right, wrong))
            targets = ["skep"] + (["verifier_tests"] if options.tests else [])
            built = run("ninja", "-C", options.build, *targets)
            if built.returncode != 0:
                print(f"{name}: does not build\n{built.stdout[-2000:]}", flush=True)
                missed += 1
                continue
            programs, message = audit(options.build, options.random, options.seeds)
            failed = tests(options.build) if options.tests else []
        finally:
            path.write_text(source)
        caught = f"audit, after {programs} programs: {message}" if message else "not by the audit"
        if options.tests:
            caught += "; tests: " + (", ".join(failed) or "none")
        print(f"{name} ({what}): {caught}", flush=True)
        missed += message is None and not failed
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
