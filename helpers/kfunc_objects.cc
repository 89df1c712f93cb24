// SPDX-License-Identifier: Apache-2.0
// Objects of the program's own: bpf_obj_new and what becomes of them. The run
// holds what these functions give it until it gives it on or back.
#include "helpers/functions.h"
#include "helpers/registers.h"
#include "model/exec_program.h"
#include "model/object_heap.h"
#include "model/runtime_services.h"

namespace skep::helpers {
namespace {

using model::HeldBy;
using model::ObjectHeap;
using model::ServicesOf;

const std::shared_ptr<const model::ValueType>& TypeOfCall(uint64_t info) {
  return reinterpret_cast<const model::KfuncCallInfo*>(info)->type;
}

uint64_t Hold(void* object, ExecutionContext& context) {
  if (object != nullptr) HeldBy(context).AddObject(object);
  return reinterpret_cast<uint64_t>(object);
}

}  // namespace

uint64_t ObjNew(uint64_t, uint64_t info, uint64_t, uint64_t, uint64_t,
                ExecutionContext& context) noexcept {
  return Hold(ServicesOf(context).heap->Make(TypeOfCall(info)), context);
}

uint64_t PercpuObjNew(uint64_t, uint64_t info, uint64_t, uint64_t, uint64_t,
                      ExecutionContext& context) noexcept {
  const model::RuntimeServices& services = ServicesOf(context);
  return Hold(services.heap->MakePerCpu(TypeOfCall(info), services.cpu_slots), context);
}

uint64_t ObjDrop(uint64_t object, uint64_t, uint64_t, uint64_t, uint64_t,
                 ExecutionContext& context) noexcept {
  HeldBy(context).RemoveObject(AsBytes(object));
  ObjectHeap::Drop(AsBytes(object));
  return 0;
}

uint64_t RefcountAcquire(uint64_t object, uint64_t, uint64_t, uint64_t, uint64_t,
                         ExecutionContext& context) noexcept {
  return ObjectHeap::Share(AsBytes(object)) ? Hold(AsBytes(object), context) : 0;
}

}  // namespace skep::helpers
