// SPDX-License-Identifier: Apache-2.0
// Moving the ends of an skb packet.

#ifndef SKEP_HELPERS_SKB_ENDS_H_
#define SKEP_HELPERS_SKB_ENDS_H_

#include <cstdint>

#include "skep/execution_context.h"

#include "model/host_context.h"

namespace skep::helpers {

// Opens `size` bytes in front of `data`; they are not cleared. Returns false if
// there is no memory.
bool PushFront(model::SkbContext& skb, uint32_t size, ExecutionContext& context);
// Drops the first `size` bytes. REQUIRES: the packet has them.
void PullFront(model::SkbContext& skb, uint32_t size);

// Takes `bytes` bytes at `at` out of the packet's sum, or adds them.
void RemoveFromSum(model::SkbContext& skb, const std::byte* at, uint32_t bytes);
void AddToSum(model::SkbContext& skb, const std::byte* at, uint32_t bytes);

}  // namespace skep::helpers

#endif  // SKEP_HELPERS_SKB_ENDS_H_
