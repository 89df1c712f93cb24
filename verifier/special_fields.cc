// SPDX-License-Identifier: Apache-2.0
// How Linux finds special fields: through structs and arrays, not through
// unions, typedefs or qualifiers. A field of the right name but the wrong size
// or alignment is no special field.

#include "verifier/special_fields.h"

#include <algorithm>
#include <cerrno>

#include "btf/btf.h"
#include "model/map_type_info.h"
#include "verifier/state.h"

namespace skep::verifier {
namespace {

constexpr int kMaxDepth = 32;
constexpr size_t kMaxFields = 11;

struct StructKind {
  SpecialKind kind;
  std::string_view name;
  uint32_t size;
  uint32_t alignment;
  bool unique;
};
constexpr StructKind kStructs[] = {
    {SpecialKind::kSpinLock, "bpf_spin_lock", 4, 4, true},
    {SpecialKind::kResSpinLock, "bpf_res_spin_lock", 4, 4, true},
    {SpecialKind::kTimer, "bpf_timer", 16, 8, true},
    {SpecialKind::kWorkqueue, "bpf_wq", 16, 8, true},
    {SpecialKind::kTaskWork, "bpf_task_work", 8, 8, true},
    {SpecialKind::kListHead, "bpf_list_head", 16, 8, false},
    {SpecialKind::kListNode, "bpf_list_node", 24, 8, false},
    {SpecialKind::kRbRoot, "bpf_rb_root", 16, 8, false},
    {SpecialKind::kRbNode, "bpf_rb_node", 32, 8, false},
    {SpecialKind::kRefcount, "bpf_refcount", 4, 4, true},
};
struct PointerKind {
  SpecialKind kind;
  std::string_view tag;
};
constexpr PointerKind kPointers[] = {
    {SpecialKind::kKptrUntrusted, "kptr_untrusted"},
    {SpecialKind::kKptr, "kptr"},
    {SpecialKind::kKptrPercpu, "percpu_kptr"},
    {SpecialKind::kUptr, "uptr"},
};
constexpr uint32_t kPointerSize = 8;

// The kernel's types that a map may own, and what releases them; a kernel that
// is built without one has no such function.
struct Destructor {
  std::string_view type;
  std::string_view function;
};
constexpr Destructor kDestructors[] = {
    {"task_struct", "bpf_task_release_dtor"},
    {"cgroup", "bpf_cgroup_release_dtor"},
    {"bpf_cpumask", "bpf_cpumask_release_dtor"},
    {"bpf_crypto_ctx", "bpf_crypto_ctx_release_dtor"},
    {"sk_buff", "bpf_kfree_skb_dtor"},
    {"prog_test_ref_kfunc", "bpf_kfunc_call_test_release_dtor"},
    {"prog_test_member", "bpf_kfunc_call_memb_release_dtor"},
};

constexpr SpecialMask kMapFields =
    kLocks | kKernelPointers | kGraphRoots |
    MaskOf(SpecialKind::kTimer, SpecialKind::kWorkqueue, SpecialKind::kTaskWork,
           SpecialKind::kRefcount, SpecialKind::kUptr);
constexpr SpecialMask kLocalFields =
    kLocks | kKernelPointers | kGraphRoots | kGraphNodes | MaskOf(SpecialKind::kRefcount);
// An array of these is many fields; an array of others is an error.
constexpr SpecialMask kRepeatable = kKernelPointers | kGraphRoots | MaskOf(SpecialKind::kUptr);

// A pointer type's tag and what it points to. Returns 1 if it is one of `mask`,
// 0 if it is no special field, else a negative errno.
int ReadPointer(const btf::Btf& btf, uint32_t id, SpecialMask mask, SpecialField* field) {
  if (btf.kind(id) == btf::Kind::kVolatile) id = btf.type(id).size_or_type;
  if (btf.kind(id) != btf::Kind::kPtr) return 0;
  id = btf.type(id).size_or_type;
  const btf::Type tag = btf.type(id);
  if (tag.kind != btf::Kind::kTypeTag || tag.kind_flag) return 0;
  if (btf.kind(tag.size_or_type) == btf::Kind::kTypeTag) return -EINVAL;
  const auto* known = std::find_if(std::begin(kPointers), std::end(kPointers),
                                   [&](const PointerKind& p) { return p.tag == tag.name; });
  if (known == std::end(kPointers)) return -EINVAL;
  if ((MaskOf(known->kind) & mask) == 0) return 0;
  const uint32_t pointee = btf.SkipModifiers(tag.size_or_type);
  if (btf.kind(pointee) != btf::Kind::kStruct) return -EINVAL;
  field->kind = known->kind;
  field->size = kPointerSize;
  field->btf = kProgramBtf;
  field->type = pointee;
  return 1;
}

class Finder {
 public:
  Finder(const btf::Btf& btf, const btf::Btf* target, SpecialMask mask)
      : btf_(btf), target_(target), mask_(mask) {}

