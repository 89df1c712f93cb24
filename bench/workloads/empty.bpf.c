// SPDX-License-Identifier: Apache-2.0
//
// Nothing: what a call costs.

#include "bench.h"

ENTRY { return EMPTY_RET; }
