// SPDX-License-Identifier: Apache-2.0
// Listing: machine code beside the instructions it was made from, for people.
//
// Threads: a value.

#ifndef SKEP_JIT_LISTING_H_
#define SKEP_JIT_LISTING_H_

#include <cstdint>
#include <string>
#include <vector>

#include "skep/result.h"

#include "jit/compile.h"
#include "model/exec_program.h"

namespace skep::jit {

struct ListingPiece {
  enum class Kind : uint8_t {
    kEntry,     // what comes before a function's first instruction
    kInsns,     // the code of `count` instructions from `insn` on
    kCold,      // a function's rarely executed rest, behind its last instruction
    kCallback,  // where helpers enter the function that starts at `insn`
  };
  Kind kind{};
  uint32_t insn = 0;  // index in ExecProgram::insns; kEntry, kCold: of the function's first
  uint32_t count = 0;
  uint32_t offset = 0;  // of the code, in bytes from the start
  uint32_t size = 0;
  std::string text;  // one machine instruction or label a line
};

struct Listing {
  std::vector<ListingPiece> pieces;  // in the order of the code
};

// Compiles as Compile does and tells what was made. Fails as Compile.
Result<Listing> List(const model::ExecProgram& exec, const CompileOptions& options);

}  // namespace skep::jit

#endif  // SKEP_JIT_LISTING_H_
