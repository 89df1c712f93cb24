// SPDX-License-Identifier: Apache-2.0
// ValueType: what run-time code must know of the value of a map, or of an object
// of a program's own: its size and where its special fields are. Made from BTF
// once (vm/value_types.h), shared by maps and objects.
//
// A zeroed value has all its fields in their first state, but for the nodes and
// the reference count of an object (InitObjectFields).
//
// Threads: immutable.

#ifndef SKEP_MODEL_VALUE_TYPE_H_
#define SKEP_MODEL_VALUE_TYPE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace skep::model {

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
  kKptrUntrusted,  // an address, nothing more
  kKptr,           // owns what it points to
  kKptrPercpu,
  kUptr,
};
// A set of SpecialKind.
using SpecialMask = uint32_t;
constexpr SpecialMask MaskOf(SpecialKind kind) { return SpecialMask{1} << static_cast<int>(kind); }
template <class... More>
constexpr SpecialMask MaskOf(SpecialKind kind, More... more) {
  return MaskOf(kind) | MaskOf(more...);
}
// What owns objects.
inline constexpr SpecialMask kOwners = MaskOf(SpecialKind::kListHead, SpecialKind::kRbRoot,
                                              SpecialKind::kKptr, SpecialKind::kKptrPercpu);

struct ValueType;

struct ValueField {
  SpecialKind kind{};
  uint32_t offset = 0;
  uint32_t size = 0;
  // Roots: where in the objects their node is.
  uint32_t node_offset = 0;
  // Roots and kernel pointers: what they own; null for the kernel's own types, of
  // which there is what kernel functions make here (struct bpf_cpumask).
  std::shared_ptr<const ValueType> target;
};

struct ValueType {
  uint32_t size = 0;
  std::vector<ValueField> fields;  // ascending by offset

  // The first field of these kinds; null if there is none.
  const ValueField* Find(SpecialMask kinds) const;
  // The field of these kinds at `offset`; null if there is none.
  const ValueField* At(uint32_t offset, SpecialMask kinds) const;
  // Whether [offset, offset + bytes) touches a field that programs may only
  // change by calls; an untrusted kernel pointer they may read.
  bool Overlaps(uint32_t offset, uint32_t bytes) const;
};

// Whether two types have the same fields at the same places.
bool SameFields(const ValueType* a, const ValueType* b);

// Copies a value but for its special fields, which stay as they are in `to`.
void CopyValue(const ValueType* type, std::byte* to, const std::byte* from, size_t size) noexcept;
// The same for a reader outside: its special fields become zeros.
void CopyValueOut(const ValueType* type, std::byte* to, const std::byte* from,
                  size_t size) noexcept;

}  // namespace skep::model

#endif  // SKEP_MODEL_VALUE_TYPE_H_
