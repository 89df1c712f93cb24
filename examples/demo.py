#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The demo behind demo.sh: verify, run on each engine, compare, print.

Nothing here knows what the programs should find: count_pcap.py does, from the
bytes of the capture alone.
"""

import argparse
import collections
import json
import os
import pathlib
import re
import struct
import subprocess
import sys

import count_pcap

ENGINES = ["interp", "checked", "jit"]
HELLOS = ["hello", "hello_map", "hello_buffer", "hello_tail"]
PACKET_PROGRAMS = ["packet_counter", "firewall", "balancer"]
EXPLAIN = {
    "packet_counter": "counts packets and bytes by protocol and port, and lets them all pass",
    "firewall": "drops what comes from blocked addresses and what has blocked ports",
    "balancer": "shares connections among backends, rewrites addresses and corrects checksums",
}
# System call numbers for hello_tail, and what it must say.
SYSCALLS = [(59, "Executing a program"), (222, "Creating a timer"), (226, "Deleting a timer"),
            (224, "Some other timer operation"), (0, None), (300, "Another syscall: 300"),
            (100_000, "Another syscall: 100000")]
TIMING_REPEAT, TIMING_ROUNDS = 20, 7
COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ


class Failure(Exception):
    pass


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def heading(text):
    print(paint("1", f"\n{text}\n{'=' * len(text)}"))


def say(text):
    print(f"  {text}")


def good(text):
    print(f"  {paint('32', 'ok')}  {text}")


class Demo:
    def __init__(self, arguments):
        self.skep = str(arguments.skep)
        self.objects = arguments.objects
        self.capture = arguments.capture
        self.wrong = []

    def bad(self, text):
        self.wrong.append(text)
        print(f"  {paint('31', 'WRONG')}  {text}")

    def check(self, holds, claim, detail=""):
        if holds:
            good(claim)
        else:
            self.bad(f"{claim}: no. {detail}")

    def object(self, name):
        return str(self.objects / f"{name}.bpf.o")

    def call(self, *arguments):
        """Standard output of the command; raises Failure unless it exits with 0."""
        done = subprocess.run([self.skep, *arguments], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failure(f"skep {' '.join(arguments)}: exit status {done.returncode}\n"
                          f"{done.stdout}{done.stderr}".rstrip())
        return done.stdout

    def call_json(self, *arguments):
        output = self.call(*arguments, "--json")
        try:
            return json.loads(output)
        except json.JSONDecodeError as error:
            raise Failure(f"skep {' '.join(arguments)} --json: {error}:\n{output}") from error

    def run(self, name, engine, *arguments):
        """The run's JSON object."""
        result = self.call_json("run", self.object(name), "--engine", engine, "--show-maps",
                                *arguments)
        return result[0] if isinstance(result, list) else result

    # ---- the parts of the demo ----

    def verify_all(self):
        heading("1. Verify")
        say("Before a program may run, the verifier walks all its paths and proves that it ends")
        say("and touches only memory that is its own.\n")
        rows = []
        for name in HELLOS + PACKET_PROGRAMS:
            for row in self.call_json("verify", self.object(name)):
                rows.append((name, row["program"], row["type"], row["insns"], row["processed"],
                             row["time_us"], row["verdict"]))
                if row["verdict"] != "accept":
                    self.bad(f"{row['program']}: {row['verdict']}: {row['message']}")
        count_pcap.print_table(
            "", ("object", "program", "type", "insns", "walked over", "us", "verdict"), rows)
        self.check(all(row[-1] == "accept" for row in rows), f"{len(rows)} programs accepted")

    def show_lines(self, lines):
        print()
        for line in lines:
            print(f"      {line}")
        print()

    def same_on_all(self, what, by_engine):
        """Checks that each engine's value is the same; returns it."""
        values = list(by_engine.values())
        self.check(all(value == values[0] for value in values),
                   f"{what}: the same on {', '.join(by_engine)}", str(by_engine))
        return values[0]

    def hello(self):
        heading("2. Hello World, in process")
        say("Programs that people write for tracepoints, kprobes and raw tracepoints, run by")
        say("this process: no kernel, no root. hello prints a line to the trace log:\n")
        said = {engine: traced(self.run("hello", engine)) for engine in ENGINES}
        self.show_lines(self.same_on_all("trace", said))
        self.check(said["jit"] == ["Hello World!"], "it says Hello World!", str(said))
        print()

    def hello_map(self):
        say("hello_map counts in a hash map, by user id; here 7 runs:\n")
        maps = {engine: self.run("hello_map", engine, "--repeat", "7")["maps"]["counter_table"]
                for engine in ENGINES}
        entries = self.same_on_all("counter_table", maps)
        self.check([number(entry["value"]) for entry in entries] == [7],
                   "one user, counted 7 times", str(entries))
        self.show_lines(f"user {number(entry['key'])}: {number(entry['value'])}"
                        for entry in entries)

    def hello_buffer(self):
        say("hello_buffer sends a record with process, user, command and message to whoever")
        say("reads, once through a perf buffer and once through a ring buffer:\n")
        for program in ("hello_perf", "hello_ring"):
            counted = {engine: self.globals_of("hello_buffer", self.run(
                "hello_buffer", engine, "-p", program), ("sent", "lost")) for engine in ENGINES}
            found = self.same_on_all(program, counted)
            self.check(found["sent"] + found["lost"] == 1, f"{program} accounts for its record",
                       str(found))
            self.show_lines([f"sent {found['sent']}, lost for want of a reader {found['lost']}"])

    def hello_tail(self):
        say("hello_tail jumps to another program, by the number of a system call; an empty slot")
        say("means that the code after the jump is the default:\n")
        for syscall, words in SYSCALLS:
            context = struct.pack("<QQ", 0, syscall).hex()
            said = {engine: traced(self.run("hello_tail", engine, "-p", "hello", "--ctx-hex",
                                            context)) for engine in ENGINES}
            self.check(all(lines == ([words] if words else []) for lines in said.values()),
                       f"syscall {syscall}: {words or 'nothing said, as it should be'}", str(said))

    def packets(self):
        heading("3. Packet programs over a captured trace")
        frames = count_pcap.read_pcap(self.capture.read_bytes())
        expected, _ = count_pcap.expectations(frames)
        say(f"{self.capture.name}: {len(frames)} packets of real traffic. Each program runs over")
        say("it on three engines; count_pcap.py counts in the same file without any of them.\n")
        for program in PACKET_PROGRAMS:
            print(paint("1", f"  {program}: {EXPLAIN[program]}\n"))
            results = {engine: self.run(program, engine, "-p", program, "--pcap",
                                        str(self.capture)) for engine in ENGINES}
            self.compare(program, results, expected[program], len(frames))
            print()
            for table in count_pcap.tables(program, normalised(results["jit"], expected[program])):
                count_pcap.print_table(*table, indent="    ")

    def compare(self, program, results, expected, packets):
        for engine, result in results.items():
            maps = normalised(result, expected)
            found = {**maps, **self.globals_of(program, result, expected["globals"])}
            wanted = {**expected["maps"], **expected["globals"]}
            differing = [f"{name}: {found.get(name)}, expected {value}"
                         for name, value in wanted.items() if found.get(name) != value]
            counts = {str(value): count for value, count in
                      collections.Counter(expected["retvals"]).items()}
            if result["retvals"] != counts:
                differing.insert(0, f"return values {result['retvals']}, expected {counts}")
            if result.get("trap"):
                differing.insert(0, f"trapped: {result['trap']}")
            self.check(not differing, f"{engine}: verdicts, maps and global variables are "
                       "what count_pcap.py computes", "; ".join(differing))
        self.same_on_all(f"all maps after {packets} packets",
                         {engine: sorted_maps(result) for engine, result in results.items()})

    def globals_of(self, program, result, names):
        """Global variables out of the .bss map, by the object's symbols."""
        bss = [entries for name, entries in result["maps"].items() if name.endswith(".bss")]
        if len(bss) != 1 or len(bss[0]) != 1:
            raise Failure(f"{program}: need one map .bss with one entry, have {bss}")
        data = bytes.fromhex(plain(bss[0][0]["value"]))
        symbols = bss_symbols(pathlib.Path(self.object(program)).read_bytes())
        return {name: int.from_bytes(data[at : at + size], "little")
                for name, (at, size) in symbols.items() if name in names}

    def timings(self):
        heading("4. Time")
        say("Nanoseconds a packet, the best of several times through the trace. The checked interpreter")
        say("is for code that nobody verified; the JIT's code is what production runs.\n")
        rows = []
        for program in PACKET_PROGRAMS:
            ns = [min(self.run(program, engine, "-p", program, "--pcap", str(self.capture),
                               "--repeat", str(TIMING_REPEAT))["ns_per_run"]
                      for _ in range(TIMING_ROUNDS)) for engine in ENGINES]
            rows.append((program, *(f"{value:.1f}" for value in ns), f"{ns[0] / ns[-1]:.1f}"))
        count_pcap.print_table("", ("program", *ENGINES, "interp/jit"), rows)

    def play(self):
        self.verify_all()
        self.hello()
        self.hello_map()
        self.hello_buffer()
        self.hello_tail()
        self.packets()
        self.timings()


