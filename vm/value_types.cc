// SPDX-License-Identifier: Apache-2.0
#include "vm/value_types.h"

#include <map>
#include <utility>

#include "base/check.h"
#include "btf/btf.h"
#include "verifier/special_fields.h"

namespace skep {
namespace {

using model::ValueField;
using model::ValueType;

model::SpecialKind KindOf(verifier::SpecialKind kind) {
  switch (kind) {
#define SKEP_SAME(name)             \
  case verifier::SpecialKind::name: \
    return model::SpecialKind::name;
    SKEP_SAME(kSpinLock)
    SKEP_SAME(kResSpinLock)
    SKEP_SAME(kTimer)
    SKEP_SAME(kWorkqueue)
    SKEP_SAME(kTaskWork)
    SKEP_SAME(kListHead)
    SKEP_SAME(kListNode)
    SKEP_SAME(kRbRoot)
    SKEP_SAME(kRbNode)
    SKEP_SAME(kRefcount)
    SKEP_SAME(kKptrUntrusted)
    SKEP_SAME(kKptr)
    SKEP_SAME(kKptrPercpu)
    SKEP_SAME(kUptr)
#undef SKEP_SAME
  }
  SKEP_UNREACHABLE();
}

// Makes types from one BTF, each once. What owns what has no cycles:
// LocalRecords refuses them.
class Maker {
 public:
  explicit Maker(const btf::Btf& btf) : btf_(btf), records_(btf, nullptr) {}

  std::shared_ptr<const ValueType> Make(const verifier::FieldRecord& record, uint32_t size) {
    auto type = std::make_shared<ValueType>();
    type->size = size;
    for (const verifier::SpecialField& f : record.fields) {
      ValueField field{KindOf(f.kind), f.offset, f.size, f.node_offset, nullptr};
      if ((model::MaskOf(field.kind) & model::kOwners) != 0) field.target = Object(f.type);
      type->fields.push_back(std::move(field));
    }
    return type;
  }

  std::shared_ptr<const ValueType> Object(uint32_t id) {
    if (records_.error() != 0 || btf_.kind(id) != btf::Kind::kStruct) return nullptr;
    const auto known = made_.find(id);
    if (known != made_.end()) return known->second;
    const uint32_t size = btf_.type(id).size_or_type;
    const verifier::FieldRecord* record = records_.Find(id);
    auto type = Make(record != nullptr ? *record : verifier::FieldRecord{}, size);
    made_.emplace(id, type);
    return type;
  }

 private:
  const btf::Btf& btf_;
  const verifier::LocalRecords records_;
  std::map<uint32_t, std::shared_ptr<const ValueType>> made_;
};

}  // namespace

std::shared_ptr<const ValueType> ReadValueType(const btf::Btf* btf, const MapSpec& map) {
  const verifier::FieldRecord record = verifier::ReadMapRecord(btf, map, nullptr);
  if (record.error != 0 || record.fields.empty()) return nullptr;
  return Maker(*btf).Make(record, map.value_size);
}

std::shared_ptr<const ValueType> ReadObjectType(const btf::Btf& btf, uint32_t type) {
  if (type == 0 || type >= btf.type_count()) return nullptr;
  return Maker(btf).Object(type);
}

}  // namespace skep
