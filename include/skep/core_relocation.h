// SPDX-License-Identifier: Apache-2.0
// CO-RE relocations as an Object and its programs show them.
//
// Threads: value types.

#ifndef SKEP_CORE_RELOCATION_H_
#define SKEP_CORE_RELOCATION_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace skep {

// A CO-RE relocation that the target has nothing for. Its instruction, both
// slots of a wide load, is a call of a helper that does not exist, as libbpf
// leaves it: the program is fine if no path leads there.
struct UnresolvedRelocation {
  uint32_t insn = 0;
  std::string what;  // "<byte_off> [7] struct task_struct.pid (0:12 @ offset 4)"
};

// One CO-RE relocation record of an object. Views live as long as the Object.
struct CoreRelocationInfo {
  std::string_view function;  // that holds the instruction; empty if none does
  uint32_t insn = 0;          // slot in the function, or in its section
  std::string_view kind;      // libbpf's name: "byte_off", "type_exists", ...
  uint32_t type_id = 0;       // in Object::btf()
  std::string_view access;    // "0:1:2": members and elements, from the type on
  std::string_view problem;   // why it cannot be decided; empty if it can
  bool found = false;         // the target has it, or the question is whether it does
  uint64_t value = 0;         // what the instruction gets, if found
};

}  // namespace skep

#endif  // SKEP_CORE_RELOCATION_H_
