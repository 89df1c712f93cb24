#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the packet programs must find in a capture, computed without them.

  count_pcap.py CAPTURE [--tshark] [--readable]

Reads the capture with a parser of its own and prints, as JSON, the return value
for each packet and the maps that packet_counter, firewall and balancer must
leave behind. Keys and values are in hex, as `skep run --json` prints them; a
per-CPU value is the sum over all CPUs. Checksums are computed anew over whole
packets, where the balancer corrects them.

  --tshark     also counts with tshark and fails if the two differ
  --readable   tables for people instead of JSON
"""

import argparse
import collections
import ipaddress
import json
import pathlib
import re
import shutil
import struct
import subprocess
import sys

POLICY = pathlib.Path(__file__).with_name("policy.def")
ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
PROTOCOLS = {"TCP": TCP, "UDP": UDP}
PROTOCOL_NAMES = {ICMP: "icmp", TCP: "tcp", UDP: "udp", ICMPV6: "icmpv6"}
EXTENSIONS = {0: "hop-by-hop", 43: "routing", 44: "fragment", 60: "destination"}
MAX_EXTENSIONS = 6
XDP_DROP, XDP_PASS, XDP_TX = 1, 2, 3
ACTIONS = {XDP_DROP: "XDP_DROP", XDP_PASS: "XDP_PASS", XDP_TX: "XDP_TX"}
KINDS = ["ipv4", "ipv6", "arp", "other", "truncated"]
REASONS = ["passed", "blocked address", "blocked port", "truncated", "not ip"]
OUTCOMES = ["forwarded", "not ours", "no backend", "not ipv4", "fragment", "truncated"]
FIRST_EPHEMERAL_PORT = 32768
MAX_BACKENDS = 64
HASH_SEED = 0x5EED
MASK = 0xFFFFFFFF

# What a packet says of itself. kind is one of KINDS; ports are 0, and has_ports
# false, where there are none; fragment is "" or "first" or "later".
Packet = collections.namedtuple(
    "Packet", "size kind protocol source destination fragment has_ports sport dport")


class BadCapture(Exception):
    pass


def read_pcap(data):
    """The packets of a classic pcap file, each as bytes."""
    magics = {0xA1B2C3D4: "micro", 0xA1B23C4D: "nano"}
    for order in "<>":
        if len(data) >= 24 and struct.unpack_from(order + "I", data)[0] in magics:
            break
    else:
        raise BadCapture("byte 0: no pcap file header")
    # The upper bits speak of frame check sequences.
    link = struct.unpack_from(order + "I", data, 20)[0] & 0x03FFFFFF
    if link != 1:
        raise BadCapture(f"byte 20: link type {link}, need 1 (Ethernet)")
    at, packets = 24, []
    while at < len(data):
        if len(data) - at < 16:
            raise BadCapture(f"byte {at}: the file ends in the header of packet {len(packets)}")
        kept, length = struct.unpack_from(order + "8xII", data, at)
        if kept > length or kept > len(data) - at - 16:
            raise BadCapture(f"byte {at}: packet {len(packets)} has {kept} bytes of {length}, "
                             f"and {len(data) - at - 16} are left in the file")
        packets.append(data[at + 16 : at + 16 + kept])
        at += 16 + kept
    return packets


# ---- front end 1: our own parser ----


def bare(frame, kind):
    return Packet(len(frame), kind, 0, None, None, "", False, 0, 0)


def dissect(frame):
    """A frame as a Packet, and the offsets of its network and transport header."""
    if len(frame) < 14:
        return bare(frame, "truncated"), None, None
    at = 12
    tags = 0
    while frame[at : at + 2] in (b"\x81\x00", b"\x88\xa8") and tags < 2:
        at += 4
        tags += 1
        if len(frame) < at + 2:
            return bare(frame, "truncated"), None, None
    ethertype, network = frame[at : at + 2], at + 2
    if ethertype == b"\x08\x06":
        return bare(frame, "arp"), None, None
    if ethertype == b"\x08\x00":
        packet, transport = dissect_ipv4(frame, network)
    elif ethertype == b"\x86\xdd":
        packet, transport = dissect_ipv6(frame, network)
    else:
        return bare(frame, "other"), None, None
    return packet, network, transport


def dissect_ipv4(frame, at):
    if len(frame) < at + 20 or frame[at] >> 4 != 4:
        return bare(frame, "truncated"), None
    header_size = (frame[at] & 15) * 4
    if header_size < 20 or len(frame) < at + header_size:
        return bare(frame, "truncated"), None
    flags = int.from_bytes(frame[at + 6 : at + 8], "big")
    fragment = "later" if flags & 0x1FFF else "first" if flags & 0x2000 else ""
    addresses = [ipaddress.IPv4Address(frame[at + i : at + i + 4]) for i in (12, 16)]
    return with_ports(frame, "ipv4", frame[at + 9], addresses, fragment, at + header_size)


def dissect_ipv6(frame, at):
    if len(frame) < at + 40 or frame[at] >> 4 != 6:
        return bare(frame, "truncated"), None
    addresses = [ipaddress.IPv6Address(frame[at + i : at + i + 16]) for i in (8, 24)]
    protocol, fragment = frame[at + 6], ""
    at += 40
    for _ in range(MAX_EXTENSIONS):
        name = EXTENSIONS.get(protocol)
        if name is None or fragment == "later":
            break
        if len(frame) < at + 4:
            return bare(frame, "truncated"), None
        size = 8
        if name == "fragment":
            offset = int.from_bytes(frame[at + 2 : at + 4], "big")
            fragment = "later" if offset & 0xFFF8 else "first"
        else:
            size = 8 * (frame[at + 1] + 1)
        protocol = frame[at]
        at += size
    return with_ports(frame, "ipv6", protocol, addresses, fragment, at)


def with_ports(frame, kind, protocol, addresses, fragment, at):
    sport = dport = 0
    has_ports = False
    if fragment != "later" and protocol in (TCP, UDP):
        if len(frame) < at + (20 if protocol == TCP else 8):
            return bare(frame, "truncated"), None
        sport, dport = struct.unpack_from("!HH", frame, at)
        has_ports = True
    return Packet(len(frame), kind, protocol, *addresses, fragment, has_ports, sport, dport), at


# ---- front end 2: tshark ----

TSHARK_FIELDS = """frame.len eth.type vlan.etype ip.proto ip.src ip.dst ip.frag_offset ip.flags.mf
    ipv6.nxt ipv6.src ipv6.dst ipv6.hopopts.nxt ipv6.fraghdr.nxt ipv6.fraghdr.offset
    tcp.srcport tcp.dstport udp.srcport udp.dstport""".split()


def tshark_packets(path):
    """The same Packets, as Wireshark's dissectors see them."""
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", "-E", "occurrence=f"]
    command += ["-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE"]
    for field in TSHARK_FIELDS:
        command += ["-e", field]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for line in output.splitlines():
        row = dict(zip(TSHARK_FIELDS, line.split("\t")))
        yield tshark_packet({key: value for key, value in row.items() if value})


