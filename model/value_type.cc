// SPDX-License-Identifier: Apache-2.0
#include "model/value_type.h"

#include <algorithm>

#include "base/word_copy.h"

namespace skep::model {
const ValueField* ValueType::Find(SpecialMask kinds) const {
  for (const ValueField& f : fields) {
    if ((MaskOf(f.kind) & kinds) != 0) return &f;
  }
  return nullptr;
}

const ValueField* ValueType::At(uint32_t offset, SpecialMask kinds) const {
  for (const ValueField& f : fields) {
    if (f.offset == offset && (MaskOf(f.kind) & kinds) != 0) return &f;
  }
  return nullptr;
}

bool ValueType::Overlaps(uint32_t offset, uint32_t bytes) const {
  return std::any_of(fields.begin(), fields.end(), [&](const ValueField& f) {
    return offset < f.offset + f.size && f.offset < offset + bytes;
  });
}

bool SameFields(const ValueType* a, const ValueType* b) {
  if (a == nullptr || b == nullptr) return a == b;
  return std::equal(a->fields.begin(), a->fields.end(), b->fields.begin(), b->fields.end(),
                    [](const ValueField& x, const ValueField& y) {
                      return x.kind == y.kind && x.offset == y.offset &&
                             x.node_offset == y.node_offset &&
                             (x.target == nullptr) == (y.target == nullptr) &&
                             (x.target == nullptr || x.target->size == y.target->size);
                    });
}

void CopyValue(const ValueType* type, std::byte* to, const std::byte* from, size_t size) noexcept {
  size_t at = 0;
  if (type != nullptr) {
    for (const ValueField& f : type->fields) {
      CopyWords(to + at, from + at, f.offset - at);
      at = f.offset + f.size;
    }
  }
  CopyWords(to + at, from + at, size - at);
}

void CopyValueOut(const ValueType* type, std::byte* to, const std::byte* from,
                  size_t size) noexcept {
  CopyValue(type, to, from, size);
  if (type == nullptr) return;
  for (const ValueField& f : type->fields) ZeroWords(to + f.offset, f.size);
}

}  // namespace skep::model
