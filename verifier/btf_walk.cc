// SPDX-License-Identifier: Apache-2.0
#include "verifier/btf_walk.h"

namespace skep::verifier {
namespace {

using btf::Btf;
using btf::Kind;
using btf::Member;
using btf::Type;

// Structures in one another, flexible arrays included. Linux has no limit;
// well-formed BTF of a kernel stays far below it.
constexpr int kMaxNesting = 64;
constexpr uint32_t kPointerSize = 8;

BtfWalk Refuse(FindingCode code, Args args) {
  BtfWalk out;
  out.refused = code;
  out.message = FillIn(RowOf(code).text, args);
  return out;
}

// A member's type with arrays taken apart: their elements lie in a row.
struct Layout {
  uint32_t id = 0;  // behind qualifiers; of an array its innermost element
  uint64_t element_size = 0;
  uint64_t size = 0;
  bool is_array = false;
  bool known = false;
};

Layout LayoutOf(const Btf& btf, uint32_t type) {
  Layout out;
  uint64_t count = 1;
  out.id = btf.SkipModifiers(type);
  while (btf.kind(out.id) == Kind::kArray) {
    const btf::ArrayInfo array = btf.array(out.id);
    count *= array.count;
    if (count > ~uint32_t{0}) return out;
    out.is_array = true;
    out.id = btf.SkipModifiers(array.element);
  }
  const auto size = btf.SizeOf(out.id);
  if (!size) return out;
  out.known = true;
  out.element_size = *size;
  out.size = *size * count;
  return out;
}

// The element type of the array without a length that ends `t`; 0 if `off` is
// not behind its start or it has none.
uint32_t FlexibleElement(const Btf& btf, uint32_t id, const Type& t, uint64_t off,
                         uint64_t* start) {
  if (t.vlen == 0) return 0;
  const Member last = btf.member(id, t.vlen - 1);
  const uint32_t array_id = btf.SkipModifiers(last.type);
  if (btf.kind(array_id) != Kind::kArray) return 0;
  const btf::ArrayInfo array = btf.array(array_id);
  if (array.count != 0) return 0;
  *start = last.bit_offset / 8;
  if (off < *start) return 0;
  return btf.SkipModifiers(array.element);
}

// One structure and those inside it, up to the first that starts at the offset.
class Walker {
 public:
  Walker(const Btf& btf, uint32_t size, bool flexible)
      : btf_(btf), size_(size), flexible_(flexible) {}

  BtfWalk Walk(uint32_t id, uint64_t off, uint16_t flags) {
    flags_ = flags;
    off_ = off;
    id_ = id;
    for (int depth = 0; depth < kMaxNesting; ++depth) {
      BtfWalk out;
      if (Descend(&out)) {
        out.flags = static_cast<uint16_t>(out.flags | flags_);
        return out;
      }
    }
    return Refuse(FindingCode::kUnsupportedNesting, {btf_.name(id_)});
  }

 private:
  // Looks at one structure. False: go on with id_ and off_.
  bool Descend(BtfWalk* out) {
    id_ = btf_.SkipModifiers(id_);
    const Type t = btf_.type(id_);
    if (!IsStruct(btf_, id_)) {
      *out = Refuse(FindingCode::kBtfNotStruct, {t.name});
      return true;
    }
    if (t.kind == Kind::kUnion && t.vlen != 1) flags_ |= kUntrusted;
    if (off_ + size_ > t.size_or_type) return Beyond(t, out);
    for (uint32_t i = 0; i < t.vlen; ++i) {
      const Member m = btf_.member(id_, i);
      const uint64_t start = m.bit_offset / 8;
      if (off_ + size_ <= start) break;
      if (m.bitfield_size != 0) {
        const uint64_t end = (uint64_t{m.bit_offset} + m.bitfield_size + 7) / 8;
        if (off_ <= start && end <= off_ + size_) {
          out->field = BtfField::kScalar;
          return true;
        }
        continue;
      }
      if (off_ < start) break;  // in a hole
      const Layout layout = LayoutOf(btf_, m.type);
      if (!layout.known) {
        *out = Refuse(FindingCode::kBtfFieldWithoutSize, {m.name});
        return true;
      }
      const uint64_t end = start + layout.size;
      if (off_ >= end) continue;
      return Inside(t, m, layout, start, end, out);
    }
    *out = Refuse(FindingCode::kBtfNoField, {t.name, off_});
    return true;
  }

  // The access reaches behind the end of structure `t`.
  bool Beyond(const Type& t, BtfWalk* out) {
    uint64_t start = 0;
    const uint32_t element = flexible_ ? FlexibleElement(btf_, id_, t, off_, &start) : 0;
    if (element != 0 && btf_.kind(element) == Kind::kInt) {
      out->field = BtfField::kScalar;
      return true;
    }
    if (element != 0 && IsStruct(btf_, element) && btf_.type(element).size_or_type != 0) {
      off_ = (off_ - start) % btf_.type(element).size_or_type;
      id_ = element;
      return false;
    }
    *out = Refuse(FindingCode::kBtfBeyondStruct, {t.name, off_, size_});
    return true;
  }