def tshark_packet(row):
    size = int(row["frame.len"])
    ethertype = int(row.get("vlan.etype") or row["eth.type"], 0)
    if ethertype == 0x0800:
        kind, protocol = "ipv4", int(row["ip.proto"])
        addresses = [ipaddress.ip_address(row[key]) for key in ("ip.src", "ip.dst")]
        more = row["ip.flags.mf"] in ("1", "True")
        fragment = "later" if int(row["ip.frag_offset"]) else "first" if more else ""
    elif ethertype == 0x86DD:
        kind, protocol, fragment = "ipv6", int(row["ipv6.nxt"]), ""
        addresses = [ipaddress.ip_address(row[key]) for key in ("ipv6.src", "ipv6.dst")]
        if protocol == 0:
            protocol = int(row["ipv6.hopopts.nxt"])
        if protocol == 44:
            protocol = int(row["ipv6.fraghdr.nxt"])
            fragment = "later" if int(row["ipv6.fraghdr.offset"]) else "first"
    else:
        return Packet(size, "arp" if ethertype == 0x0806 else "other", 0, None, None, "",
                      False, 0, 0)
    sport = dport = 0
    # An ICMP error quotes another packet's headers; those are not its own.
    name = {TCP: "tcp", UDP: "udp"}.get(protocol)
    has_ports = bool(name) and fragment != "later"
    if has_ports:
        sport, dport = int(row[f"{name}.srcport"]), int(row[f"{name}.dstport"])
    return Packet(size, kind, protocol, *addresses, fragment, has_ports, sport, dport)


# ---- what each program makes of the packets ----


