// SPDX-License-Identifier: Apache-2.0
//
// Counts traffic by service (protocol and port) and by kind of packet. Lets
// every packet pass.
//
//   skep run packet_counter.bpf.o --pcap corpus/pcap/mixed.pcap --show-maps

#include "packet.h"

struct service {
  __u8 family;    // 4 or 6
  __u8 protocol;  // IPPROTO_TCP, ...
  __u16 port;     // host order; 0 if the protocol has none
};

struct traffic {
  __u64 packets;
  __u64 bytes;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4096);
  __type(key, struct service);
  __type(value, struct traffic);
} services SEC(".maps");

// By packet status; each CPU counts for itself, the reader adds up.
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, PACKET_STATUSES);
  __type(key, __u32);
  __type(value, struct traffic);
} kinds SEC(".maps");

// Configuration: constants from the moment the program is loaded, so that what
// they switch off is not even in the program that runs.
const volatile bool count_ipv6 = true;
const volatile __u16 first_ephemeral_port = 32768;

__u64 largest_packet = 0;
__u64 services_lost = 0;  // packets of services for which the map had no room

// The port that names a conversation, whichever way the packet goes: the one
// below the ephemeral range, or the lower of two on the same side of it.
//
// A global function: a verifier checks it once, for any arguments.
__noinline __u32 service_port(__u32 source, __u32 destination) {
  if (source >= first_ephemeral_port && destination < first_ephemeral_port) return destination;
  if (destination >= first_ephemeral_port && source < first_ephemeral_port) return source;
  return source < destination ? source : destination;
}

// A static function: a verifier checks it at each call, for the arguments there.
static __noinline void count_service(const struct service* service, __u64 bytes) {
  struct traffic* traffic = bpf_map_lookup_elem(&services, service);
  if (!traffic) {
    const struct traffic none = {};
    bpf_map_update_elem(&services, service, &none, BPF_NOEXIST);
    traffic = bpf_map_lookup_elem(&services, service);
    if (!traffic) {
      __sync_fetch_and_add(&services_lost, 1);
      return;
    }
  }
  __sync_fetch_and_add(&traffic->packets, 1);
  __sync_fetch_and_add(&traffic->bytes, bytes);
}

SEC("xdp")
int packet_counter(struct xdp_md* ctx) {
  struct packet packet = {};
  __u64 bytes = ctx->data_end - ctx->data;
  __u32 status = parse_packet(ctx, &packet);

  struct traffic* kind = bpf_map_lookup_elem(&kinds, &status);
  if (kind) {
    kind->packets += 1;
    kind->bytes += bytes;
  }
  if (bytes > largest_packet) largest_packet = bytes;

  if (status == PACKET_IPV4 || (count_ipv6 && status == PACKET_IPV6)) {
    struct service service = {
        .family = status == PACKET_IPV4 ? 4 : 6,
        .protocol = packet.protocol,
        .port = service_port(packet.source_port, packet.destination_port),
    };
    count_service(&service, bytes);
  }
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
