// SPDX-License-Identifier: Apache-2.0
//
// Reads the headers of a packet: Ethernet, 802.1Q, IPv4, IPv6 with extension
// headers, TCP and UDP ports. For XDP programs.
//
// A verifier lets a program touch a packet only where a comparison with its end
// has shown that the bytes are there; so each header is compared, then read.

#ifndef SKEP_EXAMPLES_PACKET_H_
#define SKEP_EXAMPLES_PACKET_H_

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define MAX_VLAN_TAGS 2
#define MAX_IPV6_EXTENSIONS 6

// An IPv4 address in network order, as a constant.
#define IPV4(a, b, c, d) \
  __bpf_constant_htonl(((__u32)(a) << 24) | ((__u32)(b) << 16) | ((__u32)(c) << 8) | (__u32)(d))

struct vlan_tag {
  __be16 control;
  __be16 ethertype;
};

struct ipv6_extension {
  __u8 next;
  __u8 length;  // in 8 bytes, less the first 8
  __be16 rest;  // of a fragment header: the offset
};

enum packet_status {
  PACKET_IPV4,
  PACKET_IPV6,
  PACKET_ARP,
  PACKET_OTHER,      // neither IP nor ARP
  PACKET_TRUNCATED,  // ends inside a header, or the header contradicts itself
  PACKET_STATUSES,
};

struct packet {
  struct ethhdr* ethernet;
  struct iphdr* ipv4;    // null unless PACKET_IPV4
  struct ipv6hdr* ipv6;  // null unless PACKET_IPV6
  struct tcphdr* tcp;    // null unless the whole fixed header is there
  struct udphdr* udp;    // likewise
  __u8 protocol;         // above IP: IPPROTO_TCP, ...
  bool fragment;         // any fragment but the first, which alone has ports
  bool has_ports;        // TCP or UDP, and the header is there
  __u16 source_port;     // host order; 0 where there are no ports
  __u16 destination_port;
};

// Finds TCP and UDP behind an IP header. False if the header is cut off.
static __always_inline bool parse_transport(struct packet* p, void* at, void* end) {
  if (p->fragment) return true;
  if (p->protocol == IPPROTO_TCP) {
    struct tcphdr* tcp = at;
    if ((void*)(tcp + 1) > end) return false;
    p->tcp = tcp;
    p->has_ports = true;
    p->source_port = bpf_ntohs(tcp->source);
    p->destination_port = bpf_ntohs(tcp->dest);
  } else if (p->protocol == IPPROTO_UDP) {
    struct udphdr* udp = at;
    if ((void*)(udp + 1) > end) return false;
    p->udp = udp;
    p->has_ports = true;
    p->source_port = bpf_ntohs(udp->source);
    p->destination_port = bpf_ntohs(udp->dest);
  }
  return true;
}

static __always_inline enum packet_status parse_ipv4(struct packet* p, void* at, void* end) {
  struct iphdr* ip = at;
  if ((void*)(ip + 1) > end || ip->version != 4 || ip->ihl < 5) return PACKET_TRUNCATED;
  void* next = at + ip->ihl * 4;  // options are skipped
  if (next > end) return PACKET_TRUNCATED;

  p->ipv4 = ip;
  p->protocol = ip->protocol;
  p->fragment = (ip->frag_off & bpf_htons(0x1fff)) != 0;
  return parse_transport(p, next, end) ? PACKET_IPV4 : PACKET_TRUNCATED;
}

static __always_inline enum packet_status parse_ipv6(struct packet* p, void* at, void* end) {
  struct ipv6hdr* ip = at;
  if ((void*)(ip + 1) > end || ip->version != 6) return PACKET_TRUNCATED;
  p->ipv6 = ip;
  p->protocol = ip->nexthdr;
  at = ip + 1;

  for (int i = 0; i < MAX_IPV6_EXTENSIONS; ++i) {
    struct ipv6_extension* extension = at;
    bool is_fragment = p->protocol == IPPROTO_FRAGMENT;
    if (!is_fragment && p->protocol != IPPROTO_HOPOPTS && p->protocol != IPPROTO_ROUTING &&
        p->protocol != IPPROTO_DSTOPTS) {
      break;
    }
    if ((void*)(extension + 1) > end) return PACKET_TRUNCATED;
    // Only the first fragment has what follows.
    if (is_fragment) p->fragment = (extension->rest & bpf_htons(0xfff8)) != 0;
    p->protocol = extension->next;
    at += is_fragment ? 8 : (extension->length + 1) * 8;
    if (p->fragment) break;
  }
  return parse_transport(p, at, end) ? PACKET_IPV6 : PACKET_TRUNCATED;
}

static __always_inline enum packet_status parse_packet(struct xdp_md* ctx, struct packet* p) {
  void* at = (void*)(long)ctx->data;
  void* end = (void*)(long)ctx->data_end;

  struct ethhdr* ethernet = at;
  if ((void*)(ethernet + 1) > end) return PACKET_TRUNCATED;
  p->ethernet = ethernet;
  __be16 ethertype = ethernet->h_proto;
  at = ethernet + 1;

#pragma unroll
  for (int i = 0; i < MAX_VLAN_TAGS; ++i) {
    struct vlan_tag* tag = at;
    if (ethertype != bpf_htons(ETH_P_8021Q) && ethertype != bpf_htons(ETH_P_8021AD)) break;
    if ((void*)(tag + 1) > end) return PACKET_TRUNCATED;
    ethertype = tag->ethertype;
    at = tag + 1;
  }

  if (ethertype == bpf_htons(ETH_P_IP)) return parse_ipv4(p, at, end);
  if (ethertype == bpf_htons(ETH_P_IPV6)) return parse_ipv6(p, at, end);
  return ethertype == bpf_htons(ETH_P_ARP) ? PACKET_ARP : PACKET_OTHER;
}

#endif  // SKEP_EXAMPLES_PACKET_H_
