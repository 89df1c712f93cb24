#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The two ends of the traffic that capture.sh records.

  traffic.py offloads-off DEVICE   let the stack itself segment and checksum
  traffic.py serve                 HTTP, DNS and echo servers; says "ready"
  traffic.py talk                  a client that uses each of them

Plain sockets only, so that a machine needs nothing but Python to repeat it.
"""

import array
import fcntl
import http.server
import random
import socket
import socketserver
import struct
import sys
import threading
import time

SERVER = "192.0.2.1"
SECOND_SERVER = "192.0.2.2"
SERVER6 = "2001:db8::1"
CLIENTS = ["192.0.2.10", "192.0.2.11", "192.0.2.12"]
BLOCKED_CLIENT = "192.0.2.66"

BODIES = {"/small": 100, "/medium": 5_000, "/large": 120_000}
UDP_ECHO_PORTS = [5000, 5001, 9999]
TCP_ECHO_PORTS = [7, 23, 7000, 8443]
CLOSED_PORT = 4444

ZONE = {
    "www.example.com": "192.0.2.1",
    "api.example.com": "192.0.2.2",
    "mail.example.org": "192.0.2.2",
    "a-rather-long-label-to-make-the-packet-longer.example.net": "192.0.2.1",
}


def offloads_off(device):
    """The ethtool(8) requests tx, rx, tso, gso and gro "off", as ioctls."""
    siocethtool = 0x8946
    commands = {"rx": 0x15, "tx": 0x17, "tso": 0x1F, "gso": 0x24, "gro": 0x2C}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for name, command in commands.items():
            value = array.array("B", struct.pack("=II", command, 0))
            request = struct.pack("@16sP16x", device.encode(), value.buffer_info()[0])
            try:
                fcntl.ioctl(sock, siocethtool, request)
            except OSError as error:
                # Some are fixed on some kernels; transmit checksums must go.
                if name == "tx":
                    raise SystemExit(f"{device}: cannot switch off {name}: {error}")


# ---- servers ----


class Pages(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "pages/1.0"
    sys_version = ""

    def do_GET(self):
        size = BODIES.get(self.path)
        body = bytes(i % 251 for i in range(size)) if size is not None else b"no such page\n"
        self.send_response(200 if size is not None else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


class DualStackServer(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(4096):
            self.request.sendall(data)


class EchoServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def dns_answer(query):
    """An A record from ZONE, or NXDOMAIN (RFC 1035)."""
    ident, _, questions = struct.unpack("!HHH", query[:6])
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode())
        at += 1 + query[at]
    question = query[12 : at + 5]
    address = ZONE.get(".".join(labels))
    flags = 0x8580 if address else 0x8583
    answer = b""
    if address:
        answer = struct.pack("!HHHIH", 0xC00C, 1, 1, 300, 4) + socket.inet_aton(address)
    return struct.pack("!6H", ident, flags, questions, 1 if address else 0, 0, 0) + question + answer


def answer_udp(port, answer):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", port))
    # Answers leave from the address that was asked, or the client refuses them.
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    while True:
        data, control, _, peer = sock.recvmsg(65535, 256)
        pktinfo = [(level, kind, value) for level, kind, value in control
                   if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO)]
        sock.sendmsg([answer(data)], pktinfo, 0, peer)


def serve():
    jobs = [DualStackServer(("::", port), Pages).serve_forever for port in (80, 8080)]
    jobs += [EchoServer(("0.0.0.0", port), Echo).serve_forever for port in TCP_ECHO_PORTS]
    jobs += [lambda port=port: answer_udp(port, lambda data: data) for port in UDP_ECHO_PORTS]
    jobs += [lambda: answer_udp(53, dns_answer)]
    threads = [threading.Thread(target=job, daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    print("ready", flush=True)
    for thread in threads:
        thread.join()


# ---- the client ----


def udp_exchange(source, server, port, payload, timeout=2.0):
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout)
        if source:
            sock.bind((source, 0))
        sock.connect((server, port))
        sock.send(payload)
        try:
            return sock.recv(65535)
        except ConnectionRefusedError:
            return None


def tcp_exchange(source, server, port, payload):
    with socket.create_connection((server, port), 5, (source, 0)) as sock:
        sock.sendall(payload)
        sock.shutdown(socket.SHUT_WR)
        got = b""
        while chunk := sock.recv(65535):
            got += chunk
    assert got == payload


def dns_query(name, ident, record_type=1):
    question = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!6H", ident, 0x0100, 1, 0, 0, 0) + question + struct.pack(
        "!BHH", 0, record_type, 1)


def checksum(data):
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ping(server, size, sequence):
    """ICMP echo; the kernel fills in the checksum for IPv6 only."""
    six = ":" in server
    kind = 128 if six else 8
    body = struct.pack("!HH", 0x5EB0, sequence) + bytes(i & 0xFF for i in range(size))
    message = struct.pack("!BBH", kind, 0, 0) + body
    if not six:
        message = struct.pack("!BBH", kind, 0, checksum(message)) + body
    family, protocol = ((socket.AF_INET6, socket.IPPROTO_ICMPV6) if six
                        else (socket.AF_INET, socket.IPPROTO_ICMP))
    with socket.socket(family, socket.SOCK_RAW, protocol) as sock:
        sock.settimeout(2)
        sock.connect((server, 0))
        sock.send(message)
        sock.recv(65535)


def vlan_datagrams(device, count):
    """UDP in 802.1Q frames, written to the wire as they are."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((device, 0))
        for number in range(count):
            payload = f"tagged {number}".encode() * 4
            udp = struct.pack("!HHHH", 40_000 + number, 5000, 8 + len(payload), 0) + payload
            addresses = socket.inet_aton(CLIENTS[0]) + socket.inet_aton(SERVER)
            header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), number, 0x4000, 64, 17, 0)
            full = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), number, 0x4000, 64, 17,
                               checksum(header + addresses)) + addresses
            macs = bytes.fromhex("020000000001") + bytes.fromhex("02000000000a")
            sock.send(macs + struct.pack("!HHH", 0x8100, 100, 0x0800) + full + udp)


