// SPDX-License-Identifier: Apache-2.0
//
// A layer 4 load balancer. What is sent to the address and port of a service is
// shared among its backends: the packet gets the backend's MAC and IP address,
// its checksums are corrected, and it goes back out of the device it came by.
// All packets of a connection go to the same backend, and when the list of
// backends changes, only the connections of the backends that left move.
//
// This is the way to the servers; the way back is the same rewrite in reverse.
//
//   skep run balancer.bpf.o --pcap corpus/pcap/mixed.pcap --show-maps

#include "packet.h"

#define MAX_BACKENDS 64
#define MAX_BACKENDS_OF_A_SERVICE 8

struct service_key {
  __be32 address;
  __be16 port;
  __u8 protocol;
  __u8 zero;
};

struct service {
  __u32 first;  // index of its first backend
  __u32 count;  // at most MAX_BACKENDS_OF_A_SERVICE
};

struct backend {
  __be32 address;  // 0: not in use
  __u8 mac[ETH_ALEN];
  __u8 zero[2];
};

struct traffic {
  __u64 packets;
  __u64 bytes;
};

enum outcome {
  OUTCOME_FORWARDED,
  OUTCOME_NOT_OURS,    // no service has this address and port
  OUTCOME_NO_BACKEND,  // the service has none
  OUTCOME_NOT_IPV4,
  OUTCOME_FRAGMENT,  // cannot be told apart by port
  OUTCOME_TRUNCATED,
  OUTCOMES,
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, struct service_key);
  __type(value, struct service);
} services SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, MAX_BACKENDS);
  __type(key, __u32);
  __type(value, struct backend);
} backends SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, MAX_BACKENDS);
  __type(key, __u32);
  __type(value, struct traffic);
} backend_traffic SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, OUTCOMES);
  __type(key, __u32);
  __type(value, __u64);
} outcomes SEC(".maps");

// False: services and backends are user space's business alone.
const volatile bool use_defaults = true;
// Each balancer of a site must choose alike: they share this number.
const volatile __u32 hash_seed = 0x5eed;

struct default_service {
  struct service_key key;
  struct service service;
};

