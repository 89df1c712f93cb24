# SPDX-License-Identifier: Apache-2.0
"""Compiles the example programs in every way that people compile BPF C."""

import functools
import os
import pathlib
import platform
import shutil
import subprocess
import tempfile

ROOT = pathlib.Path(os.environ.get("SKEP_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
BUILD = pathlib.Path(os.environ.get("SKEP_BINARY_DIR", ROOT / "build"))
COMPILERS = {"clang": ["v1", "v2", "v3"], "clang-19": ["v1", "v2", "v3", "v4"]}


def arch_include():
    """Where <asm/types.h> is, as compiler arguments."""
    for folder in sorted(pathlib.Path("/usr/include").glob(f"{platform.machine()}-*")):
        if (folder / "asm/types.h").exists():
            return ["-isystem", str(folder)]
    return []


@functools.cache
def variants():
    """[(name, object)] for each example, compiler and -mcpu; kept until the process ends."""
    folder = tempfile.TemporaryDirectory(prefix="skep-examples-")
    made = [(folder, None)]  # the first keeps the folder alive
    for compiler, cpus in COMPILERS.items():
        if not shutil.which(compiler):
            continue
        for source in sorted((ROOT / "examples").glob("*.bpf.c")):
            for cpu in cpus:
                name = f"{source.name.removesuffix('.bpf.c')}.{compiler}.{cpu}"
                made.append((name, compile_one(compiler, source, cpu, ["-g"], folder.name, name)))
    return made


def compile_one(compiler, source, cpu, flags, folder, name):
    target = pathlib.Path(folder) / f"{name}.bpf.o"
    subprocess.run([compiler, "-O2", *flags, "-target", "bpf", f"-mcpu={cpu}", "-Wall", "-Werror",
                    *arch_include(), "-c", source, "-o", target], check=True)
    return target


def objects():
    return variants()[1:]
