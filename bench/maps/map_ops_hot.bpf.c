// SPDX-License-Identifier: Apache-2.0
// The same with 128 keys that are the same on every run.
#define HOT
#include "map_ops.bpf.c"
