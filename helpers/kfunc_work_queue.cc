// SPDX-License-Identifier: Apache-2.0
// bpf_wq_*: a struct bpf_wq in the value of a map.
#include <cerrno>

#include "helpers/functions.h"
#include "helpers/registers.h"
#include "model/async_service.h"
#include "model/exec_program.h"
#include "model/runtime_services.h"

namespace skep::helpers {

using model::AsyncService;
using model::ServicesOf;

uint64_t WqInit(uint64_t work, uint64_t map, uint64_t flags, uint64_t, uint64_t,
                ExecutionContext& context) noexcept {
  return FromResult(ServicesOf(context).async->Init(AsyncService::Kind::kWork, AsMap(map),
                                                    AsBytes(work), static_cast<uint32_t>(flags)));
}

uint64_t WqSetCallback(uint64_t work, uint64_t callback, uint64_t flags, uint64_t info, uint64_t,
                       ExecutionContext& context) noexcept {
  if (static_cast<uint32_t>(flags) != 0) return FromResult(-EINVAL);
  const auto& call = *reinterpret_cast<const model::KfuncCallInfo*>(info);
  return FromResult(
      ServicesOf(context).async->SetCallback(AsBytes(work), *call.program->handle, callback));
}

uint64_t WqStart(uint64_t work, uint64_t flags, uint64_t, uint64_t, uint64_t,
                 ExecutionContext& context) noexcept {
  return FromResult(
      ServicesOf(context).async->StartWork(AsBytes(work), static_cast<uint32_t>(flags)));
}

}  // namespace skep::helpers
