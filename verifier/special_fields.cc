// SPDX-License-Identifier: Apache-2.0
#include "verifier/special_fields.h"

#include "btf/btf.h"

namespace skep::verifier {
namespace {

struct NamedKind {
  std::string_view name;
  SpecialKind kind;
};
constexpr NamedKind kStructs[] = {
    {"bpf_spin_lock", SpecialKind::kSpinLock}, {"bpf_res_spin_lock", SpecialKind::kResSpinLock},
    {"bpf_timer", SpecialKind::kTimer},        {"bpf_wq", SpecialKind::kWorkqueue},
    {"bpf_task_work", SpecialKind::kTaskWork}, {"bpf_list_head", SpecialKind::kListHead},
    {"bpf_list_node", SpecialKind::kListNode}, {"bpf_rb_root", SpecialKind::kRbRoot},
    {"bpf_rb_node", SpecialKind::kRbNode},     {"bpf_refcount", SpecialKind::kRefcount},
};
constexpr std::string_view kPointerTags[] = {"kptr_untrusted", "kptr", "percpu_kptr", "uptr"};

class Finder {
 public:
  explicit Finder(const btf::Btf& btf) : btf_(btf) {}

  void Visit(uint32_t id, uint32_t offset, int depth) {
    constexpr int kMaxDepth = 16;
    constexpr size_t kMaxFields = 256;
    if (depth > kMaxDepth || out_.size() >= kMaxFields) return;
    const uint32_t type = btf_.SkipModifiers(id);
    switch (btf_.kind(type)) {
      case btf::Kind::kStruct:
      case btf::Kind::kUnion:
        VisitStruct(type, offset, depth);
        break;
      case btf::Kind::kArray: {
        const btf::ArrayInfo array = btf_.array(type);
        const uint32_t size = btf_.SizeOf(array.element).value_or(0);
        for (uint32_t i = 0; i < array.count && out_.size() < kMaxFields; ++i) {
          const size_t before = out_.size();
          Visit(array.element, offset + i * size, depth + 1);
          if (out_.size() == before) break;  // nothing special in there
        }
        break;
      }
      case btf::Kind::kDatasec: {
        const uint32_t count = btf_.type(type).vlen;
        for (uint32_t i = 0; i < count; ++i) {
          const btf::SectionVariable v = btf_.section_variable(type, i);
          if (btf_.kind(v.type) != btf::Kind::kVar) continue;
          Visit(btf_.type(v.type).size_or_type, offset + v.offset, depth + 1);
        }
        break;
      }
      case btf::Kind::kPtr:
        if (IsKernelPointer(type)) out_.push_back({SpecialKind::kKptr, offset, 8});
        break;
      default:
        break;
    }
  }

  std::vector<SpecialField> Take() { return std::move(out_); }

 private:
  void VisitStruct(uint32_t type, uint32_t offset, int depth) {
    const std::string_view name = btf_.name(type);
    for (const NamedKind& s : kStructs) {
      if (s.name != name) continue;
      out_.push_back({s.kind, offset, btf_.SizeOf(type).value_or(0)});
      return;
    }
    const uint32_t count = btf_.type(type).vlen;
    for (uint32_t i = 0; i < count; ++i) {
      const btf::Member member = btf_.member(type, i);
      Visit(member.type, offset + member.bit_offset / 8, depth + 1);
    }
  }

  bool IsKernelPointer(uint32_t pointer) const {
    uint32_t id = btf_.type(pointer).size_or_type;
    for (int i = 0; i < 16 && btf_.kind(id) == btf::Kind::kTypeTag; ++i) {
      for (const std::string_view tag : kPointerTags) {
        if (btf_.name(id) == tag) return true;
      }
      id = btf_.type(id).size_or_type;
    }
    return false;
  }

  const btf::Btf& btf_;
  std::vector<SpecialField> out_;
};

}  // namespace

std::string_view NameOf(SpecialKind kind) {
  for (const NamedKind& s : kStructs) {
    if (s.kind == kind) return s.name;
  }
  return "kptr";
}

std::vector<SpecialField> FindSpecialFields(const btf::Btf& btf, uint32_t type) {
  if (type == 0 || type >= btf.type_count()) return {};
  Finder finder(btf);
  finder.Visit(type, 0, 0);
  return finder.Take();
}

}  // namespace skep::verifier
