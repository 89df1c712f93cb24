// SPDX-License-Identifier: Apache-2.0
// The types of core_kinds.bpf.c as a kernel might have them. Only the BTF counts.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct flow {
  char *name;
  struct {
    int port;
    unsigned int bytes;
  };
  unsigned int flags : 6;
  int level : 7;
  short rows[3];
  int id;
};

enum state { IDLE = 2, BUSY = 300000 };

typedef struct flow flow_alias;

// Global, or compilers would leave the types out.
int keep(struct flow *flow, enum state *state, flow_alias *alias) {
  return flow && state && alias ? *state : 0;
}

SEC("raw_tp") int plain(void *ctx) { return 0; }

char _license[] SEC("license") = "GPL";
