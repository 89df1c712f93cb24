// SPDX-License-Identifier: Apache-2.0
// Fields of a map's value that belong to the kernel's own types: locks, timers,
// kernel pointers. They are found by BTF and may not be read or written as bytes.
//
// Threads: pure functions.

#ifndef SKEP_VERIFIER_SPECIAL_FIELDS_H_
#define SKEP_VERIFIER_SPECIAL_FIELDS_H_

#include <cstdint>
#include <string_view>
#include <vector>

namespace skep::btf {
class Btf;
}

namespace skep::verifier {

enum class SpecialKind : uint8_t {
  kSpinLock,
  kResSpinLock,
  kTimer,
  kWorkqueue,
  kTaskWork,
  kListHead,
  kListNode,
  kRbRoot,
  kRbNode,
  kRefcount,
  kKptr,
};
// "bpf_spin_lock", ..., "kptr".
std::string_view NameOf(SpecialKind kind);

struct SpecialField {
  SpecialKind kind;
  uint32_t offset = 0;
  uint32_t size = 0;
};

// The special fields of a value of BTF type `type`, at any depth.
std::vector<SpecialField> FindSpecialFields(const btf::Btf& btf, uint32_t type);

}  // namespace skep::verifier

#endif  // SKEP_VERIFIER_SPECIAL_FIELDS_H_
