// SPDX-License-Identifier: Apache-2.0
// Externs: what an object declares and the kernel supplies.
//
// Threads: a pure function.

#ifndef SKEP_EXTERN_INFO_H_
#define SKEP_EXTERN_INFO_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "skep/export.h"
#include "skep/program.h"

namespace skep {

enum class ExternKind : uint8_t {
  kConfig,         // a value of the kernel's configuration, in the map .kconfig
  kFunction,       // of the kernel (.ksyms), or a kfunc
  kTypedVariable,  // of the kernel (.ksyms), with a type
  kSymbol,         // of the kernel (.ksyms), an address alone (`extern const void`)
};
// "kconfig", "function", "variable", "symbol".
SKEP_EXPORT std::string_view ExternKindName(ExternKind kind);

struct ExternInfo {
  std::string name;
  ExternKind kind = ExternKind::kConfig;
  bool weak = false;     // zero if it is not found
  uint32_t type_id = 0;  // the BTF_KIND_VAR or BTF_KIND_FUNC in Object::btf()
  bool found = false;    // `value` holds
  // kConfig: offset in the map; kSymbol: address; else id in the target BTF.
  uint64_t value = 0;
  std::string problem;  // why no program may use it; empty if one may
};

// .kconfig first, then .ksyms by name; as long as the object lives.
SKEP_EXPORT std::span<const ExternInfo> Externs(const Object& object);

}  // namespace skep

#endif  // SKEP_EXTERN_INFO_H_