def u64s(*values):
    return struct.pack(f"<{len(values)}Q", *values)


def hex_map(entries):
    return {key.hex(): value.hex() for key, value in sorted(entries.items())}


def array_map(entries, size, zero):
    return hex_map({struct.pack("<I", i): entries.get(i, zero) for i in range(size)})


def service_port(sport, dport):
    low = [port for port in (sport, dport) if port < FIRST_EPHEMERAL_PORT]
    return low[0] if len(low) == 1 else min(sport, dport)


def count_services(packets):
    services = collections.defaultdict(lambda: [0, 0])
    kinds = collections.defaultdict(lambda: [0, 0])
    for packet in packets:
        tallies = [kinds[KINDS.index(packet.kind)]]
        if packet.kind in ("ipv4", "ipv6"):
            port = service_port(packet.sport, packet.dport)
            key = struct.pack("<BBH", 4 if packet.kind == "ipv4" else 6, packet.protocol, port)
            tallies.append(services[key])
        for tally in tallies:
            tally[0] += 1
            tally[1] += packet.size
    return {
        "retvals": [XDP_PASS] * len(packets),
        "maps": {
            "services": hex_map({key: u64s(*tally) for key, tally in services.items()}),
            "kinds": array_map({i: u64s(*t) for i, t in kinds.items()}, len(KINDS), u64s(0, 0)),
        },
        "globals": {"largest_packet": max((p.size for p in packets), default=0),
                    "services_lost": 0},
    }


def read_policy(path=POLICY):
    """The rows of policy.def, by macro name, each a list of words."""
    rows = collections.defaultdict(list)
    for line in path.read_text().splitlines():
        if match := re.match(r"([A-Z_]+)\(([^)]*)\)$", line.strip()):
            rows[match[1]].append([word.strip() for word in match[2].split(",")])
    return rows


def address_of(words):
    return ipaddress.IPv4Address(".".join(words))


def judge(packet, blocked_addresses, blocked_ports):
    if packet.kind == "truncated":
        return "truncated"
    if packet.kind not in ("ipv4", "ipv6"):
        return "not ip"
    if packet.kind == "ipv4" and packet.source in blocked_addresses:
        blocked_addresses[packet.source] += 1
        return "blocked address"
    if packet.has_ports:
        for port in (packet.dport, packet.sport):
            if (packet.protocol, port) in blocked_ports:
                blocked_ports[packet.protocol, port] += 1
                return "blocked port"
    return "passed"


def filter_packets(packets, policy):
    addresses = {address_of(row): 0 for row in policy["BLOCK_ADDRESS"]}
    ports = {(PROTOCOLS[row[0]], int(row[1])): 0 for row in policy["BLOCK_PORT"]}
    if not packets:
        addresses = ports = {}  # the lists are filled when the first packet comes
    reasons = [judge(packet, addresses, ports) for packet in packets]
    counts = collections.Counter(REASONS.index(reason) for reason in reasons)
    return {
        "retvals": [XDP_PASS if r in ("passed", "not ip") else XDP_DROP for r in reasons],
        "maps": {
            "blocked_addresses": hex_map({a.packed: u64s(n) for a, n in addresses.items()}),
            "blocked_ports": hex_map(
                {struct.pack("<HBx", port, proto): u64s(n) for (proto, port), n in ports.items()}),
            "verdicts": array_map({i: u64s(n) for i, n in counts.items()}, len(REASONS), u64s(0)),
        },
        "globals": {"installed": int(bool(packets))},
    }


def mix(h):
    h ^= h >> 16
    h = h * 0x85EBCA6B & MASK
    h ^= h >> 13
    h = h * 0xC2B2AE35 & MASK
    return h ^ h >> 16


def choose_backend(packet, first, count):
    flow = mix(int.from_bytes(packet.source.packed, "little") ^ HASH_SEED)
    flow = mix(flow ^ (packet.sport << 16 | packet.dport))
    flow = mix(flow ^ packet.protocol)
    draws = [mix(flow ^ (index * 0x9E3779B1 & MASK)) for index in range(first, first + count)]
    return first + draws.index(max(draws))


