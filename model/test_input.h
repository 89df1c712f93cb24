// SPDX-License-Identifier: Apache-2.0
// How Linux's BPF_PROG_TEST_RUN hands a program its input, by the program's type.

#ifndef SKEP_MODEL_TEST_INPUT_H_
#define SKEP_MODEL_TEST_INPUT_H_

#include <cstdint>

#include "skep/program_type.h"

namespace skep::model {

enum class TestInput : uint8_t {
  kPacket,   // a frame
  kContext,  // the context's bytes
  kNone,     // Linux runs no programs of this type by hand, or other code than theirs
};

TestInput TestInputOf(ProgramTypeId type);

}  // namespace skep::model

#endif  // SKEP_MODEL_TEST_INPUT_H_
