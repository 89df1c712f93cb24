// SPDX-License-Identifier: Apache-2.0
#include "loader/core_value.h"

#include <optional>

namespace skep::loader {
namespace {

using btf::Btf;
using btf::Kind;

// One side of a CoreResolution.
struct Number {
  uint64_t value = 0;
  bool checked = true;
  uint32_t size = 0;  // bytes of a loaded or stored field
  uint32_t type = 0;  // and its type
};

// Loads of an array's start are loads of its elements.
std::optional<uint32_t> ElementSize(const Btf& btf, uint32_t id) {
  id = btf.SkipModifiers(id);
  while (btf.kind(id) == Kind::kArray) id = btf.SkipModifiers(btf.array(id).element);
  return btf.SizeOf(id);
}

CoreProblem ElementNumber(CoreKind kind, const CoreSpec& spec, Number& out) {
  const uint32_t type = spec.steps.back().type;
  if (kind == CoreKind::kFieldByteOffset) {
    const auto size = ElementSize(*spec.btf, type);
    if (!size) return CoreProblem::kNoSize;
    out = {spec.bit_offset / 8, true, *size, type};
    return CoreProblem::kNone;
  }
  if (kind != CoreKind::kFieldByteSize) return CoreProblem::kElementProperty;
  const auto size = spec.btf->SizeOf(type);
  if (!size) return CoreProblem::kNoSize;
  out.value = *size;
  return CoreProblem::kNone;
}

// The bytes that a program has to load to have the field in its hands: for a
// bitfield, the smallest aligned word around it. In 32 bits, as the shifts below
// are computed by compilers and libbpf.
struct Extent {
  uint32_t byte_offset = 0;
  uint32_t byte_size = 0;
  uint32_t bit_size = 0;
};

CoreProblem BitfieldExtent(uint32_t bit_offset, uint32_t bit_size, uint32_t word, Extent& out) {
  // The type of a bitfield is an integer, unless the bytes are hostile.
  if (word == 0 || word > 8 || (word & (word - 1)) != 0) return CoreProblem::kWideBitfield;
  for (;; word *= 2) {
    if (word > 8) return CoreProblem::kWideBitfield;
    const uint32_t byte_offset = bit_offset / 8 / word * word;
    if (uint64_t{bit_offset} + bit_size <= (uint64_t{byte_offset} + word) * 8) {
      out = {byte_offset, word, bit_size};
      return CoreProblem::kNone;
    }
  }
}

CoreProblem FieldNumber(CoreKind kind, const CoreSpec& spec, Number& out) {
  const Btf& btf = *spec.btf;
  const CoreStep& step = spec.steps.back();
  if (step.name.empty()) return ElementNumber(kind, spec, out);

  const btf::Member member = btf.member(step.type, step.index);
  const uint32_t type = btf.SkipModifiers(member.type);
  const bool is_bitfield = member.bitfield_size != 0;
  const std::optional<uint32_t> size = btf.SizeOf(type);
  if (!size) return CoreProblem::kNoSize;
  Extent extent{spec.bit_offset / 8, *size, *size * 8};
  if (is_bitfield) {
    const auto problem = BitfieldExtent(spec.bit_offset, member.bitfield_size, *size, extent);
    if (problem != CoreProblem::kNone) return problem;
  }
  // Which word a bitfield is loaded by is the compiler's choice, so what it
  // wrote is not checked.
  out.checked = !is_bitfield;
  switch (kind) {
    case CoreKind::kFieldByteOffset:
      out.value = extent.byte_offset;
      if (!is_bitfield) {
        const auto element = ElementSize(btf, type);
        if (!element) return CoreProblem::kNoSize;
        out.size = *element;
        out.type = type;
      }
      break;
    case CoreKind::kFieldByteSize:
      out.value = extent.byte_size;
      break;
    case CoreKind::kFieldSigned:
      out.value = IsEnum(btf.kind(type))
                      ? btf.type(type).kind_flag
                      : btf.kind(type) == Kind::kInt && btf.integer(type).is_signed;
      out.checked = true;
      break;
    case CoreKind::kFieldLeftShift:  // little-endian, as the target is
      out.value = 64 - (spec.bit_offset + extent.bit_size - extent.byte_offset * 8);
      break;
    case CoreKind::kFieldRightShift:
      out.value = 64 - extent.bit_size;
      out.checked = true;
      break;
    case CoreKind::kFieldExists:
    case CoreKind::kTypeIdLocal:
    case CoreKind::kTypeIdTarget:
    case CoreKind::kTypeExists:
    case CoreKind::kTypeSize:
    case CoreKind::kEnumeratorExists:
    case CoreKind::kEnumeratorValue:
    case CoreKind::kTypeMatches:
      return CoreProblem::kUnknownKind;
  }
  return CoreProblem::kNone;
}

// An instruction that loads one of them may load the other by its size instead:
// pointers, and integers that the load zero-extends.
bool MayResize(const Btf& local, uint32_t type, const Btf& target, uint32_t other) {
  if (local.kind(type) == Kind::kPtr) return target.kind(other) == Kind::kPtr;
  return local.kind(type) == Kind::kInt && target.kind(other) == Kind::kInt &&
         !local.integer(type).is_signed && !target.integer(other).is_signed;
}

CoreProblem ComputeField(CoreKind kind, const CoreSpec& local, const CoreSpec* target,
                         CoreResolution& out) {
  if (kind == CoreKind::kFieldExists) {
    out.compiled = 1;
    out.value = target != nullptr;
    return CoreProblem::kNone;
  }
  Number ours;
  if (const auto problem = FieldNumber(kind, local, ours); problem != CoreProblem::kNone)
    return problem;
  out.compiled = ours.value;
  out.compiled_size = ours.size;
  out.checked = ours.checked;
  out.found = target != nullptr;
  if (target == nullptr) return CoreProblem::kNone;
  Number theirs;
  if (const auto problem = FieldNumber(kind, *target, theirs); problem != CoreProblem::kNone)
    return problem;
  out.value = theirs.value;
  out.size = theirs.size;
  out.resizable =
      ours.size == theirs.size || MayResize(*local.btf, ours.type, *target->btf, theirs.type);
  return CoreProblem::kNone;
}

CoreProblem TypeNumber(CoreKind kind, const CoreSpec& spec, uint64_t& out) {
  if (kind == CoreKind::kTypeIdTarget) {
    out = spec.root;
  } else if (kind == CoreKind::kTypeSize) {
    const auto size = spec.btf->SizeOf(spec.root);
    if (!size) return CoreProblem::kNoSize;
    out = *size;
  } else {
    out = 1;
  }
  return CoreProblem::kNone;
}

// What is not found has the number 0.
CoreProblem ComputeType(CoreKind kind, const CoreSpec& local, const CoreSpec* target,
                        CoreResolution& out) {
  // Linkers of objects renumber types without touching instructions.
  out.checked = kind != CoreKind::kTypeIdTarget;
  if (const auto problem = TypeNumber(kind, local, out.compiled); problem != CoreProblem::kNone)
    return problem;
  return target == nullptr ? CoreProblem::kNone : TypeNumber(kind, *target, out.value);
}

// Enumerators of 32 bits are sign-extended, whatever the enum's sign.
uint64_t EnumeratorNumber(const CoreSpec& spec) {
  const CoreStep& step = spec.steps[0];
  const int64_t value = spec.btf->enumerator(step.type, step.index).value;
  return spec.btf->kind(step.type) == Kind::kEnum
             ? static_cast<uint64_t>(int64_t{static_cast<int32_t>(value)})
             : static_cast<uint64_t>(value);
}

}  // namespace

CoreProblem ComputeCore(CoreKind kind, const CoreSpec& local, const CoreSpec* target,
                        CoreResolution& out) {
  out = {};
  switch (SubjectOf(kind)) {
    case CoreSubject::kField:
      return ComputeField(kind, local, target, out);
    case CoreSubject::kType:
      return ComputeType(kind, local, target, out);
    case CoreSubject::kEnumerator:
      if (kind == CoreKind::kEnumeratorExists) {
        out.compiled = 1;
        out.value = target != nullptr;
      } else {
        out.compiled = EnumeratorNumber(local);
        out.found = target != nullptr;
        if (target != nullptr) out.value = EnumeratorNumber(*target);
      }
      return CoreProblem::kNone;
  }
  return CoreProblem::kNone;
}

}  // namespace skep::loader
