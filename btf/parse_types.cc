// SPDX-License-Identifier: Apache-2.0
// The second pass of Btf::Parse: every type alone.
#include <fmt/format.h>

#include "base/check.h"
#include "btf/parser.h"
#include "btf/raw.h"

namespace skep::btf {

Result<void> BtfParser::CheckTypesAlone() {
  // First all starts, so that ids can be checked against their number.
  const std::vector<uint32_t>& words = btf_->words_;
  for (uint64_t at = 0; at < words.size();) {
    const auto id = btf_->first_id_ + static_cast<uint32_t>(btf_->starts_.size());
    if (id > kMaxTypeId) return Limit(fmt::format("more than {} types", kMaxTypeId));
    if (words.size() - at < kTypeWords) return Malformed(fmt::format("type {} is cut off", id));
    const uint32_t info = words[at + 1];
    if ((info & ~kInfoMask) != 0)
      return Malformed(fmt::format("type {}: unknown bits in info {:#x}", id, info));
    const uint32_t kind = RawKind(info);
    if (kind == 0 || kind > static_cast<uint32_t>(Kind::kEnum64))
      return Malformed(fmt::format("type {}: unknown kind {}", id, kind));
    const uint64_t size = kTypeWords + uint64_t{ExtraWords(static_cast<Kind>(kind), RawVlen(info))};
    if (words.size() - at < size) return Malformed(fmt::format("type {} is cut off", id));
    btf_->starts_.push_back(static_cast<uint32_t>(at));
    at += size;
  }
  for (uint32_t id = btf_->first_id_; id < btf_->type_count(); ++id)
    SKEP_TRY_VOID(CheckType(id, btf_->words(id)));
  return {};
}

Result<void> BtfParser::CheckString(uint32_t id, uint32_t offset) const {
  if (offset >= btf_->first_string_ + btf_->strings_.size())
    return At(id, fmt::format("name offset {} lies outside the string section", offset));
  return {};
}

// Which kinds have a name, a vlen and a kind flag.
Result<void> BtfParser::CheckShape(uint32_t id, const uint32_t* w) {
  const Kind kind = static_cast<Kind>(RawKind(w[1]));
  const std::string_view name = btf_->StringAt(w[0]);
  const bool reference = IsModifier(kind) || kind == Kind::kPtr;
  const bool nameless = (reference && kind != Kind::kTypedef && kind != Kind::kTypeTag) ||
                        kind == Kind::kArray || kind == Kind::kFuncProto;
  const bool named = kind == Kind::kTypedef || kind == Kind::kTypeTag || kind == Kind::kFwd ||
                     kind == Kind::kFunc || kind == Kind::kVar || kind == Kind::kDatasec ||
                     kind == Kind::kDeclTag;
  if (nameless && !name.empty()) return At(id, "must not have a name");
  if (named && name.empty()) return At(id, "has no name");
  const bool no_vlen = reference || kind == Kind::kInt || kind == Kind::kFloat ||
                       kind == Kind::kArray || kind == Kind::kFwd || kind == Kind::kVar ||
                       kind == Kind::kDeclTag;
  if (no_vlen && RawVlen(w[1]) != 0)
    return At(id, fmt::format("vlen is {}, need 0", RawVlen(w[1])));
  const bool may_have_flag = kind == Kind::kStruct || kind == Kind::kUnion || kind == Kind::kEnum ||
                             kind == Kind::kEnum64 || kind == Kind::kFwd ||
                             kind == Kind::kTypeTag || kind == Kind::kDeclTag;
  if (!may_have_flag && RawFlag(w[1])) return At(id, "the kind flag must be 0");
  return {};
}

Result<void> BtfParser::CheckType(uint32_t id, const uint32_t* w) {
  SKEP_TRY_VOID(CheckString(id, w[0]));
  SKEP_TRY_VOID(CheckShape(id, w));
  switch (static_cast<Kind>(RawKind(w[1]))) {
    case Kind::kVoid:
      SKEP_UNREACHABLE();
    case Kind::kInt:
    case Kind::kFloat:
    case Kind::kEnum:
    case Kind::kEnum64:
      return CheckSized(id, w);
    case Kind::kStruct:
    case Kind::kUnion:
      return CheckMembers(id, w);
    case Kind::kArray:
      return CheckArray(id, w);
    case Kind::kDatasec:
      return CheckVariables(id, w);
    case Kind::kFwd:
      if (w[2] != 0) return At(id, fmt::format("type is {}, need 0", w[2]));
      return {};
    case Kind::kFunc:
      if (RawVlen(w[1]) > static_cast<uint32_t>(Linkage::kExtern))
        return At(id, fmt::format("linkage is {}, need 0..2", RawVlen(w[1])));
      break;
    case Kind::kFuncProto:
      SKEP_TRY_VOID(CheckParameters(id, w));
      break;
    case Kind::kVar: {
      const auto most = origin_ == Origin::kKernel ? Linkage::kGlobal : Linkage::kExtern;
      if (w[3] > static_cast<uint32_t>(most))
        return At(id, fmt::format("linkage is {}, need 0..{}", w[3], static_cast<int>(most)));
      if (w[2] == 0) return At(id, "type is 0");
      break;
    }
    case Kind::kDeclTag:
      if (static_cast<int32_t>(w[3]) < -1)
        return At(id, fmt::format("component is {}, need -1 or more", static_cast<int32_t>(w[3])));
      break;
    case Kind::kPtr:
    case Kind::kVolatile:
    case Kind::kConst:
    case Kind::kRestrict:
    case Kind::kTypedef:
    case Kind::kTypeTag:
      break;
  }
  if (!IdExists(w[2])) return At(id, fmt::format("refers to type {}, which does not exist", w[2]));
  return {};
}

Result<void> BtfParser::CheckArray(uint32_t id, const uint32_t* w) {
  if (w[2] != 0) return At(id, fmt::format("size is {}, need 0", w[2]));
  if (w[3] == 0 || !IdExists(w[3])) return At(id, fmt::format("element type is {}", w[3]));
  if (w[4] == 0 || !IdExists(w[4])) return At(id, fmt::format("index type is {}", w[4]));
  return {};
}

Result<void> BtfParser::CheckParameters(uint32_t id, const uint32_t* w) {
  for (uint32_t i = 0; i < RawVlen(w[1]); ++i) {
    const uint32_t* parameter = w + kTypeWords + 2 * i;
    SKEP_TRY_VOID(CheckString(id, parameter[0]));
    if (!IdExists(parameter[1]))
      return At(id, fmt::format("parameter {} has type {}, which does not exist", i, parameter[1]));
  }
  return {};
}

// Kinds with a size of their own and no references.
Result<void> BtfParser::CheckSized(uint32_t id, const uint32_t* w) {
  const Kind kind = static_cast<Kind>(RawKind(w[1]));
  const uint32_t size = w[2];
  if (kind == Kind::kInt) {
    const uint32_t data = w[kTypeWords];
    if ((data & 0xf0000000) != 0) return At(id, fmt::format("unknown bits in {:#x}", data));
    const uint32_t bits = (data & 0xff) + (data >> 16 & 0xff);
    if (bits > 128) return At(id, fmt::format("{} bits, need at most 128", bits));
    if ((bits + 7) / 8 > size) return At(id, fmt::format("{} bits in {} bytes", bits, size));
    const uint32_t encoding = data >> 24;
    if (encoding != 0 && encoding != 1 && encoding != 2 && encoding != 4)
      return Unsupported(fmt::format("type {} (int): unknown encoding {:#x}", id, encoding));
    return {};
  }
  if (kind == Kind::kFloat) {
    if (size != 2 && size != 4 && size != 8 && size != 12 && size != 16)
      return At(id, fmt::format("size is {}, need 2, 4, 8, 12 or 16", size));
    return {};
  }
  // Compilers give the forward declaration of an enum the size 0.
  const bool may_be_zero = origin_ == Origin::kObjectFile;
  if ((size == 0 && !may_be_zero) || size > 8 || (size & (size - 1)) != 0)
    return At(id, fmt::format("size is {}, need 1, 2, 4 or 8", size));
  const uint32_t stride = kind == Kind::kEnum64 ? 3 : 2;
  for (uint32_t i = 0; i < RawVlen(w[1]); ++i)
    SKEP_TRY_VOID(CheckString(id, w[kTypeWords + stride * i]));
  return {};
}

Result<void> BtfParser::CheckMembers(uint32_t id, const uint32_t* w) {
  const bool is_union = static_cast<Kind>(RawKind(w[1])) == Kind::kUnion;
  uint32_t last = 0;
  for (uint32_t i = 0; i < RawVlen(w[1]); ++i) {
    const uint32_t* m = w + kTypeWords + 3 * i;
    SKEP_TRY_VOID(CheckString(id, m[0]));
    if (m[1] == 0 || !IdExists(m[1]))
      return At(id, fmt::format("member {} has type {}, which does not exist", i, m[1]));
    const uint32_t offset = RawFlag(w[1]) ? m[2] & 0xffffff : m[2];
    if (is_union && offset != 0)
      return At(id, fmt::format("member {} of a union is at bit {}", i, offset));
    if (offset < last) return At(id, fmt::format("member {} lies before the one ahead of it", i));
    if (uint64_t{offset} + 7 >= 8 * (uint64_t{w[2]} + 1))
      return At(id, fmt::format("member {} at bit {} of {} bytes", i, offset, w[2]));
    last = offset;
  }
  return {};
}

Result<void> BtfParser::CheckVariables(uint32_t id, const uint32_t* w) {
  const bool strict = origin_ == Origin::kKernel;
  if (strict && w[2] == 0) return At(id, "size is 0");
  uint64_t end = 0;
  for (uint32_t i = 0; i < RawVlen(w[1]); ++i) {
    const uint32_t* v = w + kTypeWords + 3 * i;
    if (v[0] == 0 || !IdExists(v[0]))
      return At(id, fmt::format("variable {} has type {}, which does not exist", i, v[0]));
    if (!strict) continue;
    if (v[1] < end || v[1] >= w[2])
      return At(id, fmt::format("variable {} at offset {}, need {}..{}", i, v[1], end, w[2]));
    if (v[2] == 0 || v[2] > w[2]) return At(id, fmt::format("variable {} has size {}", i, v[2]));
    end = uint64_t{v[1]} + v[2];
    if (end > w[2]) return At(id, fmt::format("variable {} ends beyond {} bytes", i, w[2]));
  }
  return {};
}

}  // namespace skep::btf