def talk():
    pick = random.Random(1)
    data = bytes(pick.randrange(256) for _ in range(20_000))

    for number, name in enumerate([*ZONE, "nowhere.example.com"]):
        for record_type in (1, 28):
            reply = udp_exchange(CLIENTS[number % 3], SERVER, 53,
                                 dns_query(name, 1000 + number, record_type))
            assert reply and len(reply) > 12
    udp_exchange(None, SERVER6, 53, dns_query("www.example.com", 2000))
    udp_exchange(BLOCKED_CLIENT, SERVER, 53, dns_query("www.example.com", 2001))

    for size in (0, 1, 18, 512, 1472, 4000):
        for port in UDP_ECHO_PORTS:
            udp_exchange(CLIENTS[size % 3], SERVER, port, data[:size])
    udp_exchange(None, SERVER6, 5000, data[:1452])
    udp_exchange(None, SERVER6, 5001, data[:3000])
    udp_exchange(None, SERVER, CLOSED_PORT, b"anyone there?")

    for number, port in enumerate(TCP_ECHO_PORTS):
        for size in (1, 700, 20_000):
            tcp_exchange(CLIENTS[number % 3], SERVER, port, data[:size])
    tcp_exchange(BLOCKED_CLIENT, SERVER, 8443, b"let me in")
    for number in range(12):
        tcp_exchange(CLIENTS[number % 3], SERVER, 8443, data[: 40 + number])
    try:
        socket.create_connection((SERVER, CLOSED_PORT), 2)
    except ConnectionRefusedError:
        pass

    for number, size in enumerate((0, 56, 1400, 3000)):
        ping(SERVER, size, number)
        ping(SERVER6, size, number)
    ping(SECOND_SERVER, 56, 9)

    vlan_datagrams("veth-client", 6)
    time.sleep(0.2)


def main(arguments):
    if arguments[:1] == ["offloads-off"] and len(arguments) == 2:
        offloads_off(arguments[1])
    elif arguments == ["serve"]:
        serve()
    elif arguments == ["talk"]:
        talk()
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
