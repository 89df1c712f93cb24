// SPDX-License-Identifier: Apache-2.0
// Loops that the program's own count ends, or the time.
#include <linux/bpf.h>

#include "run.h"

#define MAY_GOTO(label) asm volatile goto("may_goto %l[" #label "]" :: ::label)

static __noinline __u64 count_to(__u64 n) {
  __u64 i = zero;
  n += zero;
  for (;;) {
    MAY_GOTO(done);
    if (i == n) break;
    ++i;
  }
  return i;
done:
  return i + 1000000000;
}

TC counts(struct __sk_buff* skb) {
  __u32 out = 0;
  NOTE(out, count_to(0));
  NOTE(out, count_to(1));
  NOTE(out, count_to(1000));
  NOTE(out, count_to(65534));
  NOTE(out, count_to(65535));
  NOTE(out, count_to(65536));
  NOTE(out, count_to(200000));
  return out;
}

static __noinline __u64 two_loops(__u64 n) {
  __u64 a = zero, b = zero;
  n += zero;
  for (;;) {
    MAY_GOTO(first);
    if (a == n) break;
    ++a;
  }
first:
  for (;;) {
    MAY_GOTO(second);
    if (b == n) break;
    b += 2;
  }
second:
  return a * 3 + b;
}

TC two_in_a_function(struct __sk_buff* skb) { return two_loops(100) + two_loops(70000); }

TC with_a_stack(struct __sk_buff* skb) {
  volatile __u64 room[40];
  __u64 i = zero, sum = 0;
  for (int k = 0; k < 40; ++k) room[k] = k * 3;
  for (;;) {
    MAY_GOTO(done);
    if (i >= 5000) break;
    __u64 at = i % 40;
    HIDE(at);
    if (at < 40) room[at] += i;
    ++i;
  }
done:
  for (int k = 0; k < 40; ++k) NOTE(sum, room[k]);
  return (__u32)sum;
}

// Never ends by itself.
TC ends_in_time(struct __sk_buff* skb) {
  __u64 start = bpf_ktime_get_ns();
  __u64 i = zero;
  for (;;) {
    MAY_GOTO(done);
    ++i;
    HIDE(i);
  }
done:;
  __u64 took = bpf_ktime_get_ns() - start;
  // The second loop of the same function is over at once.
  __u64 k = zero;
  for (;;) {
    MAY_GOTO(over);
    ++k;
    HIDE(k);
  }
over:
  if (k > 2) return 2;
  return took >= 250000000 && took < 2000000000 && i > 1000;
}

static long looping(__u32 index, __u64* sum) {
  __u64 i = zero;
  for (;;) {
    MAY_GOTO(done);
    if (i > index) break;
    ++i;
  }
done:
  NOTE(*sum, i);
  return 0;
}

TC in_a_callback(struct __sk_buff* skb) {
  __u64 sum = 0;
  bpf_loop(50, looping, &sum, 0);
  return (__u32)sum;
}
