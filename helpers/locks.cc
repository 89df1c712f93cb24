// SPDX-License-Identifier: Apache-2.0
// bpf_spin_lock: a word in the value of a map or in an object. The verifier made
// sure that it is given back on every path; a run that is stopped meanwhile gives
// it back as well.
#include <atomic>

#include "base/spin_lock.h"
#include "helpers/functions.h"
#include "helpers/registers.h"
#include "model/runtime_services.h"

namespace skep::helpers {
namespace {

model::HeldResources::Lock& AsLock(uint64_t r) {
  return *reinterpret_cast<model::HeldResources::Lock*>(r);
}

}  // namespace

uint64_t SpinLock(uint64_t lock, uint64_t, uint64_t, uint64_t, uint64_t,
                  ExecutionContext& context) noexcept {
  SpinAcquire(AsLock(lock));
  model::HeldBy(context).AddLock(&AsLock(lock));
  return 0;
}

uint64_t SpinUnlock(uint64_t lock, uint64_t, uint64_t, uint64_t, uint64_t,
                    ExecutionContext& context) noexcept {
  model::HeldBy(context).RemoveLock(&AsLock(lock));
  SpinRelease(AsLock(lock));
  return 0;
}

}  // namespace skep::helpers
