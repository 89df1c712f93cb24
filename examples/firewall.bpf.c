// SPDX-License-Identifier: Apache-2.0
//
// Drops packets by a blocklist of IPv4 addresses and of ports. The lists are
// maps, so that user space can change them while packets flow; each entry
// counts what it stopped.
//
//   skep run firewall.bpf.o --pcap corpus/pcap/mixed.pcap --show-maps

#include "packet.h"

struct port_key {
  __u16 port;     // host order
  __u8 protocol;  // IPPROTO_TCP or IPPROTO_UDP
  __u8 zero;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 16384);
  __type(key, __be32);
  __type(value, __u64);  // packets stopped
} blocked_addresses SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, struct port_key);
  __type(value, __u64);  // packets stopped
} blocked_ports SEC(".maps");

enum reason {
  REASON_PASSED,
  REASON_ADDRESS,
  REASON_PORT,
  REASON_TRUNCATED,
  REASON_NOT_IP,  // passed too: ARP must go on
  REASONS,
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, REASONS);
  __type(key, __u32);
  __type(value, __u64);  // packets
} verdicts SEC(".maps");

// False: count what would be dropped, and let it pass.
const volatile bool enforce = true;
// False: the lists start empty and are user space's business alone.
const volatile bool use_defaults = true;

const volatile __be32 default_addresses[] = {
#define BLOCK_ADDRESS(a, b, c, d) IPV4(a, b, c, d),
#include "policy.def"
};

const volatile struct port_key default_ports[] = {
#define BLOCK_PORT(protocol, port) {port, IPPROTO_##protocol, 0},
#include "policy.def"
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

bool installed = false;

// Fills the lists when the first packet comes. Two CPUs may both do it: an
// entry that is there already stays as it is.
static __noinline void install_defaults(void) {
  __u64 none = 0;

  for (__u32 i = 0; i < COUNT_OF(default_addresses); ++i) {
    __be32 address = default_addresses[i];
    bpf_map_update_elem(&blocked_addresses, &address, &none, BPF_NOEXIST);
  }
  for (__u32 i = 0; i < COUNT_OF(default_ports); ++i) {
    struct port_key key = {default_ports[i].port, default_ports[i].protocol, 0};
    bpf_map_update_elem(&blocked_ports, &key, &none, BPF_NOEXIST);
  }
  installed = true;
}

static __always_inline bool address_is_blocked(__be32 address) {
  __u64* stopped = bpf_map_lookup_elem(&blocked_addresses, &address);
  if (!stopped) return false;
  __sync_fetch_and_add(stopped, 1);
  return true;
}

static __noinline bool port_is_blocked(__u8 protocol, __u16 port) {
  struct port_key key = {port, protocol, 0};
  __u64* stopped = bpf_map_lookup_elem(&blocked_ports, &key);
  if (!stopped) return false;
  __sync_fetch_and_add(stopped, 1);
  return true;
}

static __always_inline enum reason judge(struct xdp_md* ctx) {
  struct packet packet = {};
  enum packet_status status = parse_packet(ctx, &packet);

  if (status == PACKET_TRUNCATED) return REASON_TRUNCATED;
  if (status != PACKET_IPV4 && status != PACKET_IPV6) return REASON_NOT_IP;
  if (packet.ipv4 && address_is_blocked(packet.ipv4->saddr)) return REASON_ADDRESS;
  if (packet.has_ports) {
    if (port_is_blocked(packet.protocol, packet.destination_port)) return REASON_PORT;
    if (port_is_blocked(packet.protocol, packet.source_port)) return REASON_PORT;
  }
  return REASON_PASSED;
}

SEC("xdp")
int firewall(struct xdp_md* ctx) {
  if (use_defaults && !installed) install_defaults();

  __u32 reason = judge(ctx);
  __u64* packets = bpf_map_lookup_elem(&verdicts, &reason);
  if (packets) __sync_fetch_and_add(packets, 1);

  if (!enforce || reason == REASON_PASSED || reason == REASON_NOT_IP) return XDP_PASS;
  return XDP_DROP;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
