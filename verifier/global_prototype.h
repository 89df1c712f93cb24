// SPDX-License-Identifier: Apache-2.0
// GlobalPrototype: what a global function takes, read from its BTF. A global
// function is verified once, for all arguments its prototype allows; its
// callers are checked against the prototype and assume any result.
//
// Threads: pure functions over values.

#ifndef SKEP_VERIFIER_GLOBAL_PROTOTYPE_H_
#define SKEP_VERIFIER_GLOBAL_PROTOTYPE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "skep/program.h"
#include "skep/program_type.h"

#include "verifier/findings.h"

namespace skep::verifier {

struct GlobalArgument {
  enum class Kind : uint8_t {
    kScalar,
    kContext,
    kMemory,
    kUntrustedMemory,  // any number or pointer: loads through it are guarded
    kDynptr,
    kArena,   // an arena pointer or a number
    kObject,  // a trusted pointer to `btf_id`
    kUntrustedObject,
  };
  Kind kind = Kind::kScalar;
  bool maybe_null = true;  // kMemory, kObject
  uint32_t size = 0;       // kMemory
  uint32_t btf_id = 0;     // kObject, kUntrustedObject: in the target BTF
};

struct GlobalPrototype {
  std::vector<GlobalArgument> arguments;
  // Set if the function cannot be judged by its BTF.
  FindingCode failed = FindingCode::kNone;
  std::string message;
};

// The prototype of `subprogram`, the main program included, for programs of `type`.
GlobalPrototype ReadGlobalPrototype(const Program& program, const ProgramType& type,
                                    uint32_t subprogram);

}  // namespace skep::verifier

#endif  // SKEP_VERIFIER_GLOBAL_PROTOTYPE_H_
