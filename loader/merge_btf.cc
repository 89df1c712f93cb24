// SPDX-License-Identifier: Apache-2.0
#include "loader/merge_btf.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "base/byte_reader.h"
#include "btf/raw.h"

namespace skep::loader {
namespace {

// How far apart two types may be that only what they refer to tells apart. A
// compiler's types need a dozen rounds; without an end, a long chain would cost
// its length squared.
constexpr int kMaxRounds = 100;

using btf::Kind;

Kind KindOf(std::span<const uint32_t> type) { return static_cast<Kind>(btf::RawKind(type[1])); }

// Where in the words of a type there are strings, and where ids: the first of
// them, the distance to the next, and how many.
struct Slots {
  uint32_t first = 0, step = 1, count = 0;
};

Slots NameSlots(std::span<const uint32_t> type) {
  const uint32_t vlen = btf::RawVlen(type[1]);
  switch (KindOf(type)) {
    case Kind::kStruct:
    case Kind::kUnion:
    case Kind::kEnum64:
      return {3, 3, vlen};
    case Kind::kEnum:
    case Kind::kFuncProto:
      return {3, 2, vlen};
    case Kind::kVoid:
    case Kind::kInt:
    case Kind::kPtr:
    case Kind::kArray:
    case Kind::kFwd:
    case Kind::kTypedef:
    case Kind::kVolatile:
    case Kind::kConst:
    case Kind::kRestrict:
    case Kind::kFunc:
    case Kind::kVar:
    case Kind::kDatasec:
    case Kind::kFloat:
    case Kind::kDeclTag:
    case Kind::kTypeTag:
      return {};
  }
  return {};
}

Slots IdSlots(std::span<const uint32_t> type) {
  const uint32_t vlen = btf::RawVlen(type[1]);
  switch (KindOf(type)) {
    case Kind::kStruct:
    case Kind::kUnion:
      return {4, 3, vlen};
    case Kind::kFuncProto:
      return {4, 2, vlen};
    case Kind::kArray:
      return {3, 1, 2};
    case Kind::kVoid:
    case Kind::kInt:
    case Kind::kPtr:
    case Kind::kEnum:
    case Kind::kFwd:
    case Kind::kTypedef:
    case Kind::kVolatile:
    case Kind::kConst:
    case Kind::kRestrict:
    case Kind::kFunc:
    case Kind::kVar:
    case Kind::kDatasec:
    case Kind::kFloat:
    case Kind::kDeclTag:
    case Kind::kTypeTag:
    case Kind::kEnum64:
      return {};
  }
  return {};
}

// Whether the third word is an id and not a size.
bool RefersToOne(Kind kind) {
  switch (kind) {
    case Kind::kPtr:
    case Kind::kTypedef:
    case Kind::kVolatile:
    case Kind::kConst:
    case Kind::kRestrict:
    case Kind::kFunc:
    case Kind::kFuncProto:
    case Kind::kVar:
    case Kind::kDeclTag:
    case Kind::kTypeTag:
      return true;
    case Kind::kVoid:
    case Kind::kInt:
    case Kind::kArray:
    case Kind::kStruct:
    case Kind::kUnion:
    case Kind::kEnum:
    case Kind::kFwd:
    case Kind::kDatasec:
    case Kind::kFloat:
    case Kind::kEnum64:
      return false;
  }
  return false;
}

template <class Visit>
void ForEachId(std::span<uint32_t> type, const Visit& visit) {
  if (RefersToOne(KindOf(type))) visit(type[2]);
  const Slots slots = IdSlots(type);
  for (uint32_t i = 0; i < slots.count; ++i) visit(type[slots.first + i * slots.step]);
}

std::string Bytes(std::span<const uint32_t> words) {
  std::string out(words.size() * sizeof(uint32_t), '\0');
  if (!words.empty()) std::memcpy(out.data(), words.data(), out.size());
  return out;
}

// Numbers equal keys equally, from 1 on.
class Numbering {
 public:
  uint32_t Of(std::string key) {
    return numbers_.try_emplace(std::move(key), static_cast<uint32_t>(numbers_.size()) + 1)
        .first->second;
  }
  size_t count() const { return numbers_.size(); }

