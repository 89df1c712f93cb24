// SPDX-License-Identifier: Apache-2.0
// Fields that belong to the kernel's own types: locks, timers, kernel pointers,
// lists and trees. They are found by BTF, in the values of maps and in structs
// of the program's own that it allocates, and may not be read or written as
// bytes.
//
// Threads: pure functions and values.

#ifndef SKEP_VERIFIER_SPECIAL_FIELDS_H_
#define SKEP_VERIFIER_SPECIAL_FIELDS_H_

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "skep/map_spec.h"

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
  kKptrUntrusted,  // tagged kptr_untrusted: holds an address, nothing more
  kKptr,           // tagged kptr: owns what it points to
  kKptrPercpu,     // tagged percpu_kptr
  kUptr,           // tagged uptr: memory of the task that owns the map's value
};
// "bpf_spin_lock", ..., "kptr", "percpu_kptr", "uptr".
std::string_view NameOf(SpecialKind kind);

// A set of SpecialKind.
using SpecialMask = uint32_t;
constexpr SpecialMask MaskOf(SpecialKind kind) { return SpecialMask{1} << static_cast<int>(kind); }
template <class... More>
constexpr SpecialMask MaskOf(SpecialKind kind, More... more) {
  return MaskOf(kind) | MaskOf(more...);
}
inline constexpr SpecialMask kKernelPointers =
    MaskOf(SpecialKind::kKptrUntrusted, SpecialKind::kKptr, SpecialKind::kKptrPercpu);
inline constexpr SpecialMask kLocks = MaskOf(SpecialKind::kSpinLock, SpecialKind::kResSpinLock);
inline constexpr SpecialMask kGraphRoots = MaskOf(SpecialKind::kListHead, SpecialKind::kRbRoot);
inline constexpr SpecialMask kGraphNodes = MaskOf(SpecialKind::kListNode, SpecialKind::kRbNode);

struct SpecialField {
  SpecialKind kind = SpecialKind::kSpinLock;
  uint32_t offset = 0;
  uint32_t size = 0;
  // Pointers: the struct they point to, in the BTF `btf` (kProgramBtf or
  // kTargetBtf). Roots: the struct of their nodes, in the program's BTF.
  uint32_t btf = 0;
  uint32_t type = 0;
  uint32_t node_offset = 0;  // roots: where in `type` the node is
};

// The special fields of one type.
struct FieldRecord {
  std::vector<SpecialField> fields;  // ascending by offset, not overlapping
  // Why Linux does not take the type's fields, an errno; then there are none.
  // The type then has no special fields, for maps; for structs of the program
  // Linux refuses all of the BTF.
  int error = 0;
  bool needs_target = false;  // kernel pointers, but there is no BTF of the kernel

  SpecialMask mask() const;
  bool Has(SpecialMask kinds) const { return (mask() & kinds) != 0; }
  // The first field of these kinds; null if there is none.
  const SpecialField* Find(SpecialMask kinds) const;
  // The field of these kinds that starts at `offset`; null if there is none.
  const SpecialField* At(uint32_t offset, SpecialMask kinds) const;
};

// The special fields of the values of a map. `btf` may be null (none then), as
// may `target`, the kernel's BTF.
FieldRecord ReadMapRecord(const btf::Btf* btf, const MapSpec& map, const btf::Btf* target);

// Whether Linux creates a map of this type with the field in its values.
bool MapTakes(MapType type, SpecialKind kind);

// The records of those structs of a program's BTF that have special fields.
class LocalRecords {
 public:
  LocalRecords() = default;
  LocalRecords(const btf::Btf& btf, const btf::Btf* target);

  // The record of struct `type`; null if it has no special fields.
  const FieldRecord* Find(uint32_t type) const;
  // What BPF_BTF_LOAD gives because of these structs: 0 or an errno.
  int error() const { return error_; }

 private:
  int CheckRoots() const;
  int CheckOwnership() const;
  int OwnershipDepth(size_t index, int left, std::vector<uint8_t>* depths) const;

  std::vector<std::pair<uint32_t, FieldRecord>> records_;  // ascending by type
  int error_ = 0;
};

}  // namespace skep::verifier

#endif  // SKEP_VERIFIER_SPECIAL_FIELDS_H_