const volatile struct default_service default_services[] = {
#define SERVICE(a, b, c, d, protocol, port, first, count) \
  {{IPV4(a, b, c, d), __bpf_constant_htons(port), IPPROTO_##protocol, 0}, {first, count}},
#include "policy.def"
};

const volatile struct backend default_backends[] = {
#define BACKEND(index, a, b, c, d, mac) \
  [index] = {IPV4(a, b, c, d), {0x02, 0, 0, 0, 0xbb, mac}, {0, 0}},
#include "policy.def"
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

bool installed = false;
// Sums up what was written into packets, so that two runs can be compared.
__u64 digest = 0;

static __noinline void install_defaults(void) {
  for (__u32 i = 0; i < COUNT_OF(default_backends); ++i) {
    struct backend backend = default_backends[i];
    __u32 index = i;
    bpf_map_update_elem(&backends, &index, &backend, BPF_ANY);
  }
  for (__u32 i = 0; i < COUNT_OF(default_services); ++i) {
    struct service_key key = default_services[i].key;
    struct service service = default_services[i].service;
    bpf_map_update_elem(&services, &key, &service, BPF_NOEXIST);
  }
  installed = true;
}

// Spreads every bit of the input over the whole result (the finalizer of
// MurmurHash3, which is in the public domain).
static __always_inline __u32 mix(__u32 h) {
  h ^= h >> 16;
  h *= 0x85ebca6b;
  h ^= h >> 13;
  h *= 0xc2b2ae35;
  h ^= h >> 16;
  return h;
}

// Rendezvous hashing: every backend draws a number for this flow and the
// highest one wins. A backend that leaves changes nothing between the others.
//
// A global function: its arguments are any numbers, so the loop has its own
// bound and does not trust `count`.
__noinline __u32 choose_backend(__u32 flow, __u32 first, __u32 count) {
  __u32 best = first;
  __u32 best_draw = 0;

  for (__u32 i = 0; i < MAX_BACKENDS_OF_A_SERVICE; ++i) {
    if (i >= count) break;
    __u32 draw = mix(flow ^ ((first + i) * 0x9e3779b1u));
    if (draw > best_draw) {
      best_draw = draw;
      best = first + i;
    }
  }
  return best;
}

// The checksum after a 32-bit field that it covers has changed (RFC 1624).
static __always_inline __u16 correct_checksum(__u16 checksum, __u32 before, __u32 after) {
  __u32 sum = (__u16)~checksum;
  sum += (__u16)~before;
  sum += (__u16) ~(before >> 16);
  sum += (__u16)after;
  sum += after >> 16;
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return (__u16)~sum;
}

static __always_inline void rewrite(struct packet* packet, const struct backend* backend) {
  struct ethhdr* ethernet = packet->ethernet;
  struct iphdr* ip = packet->ipv4;
  __be32 before = ip->daddr;

  __builtin_memcpy(ethernet->h_source, ethernet->h_dest, ETH_ALEN);
  __builtin_memcpy(ethernet->h_dest, backend->mac, ETH_ALEN);
  ip->daddr = backend->address;
  ip->check = correct_checksum(ip->check, before, ip->daddr);

  // TCP and UDP checksums cover the IP addresses too.
  __u16 check = 0;
  if (packet->tcp) {
    packet->tcp->check = correct_checksum(packet->tcp->check, before, ip->daddr);
    check = packet->tcp->check;
  } else if (packet->udp && packet->udp->check) {
    // 0 means "no checksum", so a sum that comes to 0 is sent as its twin.
    check = correct_checksum(packet->udp->check, before, ip->daddr);
    if (!check) check = 0xffff;
    packet->udp->check = check;
  }
  __u64 written = (__u64)ip->daddr | (__u64)ip->check << 32 | (__u64)check << 48;
  __sync_fetch_and_add(&digest, written ^ ethernet->h_dest[ETH_ALEN - 1]);
}

static __always_inline enum outcome balance(struct xdp_md* ctx) {
  struct packet packet = {};
  enum packet_status status = parse_packet(ctx, &packet);

  if (status == PACKET_TRUNCATED) return OUTCOME_TRUNCATED;
  if (status != PACKET_IPV4) return OUTCOME_NOT_IPV4;
  if (packet.fragment || (packet.ipv4->frag_off & bpf_htons(0x2000))) return OUTCOME_FRAGMENT;
  if (!packet.has_ports) return OUTCOME_NOT_OURS;

  struct service_key key = {
      .address = packet.ipv4->daddr,
      .port = bpf_htons(packet.destination_port),
      .protocol = packet.protocol,
  };
  const struct service* service = bpf_map_lookup_elem(&services, &key);
  if (!service) return OUTCOME_NOT_OURS;
  if (!service->count) return OUTCOME_NO_BACKEND;

  __u32 flow = mix(packet.ipv4->saddr ^ hash_seed);
  flow = mix(flow ^ ((__u32)packet.source_port << 16 | packet.destination_port));
  flow = mix(flow ^ packet.protocol);

  __u32 index = choose_backend(flow, service->first, service->count);
  const struct backend* backend = bpf_map_lookup_elem(&backends, &index);
  if (!backend || !backend->address) return OUTCOME_NO_BACKEND;
  rewrite(&packet, backend);

  struct traffic* traffic = bpf_map_lookup_elem(&backend_traffic, &index);
  if (traffic) {
    traffic->packets += 1;
    traffic->bytes += ctx->data_end - ctx->data;
  }
  return OUTCOME_FORWARDED;
}

SEC("xdp")
int balancer(struct xdp_md* ctx) {
  if (use_defaults && !installed) install_defaults();

  __u32 outcome = balance(ctx);
  __u64* packets = bpf_map_lookup_elem(&outcomes, &outcome);
  if (packets) *packets += 1;

  if (outcome == OUTCOME_FORWARDED) return XDP_TX;
  if (outcome == OUTCOME_NO_BACKEND || outcome == OUTCOME_TRUNCATED) return XDP_DROP;
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
