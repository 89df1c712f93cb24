// SPDX-License-Identifier: Apache-2.0
#include "btf/linux_rules.h"

#include <algorithm>
#include <cerrno>
#include <string>

#include <fmt/format.h>

#include "btf/raw.h"

namespace skep::btf {
namespace {

// Linux's character classes are those of Latin-1.
bool IsLetter(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= 0xc0 && c != 0xd7 && c != 0xf7);
}
bool IsDigit(unsigned char c) { return c >= '0' && c <= '9'; }
bool IsPrintable(unsigned char c) { return (c >= 0x20 && c <= 0x7e) || c >= 0xa0; }

// A C identifier; dots are what compilers add to names of clones and statics.
bool IsIdentifier(std::string_view name) {
  if (name.empty() || name.size() > kMaxNameLength) return false;
  if (IsDigit(static_cast<unsigned char>(name[0]))) return false;
  return std::all_of(name.begin(), name.end(), [](char raw) {
    const auto c = static_cast<unsigned char>(raw);
    return IsLetter(c) || IsDigit(c) || c == '_' || c == '.';
  });
}

bool IsSectionName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameLength &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return IsPrintable(static_cast<unsigned char>(c)); });
}

}  // namespace

// One type at a time.
class LinuxRules {
 public:
  LinuxRules(const Btf& btf, uint32_t id)
      : btf_(btf), id_(id), words_(btf.words(id)), type_(btf.type(id)) {}
  Result<void> Check() const;

 private:
  Error Bad(std::string_view what) const {
    return {ErrorCode::kMalformedObject,
            fmt::format("type {} ({}): {}", id_, KindName(type_.kind), what), EINVAL};
  }
  // No name is the offset 0; any other empty string is a bad name.
  Result<void> NeedName(uint32_t offset, bool required, std::string_view of = "") const {
    const std::string_view name = btf_.StringAt(offset);
    if (offset == 0 ? !required : IsIdentifier(name)) return {};
    return Bad(fmt::format("{}invalid name '{}'", of, name.substr(0, kMaxNameLength)));
  }
  Result<void> NeedNoName() const {
    if (words_[0] != 0) return Bad("must not have a name");
    return {};
  }
  Error BadTarget(uint32_t target) const {
    return Bad(fmt::format("refers to type {} ({})", target, KindName(btf_.kind(target))));
  }
  Result<void> CheckTarget(uint32_t target, bool size_needed) const;
  Result<void> CheckModifier() const;
  Result<void> CheckMember(uint32_t index) const;
  Result<void> CheckBits(uint32_t index, uint64_t at, uint64_t bits) const;
  Result<void> CheckArray() const;
  Result<void> CheckPrototype() const;
  Result<void> CheckSection() const;
  bool IsRegularInt(uint32_t id) const;

  const Btf& btf_;
  const uint32_t id_;
  const uint32_t* const words_;
  const Type type_;
};

// Void, forward declarations and prototypes may be pointed to and qualified,
// though they have no size; functions may be qualified.
Result<void> LinuxRules::CheckTarget(uint32_t target, bool size_needed) const {
  if (OnlyRefers(btf_.kind(target))) return BadTarget(target);
  if (btf_.SizeOf(target)) return {};
  const Kind behind = btf_.kind(btf_.SkipModifiers(target));
  const bool sizeless_is_fine = behind == Kind::kVoid || behind == Kind::kFwd ||
                                behind == Kind::kFuncProto ||
                                (behind == Kind::kFunc && IsModifier(type_.kind));
  if (size_needed || !sizeless_is_fine) return BadTarget(target);
  return {};
}

Result<void> LinuxRules::CheckModifier() const {
  if (btf_.kind(type_.size_or_type) == Kind::kTypeTag)
    return Bad("qualifies a type tag, need tags in front of qualifiers");
  return CheckTarget(type_.size_or_type, false);
}

// An int that fills 1, 2, 4, 8 or 16 bytes and starts at bit 0.
bool LinuxRules::IsRegularInt(uint32_t id) const {
  const uint32_t size = *btf_.SizeOf(id);
  const IntInfo info = btf_.integer(id);
  return info.bit_offset == 0 && info.bits == size * 8 &&
         (size == 1 || size == 2 || size == 4 || size == 8 || size == 16);
}

Result<void> LinuxRules::CheckBits(uint32_t index, uint64_t at, uint64_t bits) const {
  const uint64_t within = at % 8 + bits;
  if (within > 128) return Bad(fmt::format("member {} spans {} bits", index, within));
  if ((at / 8 * 8 + within + 7) / 8 > type_.size_or_type)
    return Bad(fmt::format("member {} ends beyond its {} bytes", index, type_.size_or_type));
  return {};
}

