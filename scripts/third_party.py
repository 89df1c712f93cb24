#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Programs of other projects, as Debian packages them: fetched, built and judged.

  third_party.py FOLDER fetch     packages and sources into FOLDER, unpacked
  third_party.py FOLDER build     objects: compiled by clang, or taken out of binaries
  third_party.py FOLDER score     `skep verify --backend both` on each; a table
  third_party.py FOLDER compare   `skep compare` on each; its summary

Fetching calls apt-get (for sources, with deb-src lines in the list of sources); what
the archive does not hold is named and left out. Judging needs root for bpf(2), and
/sys/kernel/btf/vmlinux. The sources have licences of their own: keep FOLDER outside
of the repository."""

import argparse
import collections
import dataclasses
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
LINUX = "linux-source-6.12"
BPF_MACHINE = 247


@dataclasses.dataclass
class Project:
    name: str
    package: str
    kind: str  # "binary", "source" or "linux" (a part of the kernel's sources)
    programs: tuple = ()  # globs of C files; binaries are searched for objects
    includes: tuple = ()  # folders, relative to the sources
    # Types of programs whose section says none; their hosts set it.
    type: str = ""


PROJECTS = [
    Project("xdp-tools", "xdp-tools", "binary"),
    Project("libxdp", "libxdp1", "binary"),
    Project("libbpf-tools (bcc)", "libbpf-tools", "binary"),
    Project("ir-keytable", "ir-keytable", "binary"),
    Project("knot", "libknot13", "binary"),
    Project("qemu", "qemu-system-x86", "binary", type="socket_filter"),
    Project("cilium/ebpf", "golang-github-cilium-ebpf-dev", "binary", type="socket_filter"),
    Project("systemd", "systemd", "source", ("src/**/*.bpf.c",), ("src/shared",)),
    Project("suricata", "suricata", "source", ("ebpf/*.c",), ("ebpf/include", "ebpf"),
            type="socket_filter"),
    Project("iproute2", "iproute2", "source", ("examples/bpf/**/*.c",),
            ("include", "include/uapi")),
    Project("libbpf-tools (pcp)", "pcp", "source",
            ("vendor/github.com/iovisor/bcc/libbpf-tools/*.bpf.c",),
            ("vendor/github.com/iovisor/bcc/libbpf-tools",)),
    Project("bpftool", LINUX, "linux", ("tools/bpf/bpftool/skeleton/*.bpf.c",),
            ("tools/include/uapi",)),
    Project("runqslower", LINUX, "linux", ("tools/bpf/runqslower/*.bpf.c",)),
    Project("perf", LINUX, "linux", ("tools/perf/util/bpf_skel/*.bpf.c",),
            ("tools/include/uapi", "tools/include", "tools/perf/util")),
    Project("kernel samples", LINUX, "linux", ("samples/bpf/*.bpf.c", "samples/bpf/*_kern.c"),
            ("samples/bpf",)),
]


def slug(project):
    return "".join(c if c.isalnum() else "-" for c in project.name).strip("-")


def run(*command, **options):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True,
                          check=False, **options)


# ---- fetch -------------------------------------------------------------------

def fetch_binary(folder, package):
    """The unpacked package, or None."""
    target = folder / "packages" / package
    if target.exists():
        return target
    downloads = folder / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    if not list(downloads.glob(f"{package}_*.deb")):
        run("apt-get", "download", package, cwd=downloads)
    found = sorted(downloads.glob(f"{package}_*.deb"))
    if not found:
        return None
    run("dpkg-deb", "-x", found[-1], target)
    return target


def source_versions(package):
    """As the archive lists them, newest first."""
    lines = run("apt-cache", "showsrc", "--only-source", package).stdout.splitlines()
    versions = [line.split()[1] for line in lines if line.startswith("Version:")]
    return list(reversed(dict.fromkeys(versions)))


def fetch_source(folder, package):
    target = folder / "sources" / package
    if target.exists():
        return target
    downloads = folder / "downloads" / package
    downloads.mkdir(parents=True, exist_ok=True)
    for version in source_versions(package):
        if run("apt-get", "source", "--download-only", f"{package}={version}",
               cwd=downloads).returncode == 0:
            break
    archives = sorted(a for a in downloads.glob("*.orig.tar.*") if a.suffix != ".asc")
    if not archives:
        return None
    target.mkdir(parents=True)
    run("tar", "xf", archives[-1], "-C", target, "--strip-components=1")
    return target


def fetch_linux(folder):
    target = folder / "sources" / "linux"
    archive = pathlib.Path(f"/usr/src/{LINUX}.tar.xz")
    if target.exists():
        return target
    if not archive.exists():
        package = fetch_binary(folder, LINUX)
        archive = package / archive.relative_to("/") if package else archive
    if not archive.exists():
        return None
    target.mkdir(parents=True)
    parts = [f"{LINUX}/{part}" for part in
             ("tools/bpf", "tools/perf/util", "tools/include", "tools/lib", "samples/bpf",
              "include/uapi", "scripts/bpf_doc.py")]
    run("tar", "xf", archive, "-C", target, "--strip-components=1", *parts)
    return target


def place(folder, project):
    if project.kind == "linux":
        return fetch_linux(folder)
    return (fetch_binary if project.kind == "binary" else fetch_source)(folder, project.package)


def fetch(folder):
    for project in PROJECTS:
        where = place(folder, project)
        print(f"{project.name}: {where if where else 'the archive has no ' + project.package}")


# ---- build -------------------------------------------------------------------

def object_at(data, at):
    """The ELF object for BPF that starts there, or None."""
    head = data[at:at + 64]
    if len(head) < 64 or struct.unpack_from("<H", head, 18)[0] != BPF_MACHINE:
        return None
    sections, = struct.unpack_from("<Q", head, 40)
    size, count = struct.unpack_from("<HH", head, 58)
    end = sections + size * count
    for i in range(count):
        header = data[at + sections + i * size:at + sections + (i + 1) * size]
        if len(header) < 64:
            return None
        kind, = struct.unpack_from("<I", header, 4)
        offset, length = struct.unpack_from("<QQ", header, 24)
        if kind != 8:  # takes no room in the file
            end = max(end, offset + length)
    return data[at:at + end]


def extract(source, out):
    """Objects that lie in files, skeletons in programs too."""
    seen = set()
    for path in sorted(source.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        data, at, count = path.read_bytes(), 0, 0
        while (at := data.find(b"\x7fELF\x02\x01\x01", at)) >= 0:
            found = object_at(data, at)
            at += 4
            if found is None or found in seen:
                continue
            seen.add(found)
            name = path.name.split(".o")[0] + (f".{count}" if count else "")
            (out / f"{name}.bpf.o").write_bytes(found)
            count += 1


def headers(folder):
    """vmlinux.h of the running kernel and libbpf's headers, as the kernel's sources have them."""
    include = folder / "include"
    if (include / "vmlinux.h").exists():
        return include
    (include / "bpf").mkdir(parents=True, exist_ok=True)
    linux = fetch_linux(folder)
    for header in (linux / "tools/lib/bpf").glob("*.h"):
        shutil.copy(header, include / "bpf")
    made = run(sys.executable, linux / "scripts/bpf_doc.py", "--header", "--filename",
               linux / "include/uapi/linux/bpf.h")
    (include / "bpf/bpf_helper_defs.h").write_text(made.stdout)
    types = run("bpftool", "btf", "dump", "file", "/sys/kernel/btf/vmlinux", "format", "c")
    (include / "vmlinux.h").write_text(types.stdout)
    return include


def compile_one(clang, include, source, project, path, out):
    name = path.name.removesuffix(".c").removesuffix(".bpf")
    target = out / f"{name}.bpf.o"
    if target.exists():
        return ""
    done = run(clang, "-target", "bpf", "-mcpu=v3", "-g", "-O2", "-w", "-D__TARGET_ARCH_x86",
               "-D__x86_64__", *[f"-I{source / folder}" for folder in project.includes],
               f"-I{include}", "-idirafter", "/usr/include/x86_64-linux-gnu", "-c", path, "-o",
               target)
    if done.returncode == 0:
        return ""
    target.unlink(missing_ok=True)
    return next((line for line in done.stderr.splitlines() if "error:" in line), "")


def build(folder):
    clang = shutil.which("clang-19") or "clang"
    for project in PROJECTS:
        out = folder / "objects" / slug(project)
        out.mkdir(parents=True, exist_ok=True)
        source = place(folder, project)
        if source is None:
            continue
        if project.kind == "binary":
            extract(source, out)
        else:
            include = headers(folder)
            for path in sorted(p for glob in project.programs for p in source.glob(glob)):
                error = compile_one(clang, include, source, project, path, out)
                if error:
                    print(f"{project.name}: {path.name} does not compile: {error}")
        print(f"{project.name}: {len(list(out.glob('*.o')))} objects")


# ---- score -------------------------------------------------------------------

def judge(skep, path, project):
    """Rows of verdicts, and why there are none."""
    rows = []
    result = run(skep, "verify", "--backend", "both", "--json", path, timeout=300)
    try:
        rows = json.loads(result.stdout)
    except ValueError:
        return [], result.stderr.strip().removeprefix("skep: ")
    for i, row in enumerate(rows):
        if row["type"] != "unspec" or not project.type:
            continue
        typed = run(skep, "verify", "--backend", "both", "--json", "--type", project.type, "-p",
                    row["program"], path, timeout=300)
        if typed.stdout.startswith("["):
            rows[i] = json.loads(typed.stdout)[0]
    return rows, ""


def score(folder, skep, show):
    print(f"{'project':22} {'objects':>7} {'unread':>6} {'programs':>8} "
          f"{'kernel accepts':>14} {'skep accepts':>12} {'alike':>6} {'neither judges':>14}")
    total, wrong, unread = collections.Counter(), [], []
    for project in PROJECTS:
        count = collections.Counter()
        for path in sorted((folder / "objects" / slug(project)).glob("*.o")):
            rows, why = judge(skep, path, project)
            count["objects"] += 1
            if not rows:
                count["unread"] += 1
                unread.append(f"{project.name} {path.name}: {why}")
            for row in rows:
                kernel, ours = row["kernel"]["verdict"], row["verdict"]
                count["programs"] += 1
                count["kernel"] += kernel == "accept"
                count["skep"] += ours == "accept"
                # Linked by neither, or not permitted by this kernel at all.
                if kernel == "error":
                    count["neither"] += 1
                elif kernel == ours or (kernel == "reject" and ours == "error"):
                    count["alike"] += 1
                else:
                    wrong.append(f"{project.name} {path.name} {row['program']}: kernel {kernel}, "
                                 f"skep {ours}: {row['message']!r} {row['kernel']['message']!r}")
        if count["objects"]:
            print(f"{project.name:22} {count['objects']:7} {count['unread']:6} "
                  f"{count['programs']:8} {count['kernel']:14} {count['skep']:12} "
                  f"{count['alike']:6} {count['neither']:14}", flush=True)
        total.update(count)
    print(f"{'all':22} {total['objects']:7} {total['unread']:6} {total['programs']:8} "
          f"{total['kernel']:14} {total['skep']:12} {total['alike']:6} {total['neither']:14}")
    for title, lines in (("verdicts differ", wrong), ("not read", unread)):
        if lines:
            print(f"{title}:")
        for line in lines[:show]:
            print("  " + line)
    return 1 if wrong else 0


def compare(folder, skep):
    return subprocess.run([skep, "compare", folder / "objects"], check=False).returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("step", choices=["fetch", "build", "score", "compare"])
    parser.add_argument("--skep", default=os.environ.get("SKEP", ROOT / "build/tools/skep"))
    parser.add_argument("--show", type=int, default=60, help="lines of each list")
    options = parser.parse_args()
    if options.folder == ROOT or ROOT in options.folder.parents:
        parser.error("the folder is to be outside of the repository")
    if options.step == "fetch":
        return fetch(options.folder)
    if options.step == "build":
        return build(options.folder)
    if options.step == "score":
        return score(options.folder, options.skep, options.show)
    return compare(options.folder, options.skep)


if __name__ == "__main__":
    sys.exit(main())
