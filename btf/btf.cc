// SPDX-License-Identifier: Apache-2.0
#include "btf/btf.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "btf/raw.h"

namespace skep::btf {

std::string_view KindName(Kind kind) {
  switch (kind) {
    case Kind::kVoid:
      return "void";
    case Kind::kInt:
      return "int";
    case Kind::kPtr:
      return "ptr";
    case Kind::kArray:
      return "array";
    case Kind::kStruct:
      return "struct";
    case Kind::kUnion:
      return "union";
    case Kind::kEnum:
      return "enum";
    case Kind::kFwd:
      return "fwd";
    case Kind::kTypedef:
      return "typedef";
    case Kind::kVolatile:
      return "volatile";
    case Kind::kConst:
      return "const";
    case Kind::kRestrict:
      return "restrict";
    case Kind::kFunc:
      return "func";
    case Kind::kFuncProto:
      return "func_proto";
    case Kind::kVar:
      return "var";
    case Kind::kDatasec:
      return "datasec";
    case Kind::kFloat:
      return "float";
    case Kind::kDeclTag:
      return "decl_tag";
    case Kind::kTypeTag:
      return "type_tag";
    case Kind::kEnum64:
      return "enum64";
  }
  return "unknown";
}

std::string_view Btf::StringAt(uint32_t offset) const {
  if (offset < first_string_) return base_->StringAt(offset);
  const uint64_t at = offset - first_string_;
  if (at >= strings_.size()) return {};
  const char* start = strings_.data() + at;
  const size_t window = std::min<size_t>(strings_.size() - at, kMaxStringShown);
  return std::string_view(start, strnlen(start, window));
}

Kind Btf::kind(uint32_t id) const {
  if (id == 0) return Kind::kVoid;
  if (id < first_id_) return base_->kind(id);
  return static_cast<Kind>(RawKind(words(id)[1]));
}

std::string_view Btf::name(uint32_t id) const {
  if (id == 0) return {};
  if (id < first_id_) return base_->name(id);
  return StringAt(words(id)[0]);
}

Type Btf::type(uint32_t id) const {
  if (id == 0) return {};
  if (id < first_id_) return base_->type(id);
  const uint32_t* w = words(id);
  return {static_cast<Kind>(RawKind(w[1])), RawFlag(w[1]), RawVlen(w[1]), w[2], StringAt(w[0])};
}

Member Btf::member(uint32_t id, uint32_t index) const {
  if (id < first_id_) return base_->member(id, index);
  const uint32_t* w = words(id);
  SKEP_CHECK(index < RawVlen(w[1]));
  const uint32_t* m = w + kTypeWords + 3 * uint64_t{index};
  // With the kind flag the offset word holds the bitfield's size in its top byte.
  if (RawFlag(w[1])) return {StringAt(m[0]), m[1], m[2] & 0xffffff, m[2] >> 24};
  return {StringAt(m[0]), m[1], m[2], 0};
}

Parameter Btf::parameter(uint32_t id, uint32_t index) const {
  if (id < first_id_) return base_->parameter(id, index);
  const uint32_t* w = words(id);
  SKEP_CHECK(index < RawVlen(w[1]));
  const uint32_t* p = w + kTypeWords + 2 * uint64_t{index};
  return {StringAt(p[0]), p[1]};
}

Enumerator Btf::enumerator(uint32_t id, uint32_t index) const {
  if (id < first_id_) return base_->enumerator(id, index);
  const uint32_t* w = words(id);
  SKEP_CHECK(index < RawVlen(w[1]));
  if (kind(id) == Kind::kEnum64) {
    const uint32_t* e = w + kTypeWords + 3 * uint64_t{index};
    return {StringAt(e[0]), static_cast<int64_t>(e[1] | uint64_t{e[2]} << 32)};
  }
  const uint32_t* e = w + kTypeWords + 2 * uint64_t{index};
  const bool is_signed = RawFlag(w[1]);
  return {StringAt(e[0]), is_signed ? int64_t{static_cast<int32_t>(e[1])} : int64_t{e[1]}};
}

SectionVariable Btf::section_variable(uint32_t id, uint32_t index) const {
  if (id < first_id_) return base_->section_variable(id, index);
  const uint32_t* w = words(id);
  SKEP_CHECK(index < RawVlen(w[1]));
  const uint32_t* v = w + kTypeWords + 3 * uint64_t{index};
  return {v[0], v[1], v[2]};
}

ArrayInfo Btf::array(uint32_t id) const {
  if (id < first_id_) return base_->array(id);
  const uint32_t* w = words(id) + kTypeWords;
  return {w[0], w[1], w[2]};
}

IntInfo Btf::integer(uint32_t id) const {
  if (id < first_id_) return base_->integer(id);
  const uint32_t data = words(id)[kTypeWords];
  const uint32_t encoding = data >> 24 & 0xf;
  return {static_cast<uint8_t>(data & 0xff), static_cast<uint8_t>(data >> 16 & 0xff),
          (encoding & 1) != 0, (encoding & 2) != 0, (encoding & 4) != 0};
}

Linkage Btf::linkage(uint32_t id) const {
  if (id < first_id_) return base_->linkage(id);
  const uint32_t* w = words(id);
  return static_cast<Linkage>(kind(id) == Kind::kFunc ? RawVlen(w[1]) : w[kTypeWords]);
}

DeclTag Btf::decl_tag(uint32_t id) const {
  if (id < first_id_) return base_->decl_tag(id);
  const uint32_t* w = words(id);
  return {w[2], static_cast<int32_t>(w[kTypeWords])};
}

uint32_t Btf::SkipModifiers(uint32_t id) const {
  while (IsModifier(kind(id))) id = type(id).size_or_type;  // ends: loops were refused
  return id;
}

std::optional<uint32_t> Btf::SizeOf(uint32_t id) const {
  if (id == 0) return std::nullopt;
  if (id < first_id_) return base_->SizeOf(id);
  const uint32_t size = sizes_[id - first_id_];
  return size == kNoSize ? std::nullopt : std::optional<uint32_t>(size);
}

uint32_t Btf::Find(std::string_view name, Kind wanted) const {
  if (base_ != nullptr) {
    if (const uint32_t id = base_->Find(name, wanted); id != 0) return id;
  }
  for (uint32_t i = names_.First(name); i != NameIndex::kEnd; i = names_.Next(i)) {
    const uint32_t id = first_id_ + i;
    if (kind(id) == wanted && this->name(id) == name) return id;
  }
  return 0;
}

std::vector<uint32_t> Btf::FindFlavours(std::string_view name, size_t limit) const {
  std::vector<uint32_t> ids;
  if (base_ != nullptr) ids = base_->FindFlavours(name, limit);
  if (!ids.empty()) return ids;
  const std::string_view essential = EssentialName(name);
  for (uint32_t i = names_.First(name); i != NameIndex::kEnd && ids.size() < limit;
       i = names_.Next(i)) {
    if (EssentialName(this->name(first_id_ + i)) == essential) ids.push_back(first_id_ + i);
  }
  return ids;
}

std::vector<std::byte> Btf::Serialize() const { return Assemble(words_, strings_); }

std::shared_ptr<const Btf> Btf::WithLayout(std::span<const SectionLayout> sections,
                                           std::span<const uint32_t> make_static) const {
  auto copy = std::shared_ptr<Btf>(new Btf(*this));
  for (const SectionLayout& section : sections) {
    SKEP_CHECK(section.id >= first_id_ && kind(section.id) == Kind::kDatasec);
    uint32_t* w = &copy->words_[starts_[section.id - first_id_]];
    SKEP_CHECK(section.variables.size() == RawVlen(w[1]));
    w[2] = section.size;
    copy->sizes_[section.id - first_id_] = section.size;
    for (size_t i = 0; i < section.variables.size(); ++i) {
      uint32_t* v = w + kTypeWords + 3 * i;
      v[0] = section.variables[i].type;
      v[1] = section.variables[i].offset;
      v[2] = section.variables[i].size;
    }
  }
  for (const uint32_t id : make_static) {
    SKEP_CHECK(id >= first_id_ && (kind(id) == Kind::kFunc || kind(id) == Kind::kVar));
    uint32_t* w = &copy->words_[starts_[id - first_id_]];
    if (kind(id) == Kind::kFunc) {
      w[1] &= ~uint32_t{0xffff};  // the vlen holds the linkage
    } else {
      w[kTypeWords] = static_cast<uint32_t>(Linkage::kStatic);
    }
  }
  return copy;
}

}  // namespace skep::btf
