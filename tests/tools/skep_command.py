# SPDX-License-Identifier: Apache-2.0
"""What the tests of the command `skep` share: they call the binary and look at
its exit status and both outputs, as a user or a script does."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(os.environ.get("SKEP_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
BUILD = pathlib.Path(os.environ.get("SKEP_BINARY_DIR", ROOT / "build"))
SKEP = pathlib.Path(os.environ.get("SKEP", BUILD / "tools/skep"))
EXAMPLES = BUILD / "examples"
SUBCOMMANDS = ["run", "verify", "test", "asm", "link", "gen", "disasm", "inspect", "jit", "audit", "compare",
               "map", "bench"]

PASS_XDP = "-- type\nxdp\n-- asm\nr0 = 2\nexit\n"
# Refused: a read of the packet without a check of its end.
UNCHECKED_XDP = "-- type\nxdp\n-- asm\nr2 = *(u32 *)(r1 + 0)\nr0 = *(u8 *)(r2 + 0)\nexit\n"


class SkepTest(unittest.TestCase):
    def setUp(self):
        if not SKEP.exists():
            self.skipTest(f"{SKEP} is not built")
        folder = tempfile.TemporaryDirectory(prefix="skep-tools-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def skep(self, *arguments, **options):
        """The finished process, outputs as bytes."""
        return subprocess.run([SKEP, *arguments], stdin=options.pop("stdin", subprocess.DEVNULL),
                              capture_output=True, timeout=120, check=False, **options)

    def done(self, *arguments, status=0):
        """Standard output as text, of a run with this exit status."""
        result = self.skep(*arguments)
        self.assertEqual(result.returncode, status, (result.stdout, result.stderr))
        return result.stdout.decode()

    def json(self, *arguments, status=0):
        return json.loads(self.done(*arguments, "--json", status=status))

    def refuse(self, *arguments, says=()):
        """Exit status 2, nothing on standard output, one line that says all of `says`."""
        result = self.skep(*arguments)
        errors = result.stderr.decode(errors="replace")
        self.assertEqual(result.returncode, 2, (arguments, result.stdout, errors))
        self.assertEqual(result.stdout, b"", arguments)
        self.assertTrue(errors.startswith("skep: ") and errors.endswith("\n"), errors)
        self.assertEqual(errors.count("\n"), 1, errors)
        for text in says:
            self.assertIn(str(text), errors)
        return errors

    def write(self, name, content):
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def assemble(self, name, text, *flags):
        """The path of an object made of this text."""
        target = self.folder / f"{name}.o"
        self.done("asm", self.write(f"{name}.ebpf", text), "-o", target, *flags)
        return target

    def example(self, name):
        path = EXAMPLES / f"{name}.bpf.o"
        if not path.exists():
            self.skipTest(f"{path} is not built")
        return path
