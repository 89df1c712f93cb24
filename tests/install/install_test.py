#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Installs this build into a fresh prefix and uses it from a project outside the tree."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["SKEP_SOURCE_DIR"])
BUILD = pathlib.Path(os.environ["SKEP_BINARY_DIR"])


def cache_value(name):
    """A value of the build's CMakeCache.txt, empty if it is not there."""
    match = re.search(rf"^{name}:\w+=(.*)$", (BUILD / "CMakeCache.txt").read_text(), re.MULTILINE)
    return match.group(1) if match else ""


def run(command):
    """Runs a command and returns its output; the test fails if the command does."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            stdin=subprocess.DEVNULL, text=True, check=False)
    if result.returncode:
        raise AssertionError(f"{' '.join(command)}\nstatus {result.returncode}\n{result.stdout}")
    return result.stdout


class Install(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.prefix = self.folder / "prefix"

    def install(self):
        # Strips nothing and needs no root: the prefix is ours.
        run(["cmake", "--install", str(BUILD), "--prefix", str(self.prefix)])

    def build_embedder(self, kind):
        """Builds tests/install against the prefix and returns the build folder."""
        if cache_value("CMAKE_TOOLCHAIN_FILE"):
            self.skipTest("a cross build does not build a host program")
        if os.environ.get("SKEP_SANITIZED") == "1":
            self.skipTest("a library with sanitizers needs hosts that are built with them")
        self.install()
        # The source is copied, so that nothing of the tree can be found by accident.
        shutil.copytree(SOURCE / "tests" / "install", self.folder / "embedder")
        flags = ""
        if cache_value("SKEP_SANITIZE"):
            flags = "-fsanitize=" + cache_value("SKEP_SANITIZE").replace(";", ",")
        elif cache_value("SKEP_COVERAGE") == "ON":
            flags = "-fprofile-instr-generate"
        build = self.folder / "build"
        run(["cmake", "-S", str(self.folder / "embedder"), "-B", str(build), "-G", "Ninja",
             f"-DCMAKE_CXX_COMPILER={os.environ['SKEP_CXX']}", f"-DCMAKE_CXX_FLAGS={flags}",
             f"-DCMAKE_PREFIX_PATH={self.prefix}", f"-DEMBEDDER_KIND={kind}"])
        run(["cmake", "--build", str(build)])
        return build

    def need_shared_library(self):
        if not (BUILD / "libskep.so").exists():
            self.skipTest("this build has no shared library")

    def test_a_host_uses_the_static_library(self):
        build = self.build_embedder("static")
        run([str(build / "host")])
        self.assertNotIn("libskep", run(["objdump", "-p", str(build / "host")]))

    def test_a_host_and_a_loaded_plugin_use_the_shared_library(self):
        self.need_shared_library()
        build = self.build_embedder("shared")
        run([str(build / "host")])
        self.assertIn("libskep.so", run(["objdump", "-p", str(build / "host")]))
        run([str(build / "opener"), str(build / "libplugin.so")])

    def test_the_shared_library_shows_only_our_own_names(self):
        self.need_shared_library()
        listing = run(["nm", "--dynamic", "--defined-only", "--demangle", str(BUILD / "libskep.so")])
        names = [line.split(" ", 2)[2] for line in listing.splitlines()]
        self.assertTrue(any(name.startswith("skep::Runtime::Create") for name in names))
        ours = re.compile(r"((vtable|typeinfo|typeinfo name|VTT) for )?skep::|skep_(?!asmjit)")
        self.assertEqual([name for name in names if not ours.match(name)], [])

    def test_only_public_headers_are_installed(self):
        self.install()
        headers = [path.relative_to(self.prefix / "include")
                   for path in (self.prefix / "include").rglob("*") if path.is_file()]
        self.assertTrue(headers)
        self.assertEqual([path for path in headers if path.parts[0] != "skep" or path.suffix != ".h"], [])

    def test_each_public_header_compiles_alone(self):
        self.install()
        for header in sorted((self.prefix / "include" / "skep").glob("*.h")):
            source = self.folder / "alone.cc"
            source.write_text(f"#include <skep/{header.name}>\n")
            run([os.environ["SKEP_CXX"], "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic",
                 "-Werror", f"-I{self.prefix / 'include'}", str(source)])


if __name__ == "__main__":
    unittest.main()
