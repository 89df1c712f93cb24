// SPDX-License-Identifier: Apache-2.0
#include "btf/c_layout.h"

#include <algorithm>

namespace skep::btf {
namespace {

constexpr uint32_t kPointerSize = 8;
// A gap may be 2^29 bytes wide; one of more than this many numbers is given up.
constexpr size_t kMaxPaddings = 1u << 16;

struct PadType {
  const char* name;
  uint32_t bits;
};
constexpr PadType kPadTypes[] = {{"long", 64}, {"int", 32}, {"short", 16}, {"char", 8}};

uint64_t RoundUp(uint64_t value, uint64_t step) { return (value + step - 1) / step * step; }

}  // namespace

uint32_t CLayout::AlignOf(uint32_t id) {
  const uint32_t real = btf_.SkipModifiers(id);
  if (alignments_[real] != 0) return alignments_[real];
  uint32_t align = 1;
  switch (btf_.kind(real)) {
    case Kind::kInt:
    case Kind::kEnum:
    case Kind::kEnum64:
    case Kind::kFloat:
      align = std::clamp(btf_.type(real).size_or_type, 1u, kPointerSize);
      break;
    case Kind::kPtr:
      align = kPointerSize;
      break;
    case Kind::kArray:
      align = AlignOf(btf_.array(real).element);
      break;
    case Kind::kStruct:
    case Kind::kUnion:
      align = IsPacked(real) ? 1 : AlignOfMembers(real);
      break;
    case Kind::kVoid:
    case Kind::kFwd:
    case Kind::kTypedef:
    case Kind::kVolatile:
    case Kind::kConst:
    case Kind::kRestrict:
    case Kind::kFunc:
    case Kind::kFuncProto:
    case Kind::kVar:
    case Kind::kDatasec:
    case Kind::kDeclTag:
    case Kind::kTypeTag:
      break;
  }
  alignments_[real] = static_cast<uint8_t>(align);
  return align;
}

uint32_t CLayout::AlignOfMembers(uint32_t id) {
  uint32_t align = 1;
  const uint32_t count = btf_.type(id).vlen;
  for (uint32_t i = 0; i < count; ++i) align = std::max(align, AlignOf(btf_.member(id, i).type));
  return align;
}

bool CLayout::IsPacked(uint32_t id) {
  const Type type = btf_.type(id);
  for (uint32_t i = 0; i < type.vlen; ++i) {
    const Member member = btf_.member(id, i);
    if (member.bitfield_size == 0 && member.bit_offset % (8 * AlignOf(member.type)) != 0) {
      return true;
    }
  }
  return type.size_or_type % AlignOfMembers(id) != 0;
}

// A bitfield of a type cannot straddle a boundary of that type. So the widest type
// that has a boundary in the gap is taken: the compiler skips to that boundary by
// itself, and the rest is filled with whole numbers of the type. "long: 0" asks for
// the skip where the compiler would see no reason for it.
std::vector<Padding> PaddingBetween(uint32_t from, uint32_t to, uint32_t align, bool in_bitfield) {
  std::vector<Padding> out;
  if (from >= to) return out;
  const PadType* pad = std::find_if(std::begin(kPadTypes), std::end(kPadTypes) - 1,
                                    [&](const PadType& p) { return RoundUp(from, p.bits) <= to; });
  uint64_t at = from;
  const uint64_t boundary = RoundUp(from, pad->bits);
  if (boundary > at && boundary <= to) {
    const bool member_aligns = RoundUp(from, uint64_t{align} * 8) == boundary;
    // Else what follows would fit in front of the boundary.
    const bool rest_fits_before = boundary != to && to - boundary <= boundary - at;
    if (in_bitfield) {
      out.push_back({pad->name, static_cast<uint32_t>(boundary - at)});
    } else if ((boundary == to && !member_aligns) || rest_fits_before) {
      out.push_back({pad->name, 0});
    }
    at = boundary;
  }
  for (; to - at >= pad->bits && out.size() < kMaxPaddings; at += pad->bits) {
    out.push_back({pad->name, pad->bits});
  }
  if (at == to || out.size() >= kMaxPaddings) return out;
  const auto rest = static_cast<uint32_t>(to - at);
  const PadType* smallest = std::end(kPadTypes) - 1;
  while (smallest->bits < rest) --smallest;
  out.push_back({smallest->name, rest});
  return out;
}

}  // namespace skep::btf