 private:
  std::unordered_map<std::string, uint32_t> numbers_;
};

}  // namespace

uint32_t BtfMerger::String(std::string_view text) {
  if (text.empty()) return 0;
  const auto [it, added] =
      string_places_.try_emplace(std::string(text), static_cast<uint32_t>(strings_.size()));
  // Strings that overlap in the file are spelled out, which only files made to
  // be large gain by: Finish refuses them.
  if (added && strings_.size() <= string_limit_) strings_.append(text).push_back('\0');
  return it->second;
}

Result<uint32_t> BtfMerger::Add(std::span<const std::byte> bytes, const btf::Btf& btf) {
  const ByteReader reader(bytes);
  const uint32_t header = *reader.Read<uint32_t>(4);
  const uint64_t types = uint64_t{header} + *reader.Read<uint32_t>(8);
  const uint64_t end = types + *reader.Read<uint32_t>(12);
  string_limit_ += *reader.Read<uint32_t>(20);
  const auto base = static_cast<uint32_t>(starts_.size()) - 2;
  if (btf.type_count() > btf::kMaxTypeId - base)
    return Error{ErrorCode::kResourceLimit, "the objects have too many types together", E2BIG};
  for (uint64_t at = types; at < end;) {
    const uint32_t info = *reader.Read<uint32_t>(at + 4);
    const auto kind = static_cast<Kind>(btf::RawKind(info));
    const uint32_t count = btf::kTypeWords + btf::ExtraWords(kind, btf::RawVlen(info));
    const size_t start = words_.size();
    for (uint32_t i = 0; i < count; ++i) words_.push_back(*reader.Read<uint32_t>(at + 4 * i));
    at += 4 * uint64_t{count};
    const auto type = std::span(words_).subspan(start);
    type[0] = String(btf.StringAt(type[0]));
    if (kind == Kind::kDatasec) {  // made anew by AddSection
      type[1] &= ~uint32_t{0xffff};
      words_.resize(start + btf::kTypeWords);
    } else {
      const Slots names = NameSlots(type);
      for (uint32_t i = 0; i < names.count; ++i) {
        uint32_t& name = type[names.first + i * names.step];
        name = String(btf.StringAt(name));
      }
      ForEachId(type, [&](uint32_t& id) { id += id == 0 ? 0 : base; });
    }
    starts_.push_back(static_cast<uint32_t>(words_.size()));
  }
  return base;
}

std::vector<uint32_t> BtfMerger::FirstClasses() const {
  std::vector<uint32_t> classes(starts_.size() - 1);
  Numbering numbering;
  for (uint32_t id = 1; id < classes.size(); ++id) {
    std::vector<uint32_t> type(words(id).begin(), words(id).end());
    const Kind kind = KindOf(type);
    ForEachId(type, [](uint32_t& other) { other = 0; });
    if (kind == Kind::kVar || kind == Kind::kFunc || kind == Kind::kDatasec) type.push_back(id);
    classes[id] = numbering.Of(Bytes(type));
  }
  return classes;
}

// Splits classes by the classes that their types refer to. Returns whether
// that made more of them.
bool BtfMerger::Split(std::vector<uint32_t>& classes, size_t& count) const {
  const auto class_of = [&](uint32_t id) {
    const auto same = same_as_.find(id);
    return classes[same == same_as_.end() ? id : same->second];
  };
  Numbering numbering;
  std::vector<uint32_t> next(classes.size());
  std::vector<uint32_t> key, type;
  for (uint32_t id = 1; id < classes.size(); ++id) {
    key.assign(1, classes[id]);
    type.assign(words(id).begin(), words(id).end());
    ForEachId(type, [&](uint32_t& other) { key.push_back(class_of(other)); });
    next[id] = numbering.Of(Bytes(key));
  }
  const bool more = numbering.count() != count;
  classes = std::move(next);
  count = numbering.count();
  return more;
}

void BtfMerger::Deduplicate() {
  std::vector<uint32_t> classes = FirstClasses();
  size_t count = 0;
  int round = 0;
  while (round < kMaxRounds && Split(classes, count)) ++round;
  // Still splitting: what is in one class may differ yet. All are kept.
  if (round == kMaxRounds)
    for (uint32_t id = 0; id < classes.size(); ++id) classes[id] = id;
  Emit(classes);
}

// The first type of each class stays.
void BtfMerger::Emit(const std::vector<uint32_t>& classes) {
  final_.assign(classes.size(), 0);
  std::unordered_map<uint32_t, uint32_t> number_of;  // by class
  std::vector<uint32_t> kept;
  for (uint32_t id = 1; id < classes.size(); ++id) {
    if (same_as_.contains(id) || KindOf(words(id)) == Kind::kDatasec) continue;
    const auto [it, added] =
        number_of.try_emplace(classes[id], static_cast<uint32_t>(kept.size()) + 1);
    if (added) kept.push_back(id);
    final_[id] = it->second;
  }
  for (const auto& [id, other] : same_as_) final_[id] = final_[other];
  for (const uint32_t id : kept) {
    const size_t start = result_.size();
    result_.insert(result_.end(), words(id).begin(), words(id).end());
    ForEachId(std::span(result_).subspan(start), [&](uint32_t& other) { other = final_[other]; });
  }
  result_count_ = static_cast<uint32_t>(kept.size());
}

void BtfMerger::AddSection(std::string_view name, uint32_t size,
                           std::span<const btf::SectionVariable> variables) {
  const auto vlen = static_cast<uint32_t>(std::min<size_t>(variables.size(), 0xffff));
  result_.insert(result_.end(),
                 {String(name), static_cast<uint32_t>(Kind::kDatasec) << 24 | vlen, size});
  for (uint32_t i = 0; i < vlen; ++i)
    result_.insert(result_.end(), {variables[i].type, variables[i].offset, variables[i].size});
  ++result_count_;
}

Result<std::vector<std::byte>> BtfMerger::Finish() const {
  const uint64_t type_bytes = result_.size() * sizeof(uint32_t);
  const uint64_t size = btf::kHeaderSize + type_bytes + strings_.size();
  if (strings_.size() > string_limit_ || size > btf::kMaxSize)
    return Error{
        ErrorCode::kResourceLimit,
        fmt::format("section .BTF would have {} bytes, or more than the objects' strings", size),
        E2BIG};
  return btf::Assemble(result_, strings_);
}

}  // namespace skep::loader
