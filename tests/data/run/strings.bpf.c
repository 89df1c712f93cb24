// SPDX-License-Identifier: Apache-2.0
// bpf_strcmp and its family.
#include <linux/bpf.h>

#include "run.h"

extern int bpf_strcmp(const char* a, const char* b) __ksym;
extern int bpf_strcasecmp(const char* a, const char* b) __ksym;
extern int bpf_strchr(const char* s, char c) __ksym;
extern int bpf_strchrnul(const char* s, char c) __ksym;
extern int bpf_strnchr(const char* s, __u64 count, char c) __ksym;
extern int bpf_strrchr(const char* s, int c) __ksym;
extern int bpf_strlen(const char* s) __ksym;
extern int bpf_strnlen(const char* s, __u64 count) __ksym;
extern int bpf_strspn(const char* s, const char* set) __ksym;
extern int bpf_strcspn(const char* s, const char* set) __ksym;
extern int bpf_strstr(const char* s, const char* part) __ksym;
extern int bpf_strnstr(const char* s, const char* part, __u64 count) __ksym;

char empty[4];
char hello[] = "hello world";
char caps[] = "HELLO World";
char hell[] = "hell";
char other[] = "hello\xffworld";
char vowels[] = "aeiou";
char letters[] = "abcdefghijklmnopqrstuvwxyz";
char world[] = "world";
char big[70000] = {[0 ... 69998] = 'x'};

#define EACH(i) for (int i = 0; i < 8; ++i)

static __noinline char* at(__u32 i) {
  switch (i) {
    case 0:
      return empty;
    case 1:
      return hello;
    case 2:
      return caps;
    case 3:
      return hell;
    case 4:
      return other;
    case 5:
      return vowels;
    case 6:
      return letters;
    default:
      return world;
  }
}

TC compared(struct __sk_buff* skb) {
  __u32 out = 0;
  EACH(i) EACH(k) {
    NOTE(out, bpf_strcmp(at(i), at(k)));
    NOTE(out, bpf_strcasecmp(at(i), at(k)));
  }
  return out;
}

TC measured(struct __sk_buff* skb) {
  __u32 out = 0;
  EACH(i) {
    NOTE(out, bpf_strlen(at(i)));
    for (__u64 n = 0; n < 14; ++n) NOTE(out, bpf_strnlen(at(i), n));
    EACH(k) {
      NOTE(out, bpf_strspn(at(i), at(k)));
      NOTE(out, bpf_strcspn(at(i), at(k)));
    }
  }
  return out;
}

TC searched(struct __sk_buff* skb) {
  static const char wanted[] = {'h', 'o', 'w', 'z', '\0', '\xff'};
  __u32 out = 0;
  EACH(i) {
    for (int c = 0; c < 6; ++c) {
      NOTE(out, bpf_strchr(at(i), wanted[c]));
      NOTE(out, bpf_strchrnul(at(i), wanted[c]));
      NOTE(out, bpf_strrchr(at(i), wanted[c]));
      for (__u64 n = 0; n < 8; ++n) NOTE(out, bpf_strnchr(at(i), n, wanted[c]));
    }
  }
  return out;
}

TC found(struct __sk_buff* skb) {
  __u32 out = 0;
  EACH(i) EACH(k) {
    NOTE(out, bpf_strstr(at(i), at(k)));
    for (__u64 n = 0; n < 14; ++n) NOTE(out, bpf_strnstr(at(i), at(k), n));
  }
  return out;
}

TC too_long(struct __sk_buff* skb) {
  __u32 out = 0;
  NOTE(out, bpf_strlen(big));
  NOTE(out, bpf_strnlen(big, 65535));
  NOTE(out, bpf_strnlen(big, 65536));
  NOTE(out, bpf_strcmp(big, big));
  NOTE(out, bpf_strchr(big, 'y'));
  NOTE(out, bpf_strrchr(big, 'x'));
  NOTE(out, bpf_strstr(big, hello));
  NOTE(out, bpf_strlen((const char*)0));
  NOTE(out, bpf_strcmp(hello, (const char*)0));
  return out;
}
