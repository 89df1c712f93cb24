// SPDX-License-Identifier: Apache-2.0
#include "model/runtime_services.h"

#include "base/spin_lock.h"
#include "model/execution_layout.h"
#include "model/object_heap.h"

namespace skep::model {

RuntimeServices& ServicesOf(ExecutionContext& context) {
  return *ExecutionLayout::extras(context).services;
}

HeldResources& HeldBy(ExecutionContext& context) { return ExecutionLayout::extras(context).held; }

void HeldResources::Release() noexcept {
  for (Lock* lock : locks_) SpinRelease(*lock);
  locks_.clear();
  for (void* object : objects_) ObjectHeap::Drop(object);
  objects_.clear();
}

}  // namespace skep::model