  FieldRecord Run(uint32_t type, uint32_t size) {
    FieldRecord out;
    out.error = Collect(type);
    if (out.error == 0) out.error = Finish(size);
    out.needs_target = needs_target_;
    if (out.error == 0) out.fields = std::move(found_);
    return out;
  }

 private:
  int Collect(uint32_t type) {
    const btf::Kind kind = btf_.kind(type);
    if (kind == btf::Kind::kStruct) return VisitStruct(type, 0);
    if (kind != btf::Kind::kDatasec) return EINVAL;
    const uint32_t count = btf_.type(type).vlen;
    for (uint32_t i = 0; i < count; ++i) {
      const btf::SectionVariable v = btf_.section_variable(type, i);
      if (btf_.kind(v.type) != btf::Kind::kVar) continue;
      const uint32_t of = btf_.type(v.type).size_or_type;
      if (const int e = VisitOne(v.type, of, -1, v.offset, v.size, 0)) return e;
    }
    return 0;
  }

  int VisitStruct(uint32_t type, int level) {
    const uint32_t count = btf_.type(type).vlen;
    for (uint32_t i = 0; i < count; ++i) {
      const btf::Member member = btf_.member(type, i);
      if (member.bit_offset % 8 != 0) return EINVAL;
      if (const int e =
              VisitOne(type, member.type, static_cast<int>(i), member.bit_offset / 8, 0, level)) {
        return e;
      }
    }
    return 0;
  }

  // One member or variable: `owner` and `component` say where its tags are.
  int VisitOne(uint32_t owner, uint32_t type, int component, uint32_t offset, uint32_t expected,
               int level) {
    uint64_t count = 1;
    int arrays = 0;
    for (; arrays < kMaxDepth && btf_.kind(type) == btf::Kind::kArray; ++arrays) {
      const btf::ArrayInfo array = btf_.array(type);
      count = static_cast<uint32_t>(count * array.count);
      type = array.element;
    }
    if (arrays == kMaxDepth) return E2BIG;
    if (count == 0) return 0;
    const bool is_struct = btf_.kind(type) == btf::Kind::kStruct;
    const StructKind* known = nullptr;
    for (const StructKind& s : kStructs) {
      if ((MaskOf(s.kind) & mask_) != 0 && btf_.name(type) == s.name) known = &s;
    }
    if (known == nullptr && is_struct) {
      const uint32_t size = btf_.type(type).size_or_type;
      if (expected != 0 && expected != size * count) return 0;
      return VisitNested(type, offset, count, level);
    }
    SpecialField field;
    if (known != nullptr) {
      if (known->unique && (seen_ & MaskOf(known->kind)) != 0) return E2BIG;
      seen_ |= MaskOf(known->kind);
    } else if ((mask_ & (kKernelPointers | MaskOf(SpecialKind::kUptr))) == 0) {
      return 0;
    }
    const uint32_t size = known != nullptr ? known->size : kPointerSize;
    const uint32_t alignment = known != nullptr ? known->alignment : kPointerSize;
    if (expected != 0 && expected != size * count) return 0;
    if (offset % alignment != 0) return 0;
    if (known == nullptr) {
      const int is_pointer = ReadPointer(btf_, type, mask_, &field);
      if (is_pointer <= 0) return -is_pointer;
    } else {
      if (!is_struct || btf_.type(type).size_or_type != size) return 0;
      field.kind = known->kind;
      field.size = size;
      if ((MaskOf(field.kind) & kGraphRoots) != 0) {
        if (const int e = ReadRoot(owner, component, &field)) return e;
      }
    }
    field.offset = offset;
    if (found_.size() >= kMaxFields) return E2BIG;
    found_.push_back(field);
    return Repeat(found_.size() - 1, count, size);
  }

