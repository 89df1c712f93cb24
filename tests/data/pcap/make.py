#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the pcap files beside it: variants a reader must take, and hostile ones.

  make.py [DIRECTORY]

Names say what to expect: ok_* holds three packets, of 14, 60 and 100 bytes,
each filled with its number (1, 2, 3); bad_* must be refused with one line that
names the file, the place and what was expected; cut_* is sound until it ends
early, after two whole packets; odd_* a reader may take or refuse.
"""

import pathlib
import struct
import sys

MICRO, NANO, PCAPNG = 0xA1B2C3D4, 0xA1B23C4D, 0x0A0D0D0A
ETHERNET = 1
SIZES = (14, 60, 100)


def header(order="<", magic=MICRO, major=2, minor=4, snaplen=65535, link=ETHERNET):
    return struct.pack(order + "IHHiIII", magic, major, minor, 0, 0, snaplen, link)


def record(data, order="<", caplen=None, length=None, seconds=1_700_000_000, fraction=5):
    caplen = len(data) if caplen is None else caplen
    length = len(data) if length is None else length
    return struct.pack(order + "IIII", seconds, fraction, caplen, length) + data


def packets(order="<"):
    return [record(bytes([number]) * size, order) for number, size in enumerate(SIZES, 1)]


def pcapng_block(kind, body):
    body += b"\0" * (-len(body) % 4)
    size = 12 + len(body)
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)


def pcapng():
    out = pcapng_block(PCAPNG, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    out += pcapng_block(1, struct.pack("<HHI", ETHERNET, 0, 65535))
    for number, size in enumerate(SIZES, 1):
        data = bytes([number]) * size
        out += pcapng_block(6, struct.pack("<IIIII", 0, 0, 0, size, size) + data)
    return out


def files():
    whole = header() + b"".join(packets())
    two = header() + b"".join(packets()[:2])
    small = bytes(14)
    yield "ok_micro_little.pcap", whole
    yield "ok_micro_big.pcap", header(">") + b"".join(packets(">"))
    yield "ok_nano_little.pcap", header(magic=NANO) + b"".join(packets())
    yield "ok_nano_big.pcap", header(">", magic=NANO) + b"".join(packets(">"))
    yield "ok_snapped.pcap", header() + b"".join(  # less was kept than was seen
        record(bytes([number]) * size, length=size + 1000) for number, size in enumerate(SIZES, 1))
    yield "ok_snaplen_zero.pcap", header(snaplen=0) + b"".join(packets())
    yield "ok_fcs_bits.pcap", header(link=ETHERNET | 0x24000000) + b"".join(packets())
    # A reader may take pcapng or refuse it by name; it must not take it for pcap.
    yield "pcapng.pcapng", pcapng()

    yield "bad_empty.pcap", b""
    yield "bad_three_bytes.pcap", whole[:3]
    yield "bad_header_cut.pcap", header()[:20]
    yield "bad_magic.pcap", b"\xde\xad\xbe\xef" + whole[4:]
    yield "bad_version.pcap", header(major=9) + b"".join(packets())
    yield "bad_link_type_raw_ip.pcap", header(link=101) + b"".join(packets())
    yield "bad_link_type_unknown.pcap", header(link=0x0FFFFFFF) + b"".join(packets())
    yield "bad_caplen_huge.pcap", two + record(small, caplen=0xFFFFFFFF, length=0xFFFFFFFF)
    yield "bad_caplen_negative.pcap", two + record(small, caplen=0x80000000, length=0x80000000)
    yield "bad_caplen_many_gigabytes.pcap", header(snaplen=0xFFFFFFFF) + record(
        small, caplen=0x7FFFFFF0, length=0x7FFFFFF0)
    yield "bad_byte_order_of_records.pcap", header("<") + b"".join(packets(">"))
    yield "bad_text.pcap", b"GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n"
    yield "bad_pcapng_header_cut.pcapng", pcapng()[:10]

    yield "cut_in_record_header.pcap", two + packets()[2][:9]
    yield "cut_in_data.pcap", two + packets()[2][:50]
    yield "cut_before_data.pcap", two + packets()[2][:16]

    # Readers differ on the first ones. The others are sound, but hold packets
    # that are no frames: too short for Ethernet, or large.
    yield "odd_caplen_over_len.pcap", two + record(bytes(100), length=20)
    yield "odd_no_packets.pcap", header()
    yield "odd_caplen_over_snaplen.pcap", header(snaplen=64) + record(bytes(100))
    yield "odd_empty_packet.pcap", header() + record(b"")
    yield "odd_one_byte_packet.pcap", header() + record(b"\1")
    yield "odd_64k_packet.pcap", header(snaplen=262144) + record(bytes(range(256)) * 256)


def main(arguments):
    directory = pathlib.Path(arguments[0] if arguments else pathlib.Path(__file__).parent)
    for name, content in files():
        (directory / name).write_bytes(content)


if __name__ == "__main__":
    main(sys.argv[1:])
