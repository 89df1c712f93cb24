// SPDX-License-Identifier: Apache-2.0
// bpf_timer_*: a struct bpf_timer in the value of a map.
#include "helpers/functions.h"
#include "helpers/registers.h"
#include "model/async_service.h"
#include "model/runtime_services.h"

namespace skep::helpers {

using model::AsyncService;
using model::ServicesOf;

uint64_t TimerInit(uint64_t timer, uint64_t map, uint64_t flags, uint64_t, uint64_t,
                   ExecutionContext& context) noexcept {
  return FromResult(ServicesOf(context).async->Init(AsyncService::Kind::kTimer, AsMap(map),
                                                    AsBytes(timer), flags));
}

// Lowering puts the program into r3.
uint64_t TimerSetCallback(uint64_t timer, uint64_t callback, uint64_t program, uint64_t, uint64_t,
                          ExecutionContext& context) noexcept {
  return FromResult(ServicesOf(context).async->SetCallback(
      AsBytes(timer), *reinterpret_cast<const model::ProgramHandle*>(program), callback));
}

uint64_t TimerStart(uint64_t timer, uint64_t nanoseconds, uint64_t flags, uint64_t, uint64_t,
                    ExecutionContext& context) noexcept {
  return FromResult(ServicesOf(context).async->Start(AsBytes(timer), nanoseconds, flags));
}

uint64_t TimerCancel(uint64_t timer, uint64_t, uint64_t, uint64_t, uint64_t,
                     ExecutionContext& context) noexcept {
  return FromResult(ServicesOf(context).async->Cancel(AsBytes(timer), context));
}

}  // namespace skep::helpers