  int VisitNested(uint32_t type, uint32_t offset, uint64_t count, int level) {
    if (level + 1 >= kMaxDepth) return E2BIG;
    const size_t first = found_.size();
    if (const int e = VisitStruct(type, level + 1)) return e;
    if (found_.size() == first) return 0;
    for (size_t i = first; i < found_.size(); ++i) found_[i].offset += offset;
    return Repeat(first, count, btf_.type(type).size_or_type);
  }

  // The fields from `first` on are the first of `count` elements.
  int Repeat(size_t first, uint64_t count, uint32_t size) {
    if (count <= 1) return 0;
    const size_t end = found_.size();
    for (size_t i = first; i < end; ++i) {
      if ((MaskOf(found_[i].kind) & kRepeatable) == 0) return EINVAL;
    }
    if ((end - first) * count > kMaxFields - first) return E2BIG;
    for (uint32_t n = 1; n < count; ++n) {
      for (size_t i = first; i < end; ++i) {
        found_.push_back(found_[i]);
        found_.back().offset += n * size;
      }
    }
    return 0;
  }

  // "contains:node_data:node": the struct of the nodes and its member.
  int ReadRoot(uint32_t owner, int component, SpecialField* field) {
    constexpr std::string_view kKey = "contains:";
    std::string_view value;
    bool found = false;
    for (uint32_t id = 1; id < btf_.type_count(); ++id) {
      if (btf_.kind(id) != btf::Kind::kDeclTag) continue;
      const btf::DeclTag tag = btf_.decl_tag(id);
      if (tag.target != owner || tag.component != component) continue;
      const std::string_view text = btf_.name(id);
      if (text.substr(0, kKey.size()) != kKey) continue;
      if (found) return EINVAL;
      found = true;
      value = text.substr(kKey.size());
    }
    const size_t colon = value.find(':');
    if (!found || colon == std::string_view::npos) return EINVAL;
    const std::string_view node = value.substr(colon + 1);
    field->type = btf_.Find(value.substr(0, colon), btf::Kind::kStruct);
    if (field->type == 0) return ENOENT;
    if (node.empty()) return EINVAL;
    return FindNode(node, field);
  }

  int FindNode(std::string_view node, SpecialField* field) const {
    const std::string_view wanted =
        field->kind == SpecialKind::kListHead ? "bpf_list_node" : "bpf_rb_node";
    bool found = false;
    const uint32_t count = btf_.type(field->type).vlen;
    for (uint32_t i = 0; i < count; ++i) {
      const btf::Member member = btf_.member(field->type, i);
      if (member.name != node) continue;
      if (found || btf_.kind(member.type) != btf::Kind::kStruct ||
          btf_.name(member.type) != wanted || member.bit_offset % 64 != 0) {
        return EINVAL;
      }
      found = true;
      field->node_offset = member.bit_offset / 8;
    }
    return found ? 0 : ENOENT;
  }

