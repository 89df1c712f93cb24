// SPDX-License-Identifier: Apache-2.0
// One program for each question that CO-RE asks, about types whose other shape
// core_target.bpf.c has. Programs are linked here, not verified.
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct flow___mine {
  int id;
  unsigned long bytes;
  struct {
    int port;
  };
  unsigned int flags : 3;
  int level : 5;
  short rows[4];
  char *name;
  int gone;
} __attribute__((preserve_access_index));

struct nowhere {
  int a;
} __attribute__((preserve_access_index));

enum state___mine { IDLE = 1, BUSY = 7, DROPPED = 9 };

typedef struct flow___mine flow_alias;

#define FLOW ((struct flow___mine *)ctx)

SEC("raw_tp") int signed_field(void *ctx) { return FLOW->id; }
SEC("raw_tp") unsigned long narrower_field(void *ctx) { return FLOW->bytes; }
SEC("raw_tp") int inside_another(void *ctx) { return FLOW->port; }
SEC("raw_tp") int element(void *ctx) { return FLOW->rows[2]; }
SEC("raw_tp") int beyond_the_target_s_end(void *ctx) { return FLOW->rows[3]; }
SEC("raw_tp") unsigned long pointer(void *ctx) { return (unsigned long)FLOW->name; }
SEC("raw_tp") int missing_field(void *ctx) { return FLOW->gone; }
SEC("raw_tp") int guarded_field(void *ctx) {
  return bpf_core_field_exists(FLOW->gone) ? FLOW->gone : 5;
}
SEC("raw_tp") int bitfield(void *ctx) { return BPF_CORE_READ_BITFIELD(FLOW, level); }
SEC("raw_tp") int offset_of(void *ctx) { return bpf_core_field_offset(FLOW->bytes); }
SEC("raw_tp") int size_of(void *ctx) { return bpf_core_field_size(FLOW->bytes); }
SEC("raw_tp") int type_size(void *ctx) { return bpf_core_type_size(struct flow___mine); }
SEC("raw_tp") int type_exists(void *ctx) {
  return bpf_core_type_exists(struct flow___mine) + 2 * bpf_core_type_exists(struct nowhere) +
         4 * bpf_core_type_exists(flow_alias);
}
SEC("raw_tp") int value_exists(void *ctx) {
  return bpf_core_enum_value_exists(enum state___mine, BUSY) +
         2 * bpf_core_enum_value_exists(enum state___mine, DROPPED);
}
SEC("raw_tp") int enumerator(void *ctx) { return bpf_core_enum_value(enum state___mine, BUSY); }
SEC("raw_tp") int missing_enumerator(void *ctx) {
  return bpf_core_enum_value(enum state___mine, DROPPED);
}

static __noinline int read_port(struct flow___mine *flow) { return flow->port; }
SEC("raw_tp") int in_a_subprogram(void *ctx) { return read_port(ctx) + FLOW->id; }

char _license[] SEC("license") = "GPL";
