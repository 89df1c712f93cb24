// SPDX-License-Identifier: Apache-2.0
#include "model/fuel.h"

#include <algorithm>

#include "model/execution_layout.h"

namespace skep::model {
namespace {

int64_t NextChunk(ExecutionContext& context) {
  uint64_t& left = ExecutionLayout::budget_left(context);
  if (context.budget() == 0) return kFuelChunk;
  const auto chunk = static_cast<int64_t>(std::min<uint64_t>(left, kFuelChunk));
  left -= static_cast<uint64_t>(chunk);
  return chunk;
}

}  // namespace

void StartFuel(ExecutionContext& context) noexcept {
  ExecutionLayout::budget_left(context) = context.budget();
  ExecutionLayout::fuel(context) = NextChunk(context);
}

bool RefillFuel(ExecutionContext& context) noexcept {
  if (ExecutionLayout::interrupted(context).exchange(false, std::memory_order_relaxed)) {
    context.Stop(TrapCode::kInterrupted, "the host interrupted the run");
    return false;
  }
  const int64_t chunk = NextChunk(context);
  ExecutionLayout::fuel(context) += chunk;
  if (chunk == 0) {
    context.Stop(TrapCode::kBudget,
                 "the budget of " + std::to_string(context.budget()) + " instructions is used up");
    return false;
  }
  return true;
}

}  // namespace skep::model
