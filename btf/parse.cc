// SPDX-License-Identifier: Apache-2.0
// Btf::Parse, in four passes over the words, each linear:
//   1. the header: sections inside the bytes, no gaps, no overlaps;
//   2. every type alone: kind, sizes, flags, names, ids in range;
//   3. what types say together: chains end, sizes follow, targets have the
//      right kind. Depth-first over ids with a stack of our own, since nesting
//      is as deep as the file wants it;
//   4. the index of names.
// A type is refused where Linux refuses it (kernel/bpf/btf.c behaviour), except
// that an object file may have what Origin lists.
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "btf/linux_rules.h"
#include "btf/parser.h"
#include "btf/raw.h"

namespace skep::btf {
namespace {

struct Header {
  uint16_t magic;
  uint8_t version;
  uint8_t flags;
  uint32_t header_size;
  uint32_t type_offset;
  uint32_t type_size;
  uint32_t string_offset;
  uint32_t string_size;
};
static_assert(sizeof(Header) == kHeaderSize);

}  // namespace

Error Malformed(std::string message, int sys_errno) {
  return {ErrorCode::kMalformedObject, std::move(message), sys_errno};
}
Error Malformed(std::string message) { return Malformed(std::move(message), EINVAL); }
Error Unsupported(std::string message) {
  constexpr int kEnotsupp = 524;
  return {ErrorCode::kUnsupported, std::move(message), kEnotsupp};
}
Error Limit(std::string message) { return {ErrorCode::kResourceLimit, std::move(message), E2BIG}; }

BtfParser::BtfParser(Origin origin, std::shared_ptr<const Btf> base)
    : origin_(origin), btf_(std::shared_ptr<Btf>(new Btf())) {
  if (base == nullptr) return;
  btf_->first_id_ = base->type_count();
  btf_->first_string_ = base->first_string_ + static_cast<uint32_t>(base->strings_.size());
  btf_->base_ = std::move(base);
}

Result<std::shared_ptr<const Btf>> BtfParser::Parse(std::span<const std::byte> bytes) {
  SKEP_TRY_VOID(ReadSections(ByteReader(bytes)));
  SKEP_TRY_VOID(CheckTypesAlone());
  SKEP_TRY_VOID(Resolve());
  SKEP_TRY_VOID(CheckReferences());
  if (origin_ == Origin::kKernel) SKEP_TRY_VOID(CheckLinuxRules(*btf_));
  IndexNames();
  return std::shared_ptr<const Btf>(std::move(btf_));
}

Error BtfParser::At(uint32_t id, std::string_view what) const {
  const auto kind = static_cast<Kind>(RawKind(btf_->words(id)[1]));
  return Malformed(fmt::format("type {} ({}): {}", id, KindName(kind), what));
}

Result<void> BtfParser::ReadSections(ByteReader reader) {
  if (reader.size() > kMaxSize)
    return Limit(fmt::format("{} bytes of BTF, need at most {}", reader.size(), kMaxSize));
  const auto header = reader.Read<Header>(0);
  if (!header) return Malformed(fmt::format("BTF header is cut off at {} bytes", reader.size()));
  if (header->magic != kMagic)
    return Malformed(header->magic == 0x9feb ? "big-endian BTF, need little-endian"
                                             : "no BTF magic number");
  if (header->version != kVersion)
    return Unsupported(fmt::format("BTF version {}, need {}", header->version, kVersion));
  if (header->flags != 0)
    return Unsupported(fmt::format("unknown BTF header flags {:#x}", header->flags));
  if (header->header_size < kHeaderSize || header->header_size > reader.size())
    return Malformed(fmt::format("BTF header size is {}, need {}..{}", header->header_size,
                                 kHeaderSize, reader.size()));
  for (uint32_t i = kHeaderSize; i < header->header_size; ++i)
    if (*reader.Read<uint8_t>(i) != 0) return Limit("BTF header has unknown fields");

  const uint64_t types_at = uint64_t{header->header_size} + header->type_offset;
  const uint64_t strings_at = uint64_t{header->header_size} + header->string_offset;
  const auto types = reader.Slice(types_at, header->type_size);
  const auto strings = reader.Slice(strings_at, header->string_size);
  if (!types) return Malformed("BTF type section lies outside the BTF bytes");
  if (!strings) return Malformed("BTF string section lies outside the BTF bytes");
  if (header->type_offset % 4 != 0 || header->type_size % 4 != 0)
    return Malformed("BTF type section is not aligned to 4 bytes");
  const bool types_first = types_at <= strings_at;
  const uint64_t first_at = types_first ? types_at : strings_at;
  const uint64_t first_size = types_first ? header->type_size : header->string_size;
  const uint64_t second_at = types_first ? strings_at : types_at;
  const uint64_t total = uint64_t{header->type_size} + header->string_size;
  if (first_at != header->header_size || first_at + first_size != second_at ||
      header->header_size + total != reader.size())
    return Malformed("BTF sections overlap or leave gaps");
  if (types->empty() && btf_->base_ == nullptr) return Malformed("BTF has no types");

  btf_->words_.resize(types->size() / sizeof(uint32_t));
  if (!types->empty()) std::memcpy(btf_->words_.data(), types->data(), types->size());
  btf_->strings_.resize(strings->size());
  if (!strings->empty()) std::memcpy(btf_->strings_.data(), strings->data(), strings->size());
  const std::vector<char>& s = btf_->strings_;
  const bool may_be_empty = btf_->base_ != nullptr;
  if (s.empty() ? !may_be_empty : (s.size() - 1 > kMaxNameOffset || s.back() != 0))
    return Malformed("BTF string section does not end in a NUL");
  if (btf_->base_ == nullptr && s.front() != 0)
    return Malformed("BTF string section does not start with the empty string");
  return {};
}

Result<void> BtfParser::Resolve() {
  btf_->sizes_.assign(btf_->starts_.size(), kNoSize);
  SKEP_TRY_VOID(WalkChains(Walk::kSize));
  return WalkChains(Walk::kPointer);
}

// The type that `id` needs next in this walk, by step; 0 after the last.
// kSize follows what a size depends on, so pointers end it. kPointer follows
// chains of pointers and qualifiers, so everything else ends it. A typedef of a
// pointer to a struct that holds the typedef is no loop in either.
uint32_t BtfParser::NextChild(Walk walk, uint32_t id, uint32_t step) const {
  const uint32_t* w = btf_->words(id);
  const Kind kind = static_cast<Kind>(RawKind(w[1]));
  if (IsModifier(kind) || kind == Kind::kVar) return step == 0 ? w[2] : 0;
  if (walk == Walk::kPointer) return kind == Kind::kPtr && step == 0 ? w[2] : 0;
  if (kind == Kind::kArray) return step < 2 ? w[kTypeWords + step] : 0;
  if (kind == Kind::kStruct || kind == Kind::kUnion)
    return step < RawVlen(w[1]) ? w[kTypeWords + 3 * step + 1] : 0;
  return 0;
}

Result<void> BtfParser::WalkChains(Walk walk) {
  enum : uint8_t { kNew, kOpen, kDone };
  std::vector<uint8_t> state(btf_->starts_.size(), kNew);
  struct Frame {
    uint32_t id;
    uint32_t step;
  };
  std::vector<Frame> stack;
  for (uint32_t root = btf_->first_id_; root < btf_->type_count(); ++root) {
    if (state[root - btf_->first_id_] != kNew) continue;
    state[root - btf_->first_id_] = kOpen;
    stack.push_back({root, 0});
    while (!stack.empty()) {
      Frame& top = stack.back();
      const uint32_t child = NextChild(walk, top.id, top.step);
      if (child == 0) {
        if (walk == Walk::kSize) SKEP_TRY_VOID(ComputeSize(top.id));
        state[top.id - btf_->first_id_] = kDone;
        stack.pop_back();
        continue;
      }
      ++top.step;
      if (child < btf_->first_id_) continue;  // the base is resolved
      uint8_t& s = state[child - btf_->first_id_];
      if (origin_ == Origin::kKernel && OnlyRefers(btf_->kind(child)))
        return At(top.id, fmt::format("refers to type {}", child));
      if (s == kOpen)
        return Malformed(fmt::format("type {} is part of a loop of types", child), EEXIST);
      if (s == kDone) continue;
      const uint32_t deepest =
          origin_ == Origin::kKernel ? kMaxResolveDepth : kMaxResolveDepthInObject;
      if (stack.size() >= deepest)
        return Limit(fmt::format("type {} is nested more than {} deep", child, deepest));
      s = kOpen;
      stack.push_back({child, 0});
    }
  }
  return {};
}

Result<void> BtfParser::ComputeSize(uint32_t id) {
  const uint32_t* w = btf_->words(id);
  uint32_t size = kNoSize;
  switch (static_cast<Kind>(RawKind(w[1]))) {
    case Kind::kInt:
    case Kind::kStruct:
    case Kind::kUnion:
    case Kind::kEnum:
    case Kind::kEnum64:
    case Kind::kFloat:
    case Kind::kDatasec:
      size = w[2];
      break;
    case Kind::kPtr:
      size = 8;
      break;
    case Kind::kTypedef:
    case Kind::kVolatile:
    case Kind::kConst:
    case Kind::kRestrict:
    case Kind::kTypeTag:
    case Kind::kVar:
      size = btf_->SizeOf(w[2]).value_or(kNoSize);
      break;
    case Kind::kArray: {
      const auto element = btf_->SizeOf(w[3]);
      if (!element) return At(id, fmt::format("element type {} has no size", w[3]));
      const uint64_t bytes = uint64_t{*element} * w[5];
      if (bytes >= kNoSize) return At(id, fmt::format("size is {}, need less than 2^32", bytes));
      size = static_cast<uint32_t>(bytes);
      break;
    }
    case Kind::kVoid:
    case Kind::kFwd:
    case Kind::kFunc:
    case Kind::kFuncProto:
    case Kind::kDeclTag:
      break;
  }
  btf_->sizes_[id - btf_->first_id_] = size;
  return {};
}

Result<void> BtfParser::CheckReferences() {
  for (uint32_t id = btf_->first_id_; id < btf_->type_count(); ++id)
    SKEP_TRY_VOID(CheckReference(id, btf_->type(id)));
  return {};
}

Result<void> BtfParser::CheckReference(uint32_t id, const Type& type) {
  const auto bad_target = [&](uint32_t target) {
    return At(id, fmt::format("refers to type {} ({})", target, KindName(btf_->kind(target))));
  };
  switch (type.kind) {
    case Kind::kStruct:
    case Kind::kUnion:
      for (uint32_t i = 0; i < type.vlen; ++i) {
        const uint32_t member = btf_->member(id, i).type;
        if (!btf_->SizeOf(member))
          return At(id, fmt::format("member {} has type {} without a size", i, member));
      }
      return {};
    case Kind::kArray: {
      const uint32_t index = btf_->SkipModifiers(btf_->array(id).index);
      if (btf_->kind(index) != Kind::kInt) return bad_target(index);
      return {};
    }
    case Kind::kFunc:
      if (btf_->kind(type.size_or_type) != Kind::kFuncProto) return bad_target(type.size_or_type);
      return {};
    case Kind::kFuncProto: {
      // A parameter without a type is the "..." at the end.
      for (uint32_t i = 0; i + 1 < type.vlen; ++i)
        if (btf_->parameter(id, i).type == 0)
          return At(id, fmt::format("parameter {} has no type", i));
      return {};
    }
    case Kind::kDatasec:
      for (uint32_t i = 0; i < type.vlen; ++i) {
        const uint32_t target = btf_->section_variable(id, i).type;
        const Kind kind = btf_->kind(target);
        if (kind != Kind::kVar && !(origin_ == Origin::kObjectFile && kind == Kind::kFunc))
          return bad_target(target);
      }
      return {};
    case Kind::kDeclTag:
      return CheckDeclTag(id, type.size_or_type);
    case Kind::kPtr:
    case Kind::kTypedef:
    case Kind::kVolatile:
    case Kind::kConst:
    case Kind::kRestrict:
    case Kind::kTypeTag:
    case Kind::kVoid:
    case Kind::kInt:
    case Kind::kEnum:
    case Kind::kEnum64:
    case Kind::kFwd:
    case Kind::kVar:
    case Kind::kFloat:
      return {};
  }
  return {};
}

Result<void> BtfParser::CheckDeclTag(uint32_t id, uint32_t target) {
  const Kind kind = btf_->kind(target);
  const int32_t component = btf_->decl_tag(id).component;
  const bool aggregate = kind == Kind::kStruct || kind == Kind::kUnion;
  if (!aggregate && kind != Kind::kFunc && kind != Kind::kVar && kind != Kind::kTypedef)
    return At(id, fmt::format("refers to type {} ({})", target, KindName(kind)));
  if (component < 0) return {};
  if (!aggregate && kind != Kind::kFunc) return At(id, "tags a component of a type without any");
  const uint32_t owner = aggregate ? target : btf_->type(target).size_or_type;
  if (!aggregate && btf_->kind(owner) != Kind::kFuncProto)
    return At(id, fmt::format("refers to function {} without a prototype", target));
  if (static_cast<uint32_t>(component) >= btf_->type(owner).vlen)
    return At(id, fmt::format("component {} does not exist", component));
  return {};
}

void BtfParser::IndexNames() {
  btf_->names_.Reserve(static_cast<uint32_t>(btf_->starts_.size()));
  for (uint32_t id = btf_->type_count(); id-- > btf_->first_id_;)
    btf_->names_.Add(id - btf_->first_id_, btf_->name(id));
}

Result<std::shared_ptr<const Btf>> Btf::Parse(std::span<const std::byte> bytes, Origin origin,
                                              std::shared_ptr<const Btf> base) {
  return BtfParser(origin, std::move(base)).Parse(bytes);
}

}  // namespace skep::btf
