#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Programs of other projects, as Debian packages them: fetched, built and judged.

  third_party.py FOLDER fetch     packages and sources into FOLDER, unpacked
  third_party.py FOLDER build     objects: compiled by clang, or taken out of binaries
  third_party.py FOLDER score     `skep verify` on each program beside libbpf and the kernel
  third_party.py FOLDER compare   `skep compare` on each; its summary

Fetching calls apt-get (for sources, with deb-src lines in the list of sources); what
the archive does not hold is named and left out. Judging needs root for bpf(2),
libbpf.so.1 and /sys/kernel/btf/vmlinux. "kernel" and "skep" count the programs that each
accepts; "not judged" those that the kernel's verifier never saw: libbpf or the kernel
refused what they attach to, or a map. The sources have licences of their own: keep FOLDER outside
of the repository."""

import argparse
import collections
import ctypes
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

class Libbpf:
    """The kernel's verdict on single programs, loaded by libbpf."""

    STORAGE = {19, 21, 24, 26, 27, 28, 29, 31, 32}  # map types whose max_entries may be 0
    PERF_EVENT_ARRAY, STACK_TRACE = 4, 7
    TYPES = {"socket_filter": 1}

    def __init__(self):
        self.lib = ctypes.CDLL("libbpf.so.1", use_errno=True)
        for name in ("open_file", "next_program", "next_map"):
            getattr(self.lib, f"bpf_object__{name}").restype = ctypes.c_void_p
        for name in ("name", "section_name"):
            getattr(self.lib, f"bpf_program__{name}").restype = ctypes.c_char_p
        self.lib.libbpf_set_print(None)

    def each(self, what, opened):
        at = None
        while at := getattr(self.lib, f"bpf_object__next_{what}")(
                ctypes.c_void_p(opened), ctypes.c_void_p(at)):
            yield ctypes.c_void_p(at)

    def opened(self, path):
        found = self.lib.bpf_object__open_file(os.fsencode(path), None)
        return found if found and found < 2 ** 64 - 4096 else None

    def size_maps(self, opened):
        """As hosts do before they load."""
        for handle in self.each("map", opened):
            kind = self.lib.bpf_map__type(handle)
            if (kind not in self.STORAGE and kind != self.PERF_EVENT_ARRAY
                    and self.lib.bpf_map__max_entries(handle) == 0):
                self.lib.bpf_map__set_max_entries(handle, 1)
            if kind == self.STACK_TRACE and self.lib.bpf_map__value_size(handle) == 0:
                self.lib.bpf_map__set_value_size(handle, 127 * 8)

    def names(self, path):
        opened = self.opened(path)
        if opened is None:
            return []
        found = [self.lib.bpf_program__name(p).decode() for p in self.each("program", opened)]
        self.lib.bpf_object__close(ctypes.c_void_p(opened))
        return found

    def verdict(self, path, name, type_name):
        """"accept", "reject", or "error" where the verifier was not reached; and the reason."""
        opened = self.opened(path)
        if opened is None:
            return "error", "libbpf does not open it"
        self.size_maps(opened)
        log = ctypes.create_string_buffer(1 << 20)
        for program in self.each("program", opened):
            mine = self.lib.bpf_program__name(program).decode() == name
            self.lib.bpf_program__set_autoload(program, mine)
            if not mine:
                continue
            self.lib.bpf_program__set_log_buf(program, log, ctypes.c_size_t(len(log)))
            self.lib.bpf_program__set_log_level(program, 1)
            if self.lib.bpf_program__type(program) == 0 and type_name:
                self.lib.bpf_program__set_type(program, self.TYPES[type_name])
        code = self.lib.bpf_object__load(ctypes.c_void_p(opened))
        self.lib.bpf_object__close(ctypes.c_void_p(opened))
        if code == 0:
            return "accept", ""
        lines = [line for line in log.value.decode(errors="replace").splitlines()
                 if line and not line.startswith(("processed ", "verification time"))]
        return ("reject", lines[-1]) if lines else ("error", os.strerror(-code))


def skep_rows(skep, path, project):
    """Rows of skep's verdicts by program, and why there are none."""
    result = run(skep, "verify", "--json", path, timeout=300)
    try:
        rows = json.loads(result.stdout)
    except ValueError:
        return {}, result.stderr.strip().removeprefix("skep: ")
    for i, row in enumerate(rows):
        if row["type"] != "unspec" or not project.type:
            continue
        typed = run(skep, "verify", "--json", "--type", project.type, "-p", row["program"], path,
                    timeout=300)
        if typed.stdout.startswith("["):
            rows[i] = json.loads(typed.stdout)[0]
    return {row["program"]: row for row in rows}, ""


def score_object(libbpf, skep, project, path, notes):
    count = collections.Counter(objects=1)
    rows, unread = skep_rows(skep, path, project)
    names = libbpf.names(path)
    if not names:
        count["unopened"] = 1  # by libbpf
    if unread:
        notes["not read here"].append(f"{project.name} {path.name}: {unread}"
                                      + ("" if names else " (libbpf neither)"))
    for name in dict.fromkeys([*names, *rows]):
        row = rows.get(name, {"verdict": "error", "message": unread or "not listed"})
        kernel, why = libbpf.verdict(path, name, project.type)
        ours, count["programs"] = row["verdict"], count["programs"] + 1
        count["kernel"] += kernel == "accept"
        count["skep"] += ours == "accept"
        line = f"{project.name} {path.name} {name}: {ours} here ({row['message']}), " \
               f"{kernel} ({why})"
        if kernel == "error":
            count["not judged"] += 1
            notes["not judged by the kernel"].append(line)
        elif (kernel == "accept") == (ours == "accept"):
            count["alike"] += 1
        else:
            notes["verdicts differ"].append(line)
    return count


def score(folder, skep, show):
    columns = ["objects", "unopened", "programs", "kernel", "skep", "alike", "not judged"]
    print(f"{'project':22}" + "".join(f"{column:>11}" for column in columns))
    total, notes, libbpf = collections.Counter(), collections.defaultdict(list), Libbpf()
    for project in PROJECTS:
        count = collections.Counter()
        for path in sorted((folder / "objects" / slug(project)).glob("*.o")):
            count.update(score_object(libbpf, skep, project, path, notes))
        if count["objects"]:
            print(f"{project.name:22}" + "".join(f"{count[c]:11}" for c in columns), flush=True)
        total.update(count)
    print(f"{'all':22}" + "".join(f"{total[c]:11}" for c in columns))
    for title, lines in sorted(notes.items()):
        print(f"{title}: {len(lines)}")
        for line in lines[:show]:
            print("  " + line[:300])
    return 1 if notes["verdicts differ"] else 0


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
