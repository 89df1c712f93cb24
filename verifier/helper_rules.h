// SPDX-License-Identifier: Apache-2.0
// What Linux asks of single helpers beyond their prototypes: their numbers, and
// which map types go with which helper.
//
// Threads: constants and pure functions.

#ifndef SKEP_VERIFIER_HELPER_RULES_H_
#define SKEP_VERIFIER_HELPER_RULES_H_

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "skep/helper.h"
#include "skep/map_spec.h"

namespace skep::verifier {

// Helpers with rules that the prototype does not say (enum bpf_func_id).
enum : uint32_t {
  kMapLookupElem = 1,
  kMapUpdateElem = 2,
  kMapDeleteElem = 3,
  kGetSmpProcessorId = 8,
  kTailCall = 12,
  kPerfEventRead = 22,
  kPerfEventOutput = 25,
  kGetStackid = 27,
  kSkbUnderCgroup = 33,
  kCurrentTaskUnderCgroup = 37,
  kProbeReadStr = 45,
  kRedirectMap = 51,
  kSkRedirectMap = 52,
  kSockMapUpdate = 53,
  kPerfEventReadValue = 55,
  kMsgRedirectMap = 60,
  kGetStack = 67,
  kSockHashUpdate = 70,
  kMsgRedirectHash = 71,
  kSkRedirectHash = 72,
  kGetLocalStorage = 81,
  kSkSelectReuseport = 82,
  kMapPushElem = 87,
  kMapPopElem = 88,
  kMapPeekElem = 89,
  kSkStorageGet = 107,
  kSkStorageDelete = 108,
  kSkbOutput = 111,
  kProbeReadUserStr = 114,
  kProbeReadKernelStr = 115,
  kXdpOutput = 121,
  kRingbufOutput = 130,
  kRingbufReserve = 131,
  kRingbufQuery = 134,
  kGetTaskStack = 141,
  kInodeStorageGet = 145,
  kInodeStorageDelete = 146,
  kTaskStorageGet = 156,
  kTaskStorageDelete = 157,
  kForEachMapElem = 164,
  kSnprintf = 165,
  kLoop = 181,
  kMapLookupPercpuElem = 195,
  kRingbufReserveDynptr = 198,
  kRingbufSubmitDynptr = 199,
  kRingbufDiscardDynptr = 200,
  kUserRingbufDrain = 209,
  kCgrpStorageGet = 210,
  kCgrpStorageDelete = 211,
};

template <class T>
bool OneOf(T value, std::initializer_list<T> values) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

// Linux writes "bpf_" in front of the name.
std::string HelperName(const HelperSpec& helper);

// True if a map of this type may be given to this helper.
bool MapSuitsHelper(MapType type, uint32_t helper);

}  // namespace skep::verifier

#endif  // SKEP_VERIFIER_HELPER_RULES_H_