def internet_checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def rewritten(frame, network, transport, protocol, backend):
    """The frame as the backend must get it, with checksums computed anew."""
    address, mac = backend
    out = bytearray(frame)
    out[6:12] = frame[0:6]
    out[0:6] = mac
    out[network + 16 : network + 20] = address.packed
    out[network + 10 : network + 12] = b"\0\0"
    out[network + 10 : network + 12] = internet_checksum(
        bytes(out[network:transport])).to_bytes(2, "big")
    end = network + int.from_bytes(out[network + 2 : network + 4], "big")
    at = transport + (16 if protocol == TCP else 6)
    if protocol == TCP or out[at : at + 2] != b"\0\0":
        out[at : at + 2] = b"\0\0"
        pseudo = bytes(out[network + 12 : network + 20]) + struct.pack(
            "!BBH", 0, protocol, end - transport)
        check = internet_checksum(pseudo + bytes(out[transport:end]))
        if protocol == UDP and check == 0:
            check = 0xFFFF
        out[at : at + 2] = check.to_bytes(2, "big")
    return bytes(out), at


def outcome_of(packet, services):
    """What becomes of a packet, and the backends it may go to."""
    if packet.kind == "truncated":
        return "truncated", None
    if packet.kind != "ipv4":
        return "not ipv4", None
    if packet.fragment:
        return "fragment", None
    key = (packet.destination, packet.protocol, packet.dport)
    if not packet.has_ports or key not in services:
        return "not ours", None
    first, count = services[key]
    return ("forwarded", (first, count)) if count else ("no backend", None)


def balance_packets(dissected, policy):
    """dissected: for each packet (Packet, frame, network, transport)."""
    backends, services = {}, {}
    if dissected:
        for row in policy["BACKEND"]:
            backends[int(row[0])] = (address_of(row[1:5]),
                                     bytes([2, 0, 0, 0, 0xBB, int(row[5], 0)]))
        for row in policy["SERVICE"]:
            key = (address_of(row[:4]), PROTOCOLS[row[4]], int(row[5]))
            services[key] = (int(row[6]), int(row[7]))
    outcomes, traffic, digest, frames = [], collections.defaultdict(lambda: [0, 0]), 0, []
    for packet, frame, network, transport in dissected:
        outcome, choices = outcome_of(packet, services)
        outcomes.append(outcome)
        if outcome == "forwarded":
            index = choose_backend(packet, *choices)
            traffic[index][0] += 1
            traffic[index][1] += packet.size
            if frame is not None:
                frame, at = rewritten(frame, network, transport, packet.protocol, backends[index])
                ip, check = frame[network + 16 : network + 20], frame[network + 10 : network + 12]
                written = int.from_bytes(ip + check + frame[at : at + 2], "little")
                digest = (digest + (written ^ frame[5])) & 0xFFFFFFFFFFFFFFFF
        frames.append(frame)
    actions = {"forwarded": XDP_TX, "no backend": XDP_DROP, "truncated": XDP_DROP}
    counts = collections.Counter(OUTCOMES.index(outcome) for outcome in outcomes)
    service_entries = {
        address.packed + struct.pack("!HBx", port, protocol): struct.pack("<II", *value)
        for (address, protocol, port), value in services.items()}
    backend_entries = {i: a.packed + mac + b"\0\0" for i, (a, mac) in backends.items()}
    return {
        "retvals": [actions.get(outcome, XDP_PASS) for outcome in outcomes],
        "maps": {
            "services": hex_map(service_entries),
            "backends": array_map(backend_entries, MAX_BACKENDS, bytes(12)),
            "backend_traffic": array_map({i: u64s(*t) for i, t in traffic.items()},
                                         MAX_BACKENDS, u64s(0, 0)),
            "outcomes": array_map({i: u64s(n) for i, n in counts.items()}, len(OUTCOMES), u64s(0)),
        },
        "globals": {"installed": int(bool(dissected)), "digest": digest},
    }, frames


def expectations(frames):
    """For each program: retvals, maps, globals; and the balancer's output frames."""
    policy = read_policy()
    dissected = [(packet, frame, network, transport)
                 for frame in frames for packet, network, transport in [dissect(frame)]]
    packets = [row[0] for row in dissected]
    balanced, out = balance_packets(dissected, policy)
    return {"packet_counter": count_services(packets),
            "firewall": filter_packets(packets, policy),
            "balancer": balanced}, out


