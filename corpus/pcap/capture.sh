#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Captures mixed.pcap: real traffic between two network namespaces joined by a
# veth pair, recorded by tcpdump at the server's end of the pair.
#
#   sudo ./capture.sh [OUT.pcap]
#
# Needs root, iproute2, tcpdump, python3, curl and wget. Only namespaces and
# devices that this script makes are touched; they go when it ends. Addresses
# are those set aside for documentation (RFC 5737, RFC 3849) and MAC addresses
# are locally administered, so nothing of the host is in the result.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/mixed.pcap}
client=skep-client-$$
server=skep-server-$$
scratch=$(mktemp -d)
children=()

cleanup() {
  for pid in "${children[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  ip netns del "$client" 2>/dev/null || true
  ip netns del "$server" 2>/dev/null || true
  rm -rf "$scratch"
}
trap cleanup EXIT

in_client() { ip netns exec "$client" "$@"; }
in_server() { ip netns exec "$server" "$@"; }

ip netns add "$client"
ip netns add "$server"
ip link add veth-client netns "$client" address 02:00:00:00:00:0a type veth \
  peer name veth-server netns "$server" address 02:00:00:00:00:01

# A veth pair hands over packets whose checksums and segments are left to the
# hardware. With that switched off the capture holds what a wire would carry.
in_client python3 "$here/traffic.py" offloads-off veth-client
in_server python3 "$here/traffic.py" offloads-off veth-server

for i in 1 2; do
  in_server ip address add "192.0.2.$i/24" dev veth-server
done
for i in 10 11 12 66; do
  in_client ip address add "192.0.2.$i/24" dev veth-client
done
in_server ip address add 2001:db8::1/64 dev veth-server nodad
in_client ip address add 2001:db8::10/64 dev veth-client nodad
for ns in "$client" "$server"; do ip -n "$ns" link set lo up; done

# tcpdump wants a device that is up. The server's end comes up first, so that
# the capture also has what the client says when it joins.
in_server ip link set veth-server up
ip netns exec "$server" tcpdump -i veth-server -w "$scratch/mixed.pcap" -U --immediate-mode -s 0 -Z root \
  2>"$scratch/tcpdump.log" &
children+=($!)
for _ in $(seq 100); do
  if grep -q "listening on" "$scratch/tcpdump.log"; then break; fi
  sleep 0.1
done
in_client ip link set veth-client up

ip netns exec "$server" python3 "$here/traffic.py" serve >"$scratch/ready" &
children+=($!)
for _ in $(seq 100); do
  if grep -q ready "$scratch/ready"; then break; fi
  sleep 0.1
done
grep -q ready "$scratch/ready" || { echo "the servers did not start" >&2; exit 1; }
sleep 1  # neighbour discovery and the capture itself settle

in_client python3 "$here/traffic.py" talk
for address in 10 11 12; do
  in_client curl -sS -o /dev/null --interface "192.0.2.$address" http://192.0.2.1/small
  in_client curl -sS -o /dev/null --interface "192.0.2.$address" http://192.0.2.2:8080/medium
done
in_client curl -sS -o /dev/null --data-binary @"$here/traffic.py" http://192.0.2.1/upload
in_client curl -gsS -o /dev/null 'http://[2001:db8::1]/medium'
in_client wget -q -O /dev/null http://192.0.2.1/large
# The blocked client of the examples; in this network nothing stops it.
in_client curl -sS -o /dev/null --interface 192.0.2.66 http://192.0.2.1/small

sleep 1
kill "${children[0]}"
wait "${children[0]}" || true
unset 'children[0]'
children=("${children[@]}")
cat "$scratch/tcpdump.log" >&2
cp "$scratch/mixed.pcap" "$out"