  // The access starts inside member `m`, which takes the bytes start..end.
  bool Inside(const Type& t, const Member& m, const Layout& layout, uint64_t start, uint64_t end,
              BtfWalk* out) {
    if (layout.is_array) start += (off_ - start) / layout.element_size * layout.element_size;
    if (IsStruct(btf_, layout.id)) {
      id_ = layout.id;
      off_ -= start;
      if (off_ != 0) return false;
      out->field = BtfField::kStruct;
      out->btf_id = id_;
      return true;
    }
    if (btf_.kind(layout.id) == Kind::kPtr) {
      if (size_ != kPointerSize || off_ != start) {
        *out = Refuse(FindingCode::kBtfPartOfPointer, {m.name, start, t.name, off_, size_});
        return true;
      }
      const uint32_t pointee = btf_.type(layout.id).size_or_type;
      const uint32_t target = btf_.SkipModifiers(pointee);
      if (!IsStruct(btf_, target)) {
        out->field = BtfField::kMemory;
        return true;
      }
      out->field = BtfField::kPointer;
      out->btf_id = target;
      out->flags = PointerTag(btf_, pointee);
      out->name = m.name;
      return true;
    }
    // Anywhere inside a number, or an array of numbers.
    if (off_ + size_ > end && (flags_ & kUntrusted) == 0) {
      *out = Refuse(FindingCode::kBtfBeyondMember, {m.name, end, t.name, off_, size_});
      return true;
    }
    out->field = BtfField::kScalar;
    return true;
  }

  const Btf& btf_;
  const uint64_t size_;
  const bool flexible_;
  uint32_t id_ = 0;
  uint64_t off_ = 0;
  uint16_t flags_ = 0;
};

}  // namespace

uint16_t PointerTag(const Btf& btf, uint32_t pointee) {
  const Type t = btf.type(pointee);
  if (t.kind != Kind::kTypeTag || t.kind_flag) return 0;
  if (t.name == "user") return kUser;
  if (t.name == "percpu") return kPercpu;
  if (t.name == "rcu") return kRcu;
  return 0;
}

BtfWalk WalkOneLevel(const Btf& btf, uint32_t id, uint32_t off, uint32_t size, bool flexible) {
  return Walker(btf, size, flexible).Walk(id, off, 0);
}

BtfWalk WalkStruct(const Btf& btf, uint32_t id, uint32_t off, uint32_t size, bool flexible) {
  Walker walker(btf, size, flexible);
  BtfWalk out = walker.Walk(id, off, 0);
  // A structure at the offset itself: look into it, again and again.
  for (int depth = 0; out.field == BtfField::kStruct; ++depth) {
    if (depth == kMaxNesting) {
      return Refuse(FindingCode::kUnsupportedNesting, {btf.name(out.btf_id)});
    }
    out = walker.Walk(out.btf_id, 0, out.flags);
  }
  return out;
}

bool StructMatches(const Btf& btf, uint32_t id, uint32_t off, uint32_t need, bool strict,
                   bool flexible) {
  if (off == 0 && id == need) return true;
  if (strict) return false;
  for (int depth = 0; depth < kMaxNesting; ++depth) {
    const BtfWalk step = WalkOneLevel(btf, id, off, 1, flexible);
    if (step.field != BtfField::kStruct) return false;
    if (step.btf_id == need) return true;
    id = step.btf_id;
    off = 0;
  }
  return false;
}

bool IsTrusted(const Register& r) {
  if (r.ref_id != 0) return true;
  constexpr uint16_t kTrustworthy = kAlloc | kTrusted | kNonOwning;
  if ((r.flags & ~kTrustworthy) != 0) return false;
  switch (r.kind) {
    case RegKind::kSocket:
    case RegKind::kSockCommon:
    case RegKind::kTcpSock:
    case RegKind::kMapPointer:
      return true;
    case RegKind::kNotInit:
    case RegKind::kScalar:
    case RegKind::kContext:
    case RegKind::kMapValue:
    case RegKind::kMapKey:
    case RegKind::kStack:
    case RegKind::kPacket:
    case RegKind::kPacketMeta:
    case RegKind::kPacketEnd:
    case RegKind::kMemory:
    case RegKind::kFunction:
    case RegKind::kFlowKeys:
    case RegKind::kXdpSock:
    case RegKind::kTracingBuffer:
    case RegKind::kBuffer:
    case RegKind::kBtfId:
    case RegKind::kArena:
    case RegKind::kDynptr:
    case RegKind::kIterator:
      return (r.flags & kTrustworthy) != 0;
  }
  return false;
}

}  // namespace skep::verifier
