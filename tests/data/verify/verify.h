// SPDX-License-Identifier: Apache-2.0
// What the programs of this folder have in common. EXPECT_ACCEPT, EXPECT_REJECT
// or EXPECT_STRICTER in front of a program says its verdict; the test reads it from
// the object's BTF.
#ifndef SKEP_TESTS_DATA_VERIFY_H_
#define SKEP_TESTS_DATA_VERIFY_H_

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define EXPECT_ACCEPT __attribute__((btf_decl_tag("expect:accept")))
// `code`: V407; `text`: part of Linux's message.
#define EXPECT_REJECT(code, text) __attribute__((btf_decl_tag("expect:reject " code " " text)))

// Refused here, accepted by Linux 6.18 on purpose or by mistake (docs/verifier.md).
#define EXPECT_STRICTER(code, text) \
  __attribute__((btf_decl_tag("expect:stricter " code " " text)))

#define XDP SEC("xdp") int
#define TC SEC("tc") int

char _license[] SEC("license") = "GPL";

#endif