def differences_from_tshark(path, frames):
    """What tshark counts otherwise than we do, as lines of text."""
    policy = read_policy()
    ours, _ = expectations(frames)
    packets = list(tshark_packets(path))
    theirs = {"packet_counter": count_services(packets),
              "firewall": filter_packets(packets, policy),
              "balancer": balance_packets([(p, None, None, None) for p in packets], policy)[0]}
    # tshark cannot know what the balancer would write.
    theirs["balancer"]["globals"]["digest"] = ours["balancer"]["globals"]["digest"]
    for program, expected in ours.items():
        for part, value in expected.items():
            if theirs[program][part] != value:
                yield f"{program}: {part}: we have {value}, tshark {theirs[program][part]}"


# ---- tables for people ----


def numbers(value):
    raw = bytes.fromhex(value)
    return struct.unpack(f"<{len(raw) // 8}Q", raw)


def service_rows(maps):
    for key, value in maps["services"].items():
        family, protocol, port = struct.unpack("<BBH", bytes.fromhex(key))
        name = PROTOCOL_NAMES.get(protocol, str(protocol))
        yield (f"ipv{family}", name, port or "-", *numbers(value))


def blocked_rows(maps):
    for key, value in maps["blocked_addresses"].items():
        yield ("address", ipaddress.IPv4Address(bytes.fromhex(key)), *numbers(value))
    for key, value in maps["blocked_ports"].items():
        port, protocol = struct.unpack("<HBx", bytes.fromhex(key))
        yield ("port", f"{PROTOCOL_NAMES[protocol]}/{port}", *numbers(value))


def backend_rows(maps):
    for key, value in maps["backends"].items():
        raw = bytes.fromhex(value)
        if any(raw):
            yield (int.from_bytes(bytes.fromhex(key), "little"),
                   ipaddress.IPv4Address(raw[:4]), raw[4:10].hex(":"),
                   *numbers(maps["backend_traffic"][key]))


def named_rows(names, entries):
    for name, value in zip(names, entries.values()):
        yield (name, *numbers(value))


def tables(program, maps):
    """(title, column names, rows) for each thing worth seeing in a program's maps."""
    if program == "packet_counter":
        yield "packets by kind", ("kind", "packets", "bytes"), named_rows(KINDS, maps["kinds"])
        yield ("packets by service", ("family", "protocol", "port", "packets", "bytes"),
               sorted(service_rows(maps), key=lambda row: -row[4]))
    elif program == "firewall":
        yield "verdicts", ("reason", "packets"), named_rows(REASONS, maps["verdicts"])
        yield "blocklist", ("kind", "entry", "stopped"), blocked_rows(maps)
    elif program == "balancer":
        yield "outcomes", ("outcome", "packets"), named_rows(OUTCOMES, maps["outcomes"])
        yield ("backends", ("#", "address", "mac", "packets", "bytes"), backend_rows(maps))


def print_table(title, columns, rows, indent="  ", out=sys.stdout):
    rows = [tuple(str(cell) for cell in row) for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *rows)]
    right = [all(re.fullmatch(r"[-\d.,]+", row[i]) for row in rows) for i in range(len(columns))]

    def line(cells):
        padded = (cell.rjust(width) if flush else cell.ljust(width)
                  for cell, width, flush in zip(cells, widths, right))
        return (indent + "  ".join(padded)).rstrip()

    if title:
        print(f"{indent}{title}", file=out)
    print(line(columns), file=out)
    print(indent + "  ".join("-" * width for width in widths), file=out)
    for row in rows:
        print(line(row), file=out)
    print(file=out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("capture", type=pathlib.Path)
    parser.add_argument("--tshark", action="store_true", help="compare with tshark's count")
    parser.add_argument("--readable", action="store_true", help="tables instead of JSON")
    arguments = parser.parse_args()
    try:
        frames = read_pcap(arguments.capture.read_bytes())
    except (OSError, BadCapture) as error:
        print(f"{arguments.capture}: {error}", file=sys.stderr)
        return 2
    expected, _ = expectations(frames)
    if arguments.readable:
        for program, result in expected.items():
            print(f"{program}: {len(frames)} packets")
            for table in tables(program, result["maps"]):
                print_table(*table)
    else:
        json.dump({"packets": len(frames), **expected}, sys.stdout, indent=1)
        print()
    if arguments.tshark:
        if not shutil.which("tshark"):
            print("tshark is not installed (Debian: tshark)", file=sys.stderr)
            return 2
        lines = list(differences_from_tshark(arguments.capture, frames))
        print("\n".join(lines) or "tshark counts the same", file=sys.stderr)
        return 1 if lines else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
