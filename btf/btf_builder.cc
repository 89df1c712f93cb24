// SPDX-License-Identifier: Apache-2.0
#include "skep/btf_builder.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "btf/btf.h"
#include "btf/raw.h"

namespace skep {
namespace {

using btf::Kind;

// Encodings of kInt, in its fourth word.
constexpr uint32_t kSigned = 1u << 24, kBoolean = 4u << 24;

constexpr uint32_t kMaxParts = 0xffff;                   // members, enumerators, parameters
constexpr uint32_t kMaxBitfieldOffset = (1u << 24) - 1;  // bits, where there are bitfields
constexpr uint32_t kMaxBitOffset = UINT32_MAX;           // where there are none

constexpr uint32_t Info(Kind kind, size_t parts, bool flag = false) {
  return static_cast<uint32_t>(kind) << 24 | static_cast<uint32_t>(parts) | (flag ? 1u << 31 : 0);
}

}  // namespace

uint32_t BtfBuilder::Name(std::string_view name) {
  if (name.empty()) return 0;
  if (name.find('\0') != std::string_view::npos) Refuse(name, "a zero byte in a name");
  const auto found = names_.find(name);
  if (found != names_.end()) return found->second;
  const auto offset = static_cast<uint32_t>(strings_.size());
  strings_.append(name).push_back('\0');
  names_.emplace(name, offset);
  return offset;
}

void BtfBuilder::Refuse(std::string_view name, std::string_view what) {
  if (!problem_.empty()) return;
  problem_.append("type '").append(name).append("': ").append(what);
}

uint32_t BtfBuilder::Add(Words words) {
  types_.push_back(std::move(words));
  return static_cast<uint32_t>(types_.size());
}

uint32_t BtfBuilder::AddPlain(uint8_t kind, std::string_view name, uint32_t size_or_type) {
  return Add({Name(name), Info(static_cast<Kind>(kind), 0), size_or_type});
}

uint32_t BtfBuilder::Int(std::string_view name, uint32_t bytes, bool is_signed) {
  if (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8 && bytes != 16) {
    Refuse(name, "an integer has 1, 2, 4, 8 or 16 bytes");
    bytes = 1;
  }
  return Add({Name(name), Info(Kind::kInt, 0), bytes, (is_signed ? kSigned : 0) | bytes * 8});
}
uint32_t BtfBuilder::Bool(std::string_view name) {
  return Add({Name(name), Info(Kind::kInt, 0), 1, kBoolean | 8});
}
uint32_t BtfBuilder::Char(std::string_view name) {
  return Add({Name(name), Info(Kind::kInt, 0), 1, kSigned | 8});
}
uint32_t BtfBuilder::Float(std::string_view name, uint32_t bytes) {
  return AddPlain(static_cast<uint8_t>(Kind::kFloat), name, bytes);
}
uint32_t BtfBuilder::Pointer(uint32_t to) {
  return AddPlain(static_cast<uint8_t>(Kind::kPtr), "", to);
}
uint32_t BtfBuilder::Const(uint32_t type) {
  return AddPlain(static_cast<uint8_t>(Kind::kConst), "", type);
}
uint32_t BtfBuilder::Volatile(uint32_t type) {
  return AddPlain(static_cast<uint8_t>(Kind::kVolatile), "", type);
}
uint32_t BtfBuilder::Typedef(std::string_view name, uint32_t type) {
  return AddPlain(static_cast<uint8_t>(Kind::kTypedef), name, type);
}

uint32_t BtfBuilder::Array(uint32_t element, uint32_t count) {
  if (index_type_ == 0) index_type_ = Int("__ARRAY_SIZE_TYPE__", 4);
  return Add({0, Info(Kind::kArray, 0), 0, element, index_type_, count});
}

BtfBuilder::Words BtfBuilder::Composite(uint8_t kind, std::string_view name, uint32_t bytes,
                                        std::span<const Member> members) {
  if (members.size() > kMaxParts) {
    Refuse(name, "too many members");
    members = {};
  }
  const bool flag = std::any_of(members.begin(), members.end(),
                                [](const Member& member) { return member.bits != 0; });
  Words words = {Name(name), Info(static_cast<Kind>(kind), members.size(), flag), bytes};
  for (const Member& member : members) {
    const uint64_t bit = uint64_t{member.offset} * 8 + member.bit;
    if (bit > (flag ? kMaxBitfieldOffset : kMaxBitOffset) || member.bits > 0xff)
      Refuse(name, "member '" + member.name + "' lies farther than BTF can say");
    words.insert(words.end(),
                 {Name(member.name), member.type,
                  flag ? (member.bits & 0xff) << 24 | (static_cast<uint32_t>(bit) & 0xffffff)
                       : static_cast<uint32_t>(bit)});
  }
  return words;
}

uint32_t BtfBuilder::Struct(std::string_view name, uint32_t bytes,
                            std::span<const Member> members) {
  return Add(Composite(static_cast<uint8_t>(Kind::kStruct), name, bytes, members));
}
uint32_t BtfBuilder::Union(std::string_view name, uint32_t bytes, std::span<const Member> members) {
  return Add(Composite(static_cast<uint8_t>(Kind::kUnion), name, bytes, members));
}

uint32_t BtfBuilder::Declare(std::string_view name) {
  return AddPlain(static_cast<uint8_t>(Kind::kFwd), name, 0);
}

void BtfBuilder::Define(uint32_t id, uint32_t bytes, std::span<const Member> members) {
  SKEP_CHECK(id != 0 && id <= types_.size() && types_[id - 1][1] == Info(Kind::kFwd, 0));
  const std::string name = strings_.c_str() + types_[id - 1][0];
  types_[id - 1] = Composite(static_cast<uint8_t>(Kind::kStruct), name, bytes, members);
}

uint32_t BtfBuilder::Enum(std::string_view name, uint32_t bytes,
                          std::span<const Enumerator> enumerators, bool is_signed) {
  if (enumerators.size() > kMaxParts) {
    Refuse(name, "too many enumerators");
    enumerators = {};
  }
  const bool wide = bytes == 8;
  Words words = {Name(name),
                 Info(wide ? Kind::kEnum64 : Kind::kEnum, enumerators.size(), is_signed), bytes};
  for (const Enumerator& one : enumerators) {
    const auto value = static_cast<uint64_t>(one.value);
    const bool fits =
        is_signed ? one.value >= INT32_MIN && one.value <= INT32_MAX : value <= UINT32_MAX;
    if (!wide && !fits) Refuse(name, "enumerator '" + one.name + "' needs 8 bytes");
    words.insert(words.end(), {Name(one.name), static_cast<uint32_t>(value)});
    if (wide) words.push_back(static_cast<uint32_t>(value >> 32));
  }
  return Add(std::move(words));
}

uint32_t BtfBuilder::Prototype(uint32_t result, std::span<const Parameter> parameters) {
  if (parameters.size() > kMaxParts) {
    Refuse("", "too many parameters");
    parameters = {};
  }
  Words words = {0, Info(Kind::kFuncProto, parameters.size()), result};
  for (const Parameter& one : parameters) words.insert(words.end(), {Name(one.name), one.type});
  return Add(std::move(words));
}

uint32_t BtfBuilder::Function(std::string_view name, uint32_t prototype) {
  return Add(
      {Name(name), Info(Kind::kFunc, static_cast<size_t>(btf::Linkage::kGlobal)), prototype});
}

std::vector<std::byte> BtfBuilder::Bytes() const {
  Words words;
  for (const Words& type : types_) words.insert(words.end(), type.begin(), type.end());
  return btf::Assemble(words, strings_);
}

Result<std::shared_ptr<const btf::Btf>> BtfBuilder::Build(const std::string& name) const {
  if (!problem_.empty()) return Error{ErrorCode::kMalformedObject, problem_, EINVAL}.At(name);
  // By Linux's rules for BTF that it is given: members lie inside their struct, and
  // names are identifiers.
  return btf::Btf::Parse(Bytes(), btf::Origin::kKernel).At(name);
}

}  // namespace skep