def traced(result):
    return [line.rstrip("\n") for line in result["trace"]]


def number(text):
    return int.from_bytes(bytes.fromhex(plain(text)), "little")


def plain(text):
    return re.sub(r"[^0-9a-fA-F]", "", re.sub(r"\b0x", "", text))


def lanes_summed(value, size):
    """A per-CPU value, as one value of `size` bytes: u64 words added up."""
    if isinstance(value, list):
        value = "".join(value)
    data = bytes.fromhex(plain(value))
    if len(data) == size or size == 0 or len(data) % size or size % 8:
        return data.hex()
    sums = [sum(words) & (2**64 - 1)
            for words in zip(*struct.iter_unpack(f"<{size // 8}Q", data))]
    return count_pcap.u64s(*sums).hex()


def normalised(result, expected):
    """The run's maps as count_pcap.py writes them: {name: {key: value}}, keys in order."""
    maps = {}
    for name, entries in expected["maps"].items():
        sizes = {len(value) // 2 for value in entries.values()}
        size = sizes.pop() if len(sizes) == 1 else 0
        found = {plain(entry["key"]): lanes_summed(entry["value"], size)
                 for entry in result["maps"].get(name, [])}
        maps[name] = dict(sorted(found.items()))
    return maps


def sorted_maps(result):
    return {name: sorted((entry["key"], str(entry["value"])) for entry in entries)
            for name, entries in result["maps"].items()}


def bss_symbols(elf):
    """{name: (offset, size)} of what lies in section .bss of a 64-bit ELF object."""
    (table,), (size, count, names_at) = (struct.unpack_from("<Q", elf, 40),
                                         struct.unpack_from("<HHH", elf, 58))
    sections = [struct.unpack_from("<IIQQQQIIQQ", elf, table + i * size) for i in range(count)]

    def text(strings, offset):
        start = sections[strings][4] + offset
        return elf[start : elf.index(b"\0", start)].decode()

    symbols = {}
    for section in sections:
        if section[1] != 2:  # SHT_SYMTAB
            continue
        for at in range(section[4], section[4] + section[5], 24):
            name, _, _, index, value, length = struct.unpack_from("<IBBHQQ", elf, at)
            if index < count and text(names_at, sections[index][0]) == ".bss" and length:
                symbols[text(section[6], name)] = (value, length)
    return symbols


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("skep", "objects", "capture"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    for path, what in ((arguments.skep, "the skep command"), (arguments.capture, "the capture"),
                       (arguments.objects / "hello.bpf.o", "the compiled examples")):
        if not path.exists():
            print(f"{path}: {what} is missing (./dev demo builds it)", file=sys.stderr)
            return 2
    demo = Demo(arguments)
    try:
        demo.play()
    except Failure as failure:
        demo.bad(str(failure))
    heading("Result")
    if demo.wrong:
        say(f"{len(demo.wrong)} things were not as they should be:")
        for line in demo.wrong:
            print(f"    {line}")
        return 1
    say("Every engine did the same, and what an independent script counts.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