  // A pointer's type is the kernel's if the kernel has one of that name.
  int ResolvePointer(SpecialField* field) {
    if (target_ == nullptr) {
      needs_target_ = true;
      return 0;
    }
    const std::string_view name = btf_.name(field->type);
    const uint32_t id = target_->Find(name, btf::Kind::kStruct);
    if (id == 0) return 0;
    field->btf = kTargetBtf;
    field->type = id;
    if (field->kind != SpecialKind::kKptr) return 0;
    for (const Destructor& d : kDestructors) {
      if (d.type == name) return target_->Find(d.function, btf::Kind::kFunc) != 0 ? 0 : ENOENT;
    }
    return ENOENT;
  }

  int Finish(uint32_t size) {
    uint32_t next = 0;
    SpecialMask mask = 0;
    for (SpecialField& f : found_) {
      if (uint64_t{f.offset} + f.size > size) return EFAULT;
      if (f.offset < next) return EEXIST;
      next = f.offset + f.size;
      mask |= MaskOf(f.kind);
      const bool is_pointer =
          (MaskOf(f.kind) & (kKernelPointers | MaskOf(SpecialKind::kUptr))) != 0;
      if (!is_pointer) continue;
      if (const int e = ResolvePointer(&f)) return e;
    }
    if ((mask & kLocks) == kLocks) return EINVAL;
    if ((mask & kGraphRoots) != 0 && (mask & kLocks) == 0) return EINVAL;
    if ((mask & kGraphNodes) == kGraphNodes && (mask & MaskOf(SpecialKind::kRefcount)) == 0) {
      return EINVAL;
    }
    return 0;
  }