Result<void> LinuxRules::CheckMember(uint32_t index) const {
  const Member member = btf_.member(id_, index);
  SKEP_TRY_VOID(NeedName(words_[kTypeWords + 3 * index], false, fmt::format("member {}: ", index)));
  SKEP_TRY_VOID(CheckTarget(member.type, true));
  const uint32_t target = btf_.SkipModifiers(member.type);
  const Kind kind = btf_.kind(target);
  if (kind == Kind::kInt) {
    const IntInfo info = btf_.integer(target);
    if (type_.kind_flag && !IsRegularInt(target))
      return Bad(fmt::format("member {} has an int of odd size as its type", index));
    const uint64_t bits = member.bitfield_size != 0 ? member.bitfield_size : info.bits;
    if (bits > info.bits) return Bad(fmt::format("member {} has {} bits", index, bits));
    if (type_.kind_flag && member.bitfield_size == 0 && member.bit_offset % 8 != 0)
      return Bad(fmt::format("member {} is not byte aligned", index));
    return CheckBits(index, uint64_t{member.bit_offset} + info.bit_offset, bits);
  }
  const bool is_enum = kind == Kind::kEnum || kind == Kind::kEnum64;
  if (is_enum && member.bitfield_size != 0) {
    constexpr uint32_t kEnumBits = 32;  // Linux takes an enum for an int here
    if (member.bitfield_size > kEnumBits)
      return Bad(fmt::format("member {} has {} bits", index, member.bitfield_size));
    return CheckBits(index, member.bit_offset, member.bitfield_size);
  }
  if (member.bitfield_size != 0)
    return Bad(fmt::format("member {} is a bitfield of kind {}", index, KindName(kind)));
  const uint32_t size = *btf_.SizeOf(target);
  const uint32_t align = kind == Kind::kFloat ? std::min(8u, size) : 1;
  if (member.bit_offset % (8 * align) != 0)
    return Bad(fmt::format("member {} is not aligned to {} bytes", index, align));
  if (uint64_t{member.bit_offset} / 8 + size > type_.size_or_type)
    return Bad(fmt::format("member {} ends beyond its {} bytes", index, type_.size_or_type));
  return {};
}

Result<void> LinuxRules::CheckArray() const {
  const ArrayInfo array = btf_.array(id_);
  if (OnlyRefers(btf_.kind(array.index))) return BadTarget(array.index);
  const uint32_t index = btf_.SkipModifiers(array.index);
  if (btf_.kind(index) != Kind::kInt || !IsRegularInt(index)) return BadTarget(array.index);
  SKEP_TRY_VOID(CheckTarget(array.element, true));
  const uint32_t element = btf_.SkipModifiers(array.element);
  if (btf_.kind(element) == Kind::kInt && !IsRegularInt(element)) return BadTarget(array.element);
  return {};
}

Result<void> LinuxRules::CheckPrototype() const {
  if (type_.size_or_type != 0) SKEP_TRY_VOID(CheckTarget(type_.size_or_type, true));
  for (uint32_t i = 0; i < type_.vlen; ++i) {
    const Parameter parameter = btf_.parameter(id_, i);
    SKEP_TRY_VOID(NeedName(words_[kTypeWords + 2 * i], false, fmt::format("parameter {}: ", i)));
    if (parameter.type != 0) {
      SKEP_TRY_VOID(CheckTarget(parameter.type, true));
    } else if (!parameter.name.empty()) {
      return Bad(fmt::format("parameter {} has a name and no type", i));
    }
  }
  return {};
}

Result<void> LinuxRules::CheckSection() const {
  if (!IsSectionName(type_.name)) return Bad(fmt::format("invalid name '{}'", type_.name));
  for (uint32_t i = 0; i < type_.vlen; ++i) {
    const SectionVariable variable = btf_.section_variable(id_, i);
    const auto size = btf_.SizeOf(variable.type);
    if (!size || variable.size < *size)
      return Bad(
          fmt::format("variable {} has size {}, its type {}", i, variable.size, size.value_or(0)));
  }
  return {};
}

Result<void> LinuxRules::Check() const {
  switch (type_.kind) {
    case Kind::kStruct:
    case Kind::kUnion:
      SKEP_TRY_VOID(NeedName(words_[0], false));
      for (uint32_t i = 0; i < type_.vlen; ++i) SKEP_TRY_VOID(CheckMember(i));
      return {};
    case Kind::kEnum:
    case Kind::kEnum64:
      SKEP_TRY_VOID(NeedName(words_[0], false));
      for (uint32_t i = 0; i < type_.vlen; ++i) {
        const uint32_t stride = type_.kind == Kind::kEnum64 ? 3 : 2;
        SKEP_TRY_VOID(NeedName(words_[kTypeWords + stride * i], true, "enumerator: "));
      }
      return {};
    case Kind::kArray:
      SKEP_TRY_VOID(NeedNoName());
      return CheckArray();
    case Kind::kTypedef:
      SKEP_TRY_VOID(NeedName(words_[0], true));
      return CheckModifier();
    case Kind::kVolatile:
    case Kind::kConst:
    case Kind::kRestrict:
      SKEP_TRY_VOID(NeedNoName());
      return CheckModifier();
    case Kind::kPtr:
      SKEP_TRY_VOID(NeedNoName());
      return CheckTarget(type_.size_or_type, false);
    case Kind::kTypeTag:
      return CheckTarget(type_.size_or_type, false);
    case Kind::kFwd:
      return NeedName(words_[0], true);
    case Kind::kFunc: {
      SKEP_TRY_VOID(NeedName(words_[0], true));
      if (btf_.linkage(id_) == Linkage::kExtern) return Bad("linkage is 2, need 0..1");
      const uint32_t proto = type_.size_or_type;
      for (uint32_t i = 0; i < btf_.type(proto).vlen; ++i) {
        const Parameter parameter = btf_.parameter(proto, i);
        if (parameter.name.empty() && parameter.type != 0)
          return Bad(fmt::format("parameter {} has no name", i));
      }
      return {};
    }
    case Kind::kFuncProto:
      SKEP_TRY_VOID(NeedNoName());
      return CheckPrototype();
    case Kind::kVar:
      SKEP_TRY_VOID(NeedName(words_[0], true));
      return CheckTarget(type_.size_or_type, true);
    case Kind::kDatasec:
      return CheckSection();
    case Kind::kVoid:
    case Kind::kInt:
    case Kind::kFloat:
    case Kind::kDeclTag:
      return {};
  }
  return {};
}

Result<void> CheckLinuxRules(const Btf& btf) {
  for (uint32_t id = btf.first_id(); id < btf.type_count(); ++id)
    SKEP_TRY_VOID(LinuxRules(btf, id).Check());
  return {};
}

}  // namespace skep::btf
