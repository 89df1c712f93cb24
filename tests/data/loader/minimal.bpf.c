// SPDX-License-Identifier: Apache-2.0
// One program, no maps, no license: the smallest object there is.
#include <linux/bpf.h>

__attribute__((section("socket"), used)) int accept_all(struct __sk_buff *skb) {
  return skb->len > 14 ? -1 : 0;
}