  const btf::Btf& btf_;
  const btf::Btf* target_;
  SpecialMask mask_;
  SpecialMask seen_ = 0;
  bool needs_target_ = false;
  std::vector<SpecialField> found_;
};

}  // namespace

std::string_view NameOf(SpecialKind kind) {
  for (const StructKind& s : kStructs) {
    if (s.kind == kind) return s.name;
  }
  for (const PointerKind& p : kPointers) {
    if (p.kind == kind && kind != SpecialKind::kKptrUntrusted) return p.tag;
  }
  return "kptr";
}

SpecialMask FieldRecord::mask() const {
  SpecialMask out = 0;
  for (const SpecialField& f : fields) out |= MaskOf(f.kind);
  return out;
}

const SpecialField* FieldRecord::Find(SpecialMask kinds) const {
  for (const SpecialField& f : fields) {
    if ((MaskOf(f.kind) & kinds) != 0) return &f;
  }
  return nullptr;
}

const SpecialField* FieldRecord::At(uint32_t offset, SpecialMask kinds) const {
  for (const SpecialField& f : fields) {
    if (f.offset == offset && (MaskOf(f.kind) & kinds) != 0) return &f;
  }
  return nullptr;
}

FieldRecord ReadMapRecord(const btf::Btf* btf, const MapSpec& map, const btf::Btf* target) {
  if (btf == nullptr || map.btf_value_type_id == 0 || map.btf_value_type_id >= btf->type_count()) {
    return {};
  }
  const uint32_t type = btf->SkipModifiers(map.btf_value_type_id);
  return Finder(*btf, target, kMapFields).Run(type, map.value_size);
}

bool MapTakes(MapType type, SpecialKind kind) {
  const model::MapTypeInfo* info = model::FindMapType(type);
  const auto takes = [&](uint16_t bit) { return info != nullptr && (info->fields & bit) != 0; };
  switch (kind) {
    case SpecialKind::kSpinLock:
      return takes(model::kFieldSpinLock);
    case SpecialKind::kResSpinLock:
      return takes(model::kFieldResSpinLock);
    case SpecialKind::kTimer:
      return takes(model::kFieldTimer);
    case SpecialKind::kWorkqueue:
      return takes(model::kFieldWorkqueue);
    case SpecialKind::kTaskWork:
      return takes(model::kFieldTaskWork);
    case SpecialKind::kListHead:
      return takes(model::kFieldListHead);
    case SpecialKind::kRbRoot:
      return takes(model::kFieldRbRoot);
    case SpecialKind::kKptrUntrusted:
      return takes(model::kFieldKptrUntrusted);
    case SpecialKind::kKptr:
    case SpecialKind::kKptrPercpu:
      return takes(model::kFieldKptrRef);
    case SpecialKind::kRefcount:
      return takes(model::kFieldRefcount);
    case SpecialKind::kUptr:
      return takes(model::kFieldUptr);
    case SpecialKind::kListNode:
    case SpecialKind::kRbNode:
      return false;
  }
  return false;
}

LocalRecords::LocalRecords(const btf::Btf& btf, const btf::Btf* target) {
  // Types whose presence as a member makes a struct one with special fields.
  std::vector<bool> special(btf.type_count());
  bool any = false;
  for (const StructKind& s : kStructs) {
    if ((MaskOf(s.kind) & kLocalFields) == 0) continue;
    const uint32_t id = btf.Find(s.name, btf::Kind::kStruct);
    if (id == 0) continue;
    special[id] = any = true;
  }
  for (uint32_t id = 1; id < btf.type_count(); ++id) {
    SpecialField field;
    if (ReadPointer(btf, id, kKernelPointers, &field) == 1) special[id] = any = true;
  }
  if (!any) return;
  for (uint32_t id = 1; id < btf.type_count() && error_ == 0; ++id) {
    const btf::Type type = btf.type(id);
    if (type.kind != btf::Kind::kStruct) continue;
    bool has = false;
    for (uint32_t i = 0; i < type.vlen && !has; ++i) has = special[btf.member(id, i).type];
    if (!has) continue;
    FieldRecord record = Finder(btf, target, kLocalFields).Run(id, type.size_or_type);
    error_ = record.error;
    if (error_ == 0 && record.fields.empty()) error_ = EFAULT;
    if (error_ == 0) records_.emplace_back(id, std::move(record));
  }
  if (error_ == 0) error_ = CheckRoots();
  if (error_ == 0) error_ = CheckOwnership();
}

const FieldRecord* LocalRecords::Find(uint32_t type) const {
  const auto it = std::lower_bound(records_.begin(), records_.end(), type,
                                   [](const auto& r, uint32_t wanted) { return r.first < wanted; });
  return it != records_.end() && it->first == type ? &it->second : nullptr;
}

// The nodes of a list or tree are structs with a record.
int LocalRecords::CheckRoots() const {
  for (const auto& [type, record] : records_) {
    for (const SpecialField& f : record.fields) {
      if ((MaskOf(f.kind) & kGraphRoots) != 0 && Find(f.type) == nullptr) return EFAULT;
    }
  }
  return 0;
}

// Objects that own objects that own objects: each level frees the next, so that
// Linux bounds them.
int LocalRecords::CheckOwnership() const {
  constexpr int kMaxOwnership = 8;
  std::vector<uint8_t> depths(records_.size());
  for (size_t i = 0; i < records_.size(); ++i) {
    const int depth = OwnershipDepth(i, kMaxOwnership, &depths);
    if (depth < 0) return -depth;
  }
  return 0;
}

// How many levels record `index` is the top of, or a negative errno where they
// are more than `left`.
int LocalRecords::OwnershipDepth(size_t index, int left, std::vector<uint8_t>* depths) const {
  if (left == 0) return -ELOOP;
  if ((*depths)[index] == 0) {
    int deepest = 0;
    for (const SpecialField& f : records_[index].second.fields) {
      const bool owns = (MaskOf(f.kind) & (kGraphRoots | kKernelPointers)) != 0 &&
                        f.kind != SpecialKind::kKptrUntrusted && f.btf == kProgramBtf;
      const FieldRecord* owned = owns ? Find(f.type) : nullptr;
      if (owned == nullptr) continue;
      size_t at = 0;
      while (&records_[at].second != owned) ++at;
      const int depth = OwnershipDepth(at, left - 1, depths);
      if (depth < 0) return depth;
      deepest = std::max(deepest, depth);
    }
    (*depths)[index] = static_cast<uint8_t>(deepest + 1);
  }
  return (*depths)[index] > left ? -ELOOP : (*depths)[index];
}

}  // namespace skep::verifier
