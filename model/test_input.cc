// SPDX-License-Identifier: Apache-2.0
#include "model/test_input.h"

namespace skep::model {

TestInput TestInputOf(ProgramTypeId type) {
  switch (type) {
    case ProgramTypeId::kXdp:
    case ProgramTypeId::kSocketFilter:
    case ProgramTypeId::kSchedCls:
    case ProgramTypeId::kSchedAct:
    case ProgramTypeId::kCgroupSkb:
    case ProgramTypeId::kLwtIn:
    case ProgramTypeId::kLwtOut:
    case ProgramTypeId::kLwtXmit:
    case ProgramTypeId::kLwtSeg6local:
    case ProgramTypeId::kFlowDissector:
    case ProgramTypeId::kNetfilter:
      return TestInput::kPacket;
    case ProgramTypeId::kRawTracepoint:
    case ProgramTypeId::kSyscall:
    case ProgramTypeId::kSkLookup:
      return TestInput::kContext;
    default:
      return TestInput::kNone;
  }
}

}  // namespace skep::model
