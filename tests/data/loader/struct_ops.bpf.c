// SPDX-License-Identifier: Apache-2.0
// Programs as members of a kernel's structs. tests/loader/struct_ops_test.cc has
// the kernel's side.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct plug_ops___local {
  int (*stop)(void);
  int (*start)(int);
  int (*later)(void);
  unsigned flags;
  char name[8];
};
struct narrow_ops {
  int (*start)(int);
  unsigned short flags;
};
struct unknown_ops {
  int (*start)(int);
};
struct value_ops {
  int (*start)(int);
  int (*flags)(int);
};

#define PROGRAM(name) \
  SEC("struct_ops/" #name) int name(unsigned long long *ctx) { return 0; }

PROGRAM(start)
PROGRAM(stop)
PROGRAM(unused)
PROGRAM(in_two_members)
PROGRAM(not_in_kernel)
PROGRAM(of_narrow)
PROGRAM(of_unknown)
PROGRAM(of_value)
PROGRAM(on_demand)

SEC(".struct_ops.link")
struct plug_ops___local plug = {
    .start = (void *)start, .stop = (void *)stop, .flags = 3, .name = "plug"};
SEC(".struct_ops") struct plug_ops___local again = {.start = (void *)start};
SEC(".struct_ops")
struct plug_ops___local twice = {.start = (void *)in_two_members, .stop = (void *)in_two_members};
SEC(".struct_ops") struct plug_ops___local newer = {.later = (void *)not_in_kernel};
SEC(".struct_ops") struct narrow_ops narrow = {.start = (void *)of_narrow};
SEC(".struct_ops") struct unknown_ops unknown = {.start = (void *)of_unknown};
SEC(".struct_ops") struct value_ops value = {.flags = (void *)of_value};
SEC("?.struct_ops")
struct plug_ops___local demanded = {.start = (void *)on_demand, .stop = (void *)start};

char _license[] SEC("license") = "GPL";
