// SPDX-License-Identifier: Apache-2.0
// The numbers of helpers of which Linux asks more than their prototypes say, and
// how it writes their names. Which maps they take is in model/map_types.def.
//
// Threads: constants and pure functions.

#ifndef SKEP_VERIFIER_HELPER_RULES_H_
#define SKEP_VERIFIER_HELPER_RULES_H_

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "skep/helper.h"

#include "isa/decode.h"

namespace skep::verifier {

// Helpers with rules that the prototype does not say (enum bpf_func_id).
enum : uint32_t {
  kMapLookupElem = 1,
  kMapUpdateElem = 2,
  kMapDeleteElem = 3,
  kGetSmpProcessorId = 8,
  kTailCall = 12,
  kProbeReadStr = 45,
  kSetsockopt = 49,
  kGetsockopt = 57,
  kGetStack = 67,
  kGetLocalStorage = 81,
  kSkRelease = 86,
  kMapPushElem = 87,
  kMapPopElem = 88,
  kMapPeekElem = 89,
  kSpinLock = 93,
  kSpinUnlock = 94,
  kSkFullsock = 95,
  kTcpSock = 96,
  kSkStorageGet = 107,
  kSkStorageDelete = 108,
  kProbeReadUserStr = 114,
  kProbeReadKernelStr = 115,
  kSkcToTcp6Sock = 136,
  kSkcToTcpSock = 137,
  kSkcToTcpTimewaitSock = 138,
  kSkcToTcpRequestSock = 139,
  kSkcToUdp6Sock = 140,
  kGetTaskStack = 141,
  kDPath = 147,
  kImaInodeHash = 161,
  kForEachMapElem = 164,
  kSnprintf = 165,
  kTimerSetCallback = 170,
  kFindVma = 180,
  kLoop = 181,
  kGetFuncRet = 184,
  kImaFileHash = 193,
  kKptrXchg = 194,
  kSkcToMptcpSock = 196,
  kDynptrFromMem = 197,
  kDynptrWrite = 202,
  kDynptrData = 203,
  kUserRingbufDrain = 209,
};

template <class T>
bool OneOf(T value, std::initializer_list<T> values) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

inline bool IsTailCall(const DecodedInsn& insn) {
  return Info(insn.op).kind == OpKind::kCallHelper && insn.imm == int64_t{kTailCall};
}

// Whether a program with this licence may use what Linux keeps for GPL programs.
bool IsGplCompatible(std::string_view license);

// Linux writes "bpf_" in front of the name.
std::string HelperName(const HelperSpec& helper);

}  // namespace skep::verifier

#endif  // SKEP_VERIFIER_HELPER_RULES_H_
