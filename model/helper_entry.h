// SPDX-License-Identifier: Apache-2.0
// HelperEntry: a slot of the runtime's helper table. The start of the table is
// the call base; a lowered call holds the byte offset of its entry from there.

#ifndef SKEP_MODEL_HELPER_ENTRY_H_
#define SKEP_MODEL_HELPER_ENTRY_H_

#include "skep/helper.h"
#include "skep/helper_control.h"

#include "model/kfuncs.h"

namespace skep::model {

struct HelperEntry {
  HelperFunction function = nullptr;
  const HelperSpec* spec = nullptr;
};
static_assert(sizeof(HelperEntry) == 16);

// Linux's helper ids that engines treat themselves.
inline constexpr uint32_t kHelperMapLookup = 1;
inline constexpr uint32_t kHelperTailCall = 12;
inline constexpr uint32_t kHelperGetSmpProcessorId = 8;
inline constexpr uint32_t kHelperTimerSetCallback = 170;
inline constexpr uint32_t kHelperLoop = 181;
inline constexpr uint32_t kMaxLoops = 1u << 23;  // BPF_MAX_LOOPS

// Ids of the entries that are kernel functions: above Linux's helpers, below the
// host's.
inline constexpr uint32_t kFirstKfuncHelperId = 0x8000;
constexpr uint32_t KfuncHelperId(Kfunc id) {
  return kFirstKfuncHelperId + static_cast<uint32_t>(id);
}

// Whether it may call functions of the program or stop the run: those that say so
// and all that the host brought along.
constexpr bool MayCallBack(const HelperSpec& spec) {
  return IsHostFunction(spec) || (spec.flags & kHelperCallsBack) != 0;
}

}  // namespace skep::model

#endif  // SKEP_MODEL_HELPER_ENTRY_H_
