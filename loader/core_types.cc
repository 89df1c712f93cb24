// SPDX-License-Identifier: Apache-2.0
#include "loader/core_types.h"

#include <string_view>

#include "btf/raw.h"

namespace skep::loader {
namespace {

using btf::Kind;
using Answer = CoreTypes::Answer;

constexpr Answer AnswerOf(bool yes) { return yes ? Answer::kYes : Answer::kNo; }

bool SameEssentialName(std::string_view local, std::string_view target) {
  return btf::EssentialName(local) == btf::EssentialName(target);
}

// A forward declaration's flag says union; a struct or union behind a pointer
// is as good as its declaration.
bool DeclaresUnion(const btf::Type& type) {
  return type.kind == Kind::kFwd ? type.kind_flag : type.kind == Kind::kUnion;
}
bool Declares(Kind kind) { return kind == Kind::kFwd || IsAggregate(kind); }

}  // namespace

bool CoreTypes::Spend(std::string_view name) {
  constexpr size_t kBytesPerStep = 16;
  const uint64_t steps = 1 + name.size() / kBytesPerStep;
  if (work_ < steps) {
    work_ = 0;
    problem_ = CoreProblem::kTooMuchWork;
    return false;
  }
  work_ -= steps;
  return true;
}

uint32_t CoreTypes::SkipModifiers(const btf::Btf& btf, uint32_t id) {
  for (; btf::IsModifier(btf.kind(id)); id = btf.type(id).size_or_type)
    if (work_ != 0) --work_;
  return id;
}

CoreTypes::Answer CoreTypes::FieldsAgree(uint32_t local, uint32_t target) {
  while (true) {  // ends: an array's element is another type, and loops were refused
    if (!Spend()) return Answer::kFailed;
    local = SkipModifiers(local_, local);
    target = SkipModifiers(target_, target);
    const Kind kind = local_.kind(local);
    const Kind other = target_.kind(target);
    if (IsAggregate(kind) && IsAggregate(other)) return Answer::kYes;
    if (!SameCoreKind(kind, other)) return Answer::kNo;
    switch (kind) {
      case Kind::kPtr:
      case Kind::kFloat:
        return Answer::kYes;
      case Kind::kFwd:
      case Kind::kEnum:
      case Kind::kEnum64: {
        const std::string_view name = local_.name(local);
        const std::string_view other_name = target_.name(target);
        return AnswerOf(name.empty() || other_name.empty() || SameEssentialName(name, other_name));
      }
      case Kind::kInt:  // an int that starts at a bit of its own is a bitfield of old
        return AnswerOf(local_.integer(local).bit_offset == 0 &&
                        target_.integer(target).bit_offset == 0);
      case Kind::kArray:
        local = local_.array(local).element;
        target = target_.array(target).element;
        continue;
      case Kind::kVoid:
      case Kind::kStruct:
      case Kind::kUnion:
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
        return Answer::kNo;
    }
    return Answer::kNo;
  }
}

CoreTypes::Answer CoreTypes::Compatible(uint32_t local, uint32_t target, int level) {
  // The roots themselves: a typedef is no candidate for a struct.
  if (!SameCoreKind(local_.kind(local), target_.kind(target))) return Answer::kNo;
  for (int depth = kMaxDepth; depth > 0; --depth) {
    if (!Spend()) return Answer::kFailed;
    local = SkipModifiers(local_, local);
    target = SkipModifiers(target_, target);
    const Kind kind = local_.kind(local);
    if (!SameCoreKind(kind, target_.kind(target))) return Answer::kNo;
    switch (kind) {
      case Kind::kVoid:
      case Kind::kStruct:
      case Kind::kUnion:
      case Kind::kEnum:
      case Kind::kFwd:
      case Kind::kEnum64:
        return Answer::kYes;
      case Kind::kInt:
        return AnswerOf(local_.integer(local).bit_offset == 0 &&
                        target_.integer(target).bit_offset == 0);
      case Kind::kPtr:
        local = local_.type(local).size_or_type;
        target = target_.type(target).size_or_type;
        continue;
      case Kind::kArray:
        local = local_.array(local).element;
        target = target_.array(target).element;
        continue;
      case Kind::kFuncProto: {
        const uint32_t count = local_.type(local).vlen;
        if (count != target_.type(target).vlen) return Answer::kNo;
        for (uint32_t i = 0; i < count; ++i) {
          if (level <= 0) return Fail(CoreProblem::kTooDeep);
          const Answer answer =
              Compatible(SkipModifiers(local_, local_.parameter(local, i).type),
                         SkipModifiers(target_, target_.parameter(target, i).type), level - 1);
          if (answer != Answer::kYes) return answer;
        }
        local = local_.type(local).size_or_type;
        target = target_.type(target).size_or_type;
        continue;
      }
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
        return Answer::kNo;
    }
    return Answer::kNo;
  }
  return Fail(CoreProblem::kTooDeep);
}

CoreTypes::Answer CoreTypes::MatchEnums(uint32_t local, uint32_t target) {
  const btf::Type ours = local_.type(local);
  const btf::Type theirs = target_.type(target);
  if (ours.size_or_type != theirs.size_or_type || ours.vlen > theirs.vlen) return Answer::kNo;
  for (uint32_t i = 0; i < ours.vlen; ++i) {
    const std::string_view name = local_.enumerator(local, i).name;
    bool found = false;
    for (uint32_t j = 0; j < theirs.vlen && !found; ++j) {
      const std::string_view other = target_.enumerator(target, j).name;
      if (!Spend(other)) return Answer::kFailed;
      found = SameEssentialName(name, other);
    }
    if (!found) return Answer::kNo;
  }
  return Answer::kYes;
}

// Every member here is one of the same name there.
CoreTypes::Answer CoreTypes::MatchAggregates(uint32_t local, uint32_t target, bool behind_pointer,
                                             int level) {
  const uint32_t count = local_.type(local).vlen;
  const uint32_t other_count = target_.type(target).vlen;
  if (count > other_count) return Answer::kNo;
  for (uint32_t i = 0; i < count; ++i) {
    const btf::Member member = local_.member(local, i);
    bool found = false;
    for (uint32_t j = 0; j < other_count && !found; ++j) {
      const btf::Member other = target_.member(target, j);
      if (!Spend(other.name)) return Answer::kFailed;
      if (!SameEssentialName(member.name, other.name)) continue;
      const Answer answer = Match(member.type, other.type, behind_pointer, level - 1);
      if (answer == Answer::kFailed) return answer;
      found = answer == Answer::kYes;
    }
    if (!found) return Answer::kNo;
  }
  return Answer::kYes;
}

CoreTypes::Answer CoreTypes::Match(uint32_t local, uint32_t target, bool behind_pointer,
                                   int level) {
  if (level <= 0) return Fail(CoreProblem::kTooDeep);
  for (int depth = kMaxDepth; depth > 0; --depth) {
    if (!Spend()) return Answer::kFailed;
    local = SkipModifiers(local_, local);
    target = SkipModifiers(target_, target);
    const btf::Type ours = local_.type(local);
    const btf::Type theirs = target_.type(target);
    if (!SameEssentialName(ours.name, theirs.name)) return Answer::kNo;
    if (behind_pointer && Declares(ours.kind) && Declares(theirs.kind))
      return AnswerOf(DeclaresUnion(ours) == DeclaresUnion(theirs));
    if (!SameCoreKind(ours.kind, theirs.kind)) return Answer::kNo;
    switch (ours.kind) {
      case Kind::kVoid:
        return Answer::kYes;
      case Kind::kFwd:
        return AnswerOf(ours.kind_flag == theirs.kind_flag);
      case Kind::kEnum:
      case Kind::kEnum64:
        return MatchEnums(local, target);
      case Kind::kStruct:
      case Kind::kUnion:
        return MatchAggregates(local, target, behind_pointer, level);
      case Kind::kInt:
        return AnswerOf(ours.size_or_type == theirs.size_or_type &&
                        local_.integer(local).is_signed == target_.integer(target).is_signed);
      case Kind::kPtr:
        behind_pointer = true;
        local = ours.size_or_type;
        target = theirs.size_or_type;
        continue;
      case Kind::kArray:
        if (local_.array(local).count != target_.array(target).count) return Answer::kNo;
        local = local_.array(local).element;
        target = target_.array(target).element;
        continue;
      case Kind::kFuncProto: {
        if (ours.vlen != theirs.vlen) return Answer::kNo;
        for (uint32_t i = 0; i < ours.vlen; ++i) {
          const Answer answer = Match(local_.parameter(local, i).type,
                                      target_.parameter(target, i).type, behind_pointer, level - 1);
          if (answer != Answer::kYes) return answer;
        }
        local = ours.size_or_type;
        target = theirs.size_or_type;
        continue;
      }
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
        return Answer::kNo;
    }
    return Answer::kNo;
  }
  return Fail(CoreProblem::kTooDeep);
}

}  // namespace skep::loader
