// SPDX-License-Identifier: Apache-2.0
// Kernel pointer fields, which own objects of the program's own, and pointers to
// what each CPU has a copy of.
#include <atomic>

#include "helpers/functions.h"
#include "helpers/registers.h"
#include "model/object_heap.h"
#include "model/runtime_services.h"

namespace skep::helpers {

// The field takes what it is given, the program what was there.
uint64_t KptrXchg(uint64_t field, uint64_t object, uint64_t, uint64_t, uint64_t,
                  ExecutionContext& context) noexcept {
  auto& word = *reinterpret_cast<uint64_t*>(field);
  const uint64_t before =
      std::atomic_ref<uint64_t>(word).exchange(object, std::memory_order_acq_rel);
  model::HeldResources& held = model::HeldBy(context);
  if (object != 0) held.RemoveObject(AsBytes(object));
  if (before != 0) held.AddObject(AsBytes(before));
  return before;
}

uint64_t PerCpuPtr(uint64_t object, uint64_t cpu, uint64_t, uint64_t, uint64_t,
                   ExecutionContext&) noexcept {
  return FromAddress(model::ObjectHeap::CopyOf(AsBytes(object), static_cast<uint32_t>(cpu)));
}

uint64_t ThisCpuPtr(uint64_t object, uint64_t, uint64_t, uint64_t, uint64_t,
                    ExecutionContext& context) noexcept {
  return FromAddress(model::ObjectHeap::CopyOf(AsBytes(object), context.cpu()));
}

}  // namespace skep::helpers
