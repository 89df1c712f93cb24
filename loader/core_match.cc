// SPDX-License-Identifier: Apache-2.0
#include "loader/core_match.h"

#include <string_view>

namespace skep::loader {
namespace {

using Answer = CoreTypes::Answer;

class Matcher {
 public:
  Matcher(const CoreSpec& local, const btf::Btf& target, CoreTypes& types, CoreSpec& out)
      : local_(local), target_(target), types_(types), out_(out) {}

  Answer Field(uint32_t candidate);
  Answer Enumerator(uint32_t candidate);
  CoreProblem problem() const { return problem_; }

 private:
  // Searches `id` and, through members without a name, what it holds. On kYes
  // `id` is the type of the member.
  Answer Member(const CoreStep& step, uint32_t& id);
  Answer Element(const CoreStep& step, bool first, uint32_t& id);
  Answer Fail(CoreProblem problem) {
    problem_ = problem;
    return Answer::kFailed;
  }

  const CoreSpec& local_;
  const btf::Btf& target_;
  CoreTypes& types_;
  CoreSpec& out_;
  CoreProblem problem_ = CoreProblem::kNone;
};

Answer Matcher::Field(uint32_t candidate) {
  uint32_t id = candidate;
  for (size_t i = 0; i < local_.steps.size(); ++i) {
    const CoreStep& step = local_.steps[i];
    const Answer answer = step.name.empty() ? Element(step, i == 0, id) : Member(step, id);
    if (answer != Answer::kYes) return answer;
  }
  return Answer::kYes;
}

// The nesting is at most kMaxCoreSteps deep, since each level takes one.
Answer Matcher::Member(const CoreStep& step, uint32_t& id) {
  const uint32_t holder = types_.SkipModifiers(target_, id);
  if (!IsAggregate(target_.kind(holder))) return Answer::kNo;
  const uint32_t count = target_.type(holder).vlen;
  for (uint32_t i = 0; i < count; ++i) {
    const btf::Member member = target_.member(holder, i);
    if (!types_.Spend(member.name)) return Answer::kFailed;
    if (out_.raw.size() == kMaxCoreSteps) return Fail(CoreProblem::kTooDeep);
    if (!member.name.empty() && member.name != step.name) continue;
    const uint32_t offset_before = out_.bit_offset;
    if (const auto problem = AddBits(member.bit_offset, out_); problem != CoreProblem::kNone)
      return Fail(problem);
    out_.raw.push_back(i);
    if (member.name.empty()) {
      uint32_t inner = member.type;
      const Answer answer = Member(step, inner);
      id = inner;
      if (answer != Answer::kNo) return answer;
      out_.raw.pop_back();
      out_.bit_offset = offset_before;
      continue;
    }
    const Answer answer =
        types_.FieldsAgree(local_.btf->member(step.type, step.index).type, member.type);
    if (answer != Answer::kYes) return answer;
    out_.steps.push_back({holder, i, member.name});
    id = member.type;
    return Answer::kYes;
  }
  return Answer::kNo;
}

Answer Matcher::Element(const CoreStep& step, bool first, uint32_t& id) {
  id = types_.SkipModifiers(target_, id);
  if (!types_.Spend()) return Answer::kFailed;
  if (!first) {  // the root is what the pointer points to, no array
    if (target_.kind(id) != btf::Kind::kArray) return Answer::kNo;
    const btf::ArrayInfo array = target_.array(id);
    if (step.index >= array.count && !IsFlexible(out_, array)) return Answer::kNo;
    id = types_.SkipModifiers(target_, array.element);
  }
  if (out_.raw.size() == kMaxCoreSteps) return Fail(CoreProblem::kTooDeep);
  out_.steps.push_back({id, step.index, {}});
  out_.raw.push_back(step.index);
  if (const auto problem = AddElements(id, step.index, out_); problem != CoreProblem::kNone)
    return Fail(problem);
  return Answer::kYes;
}

Answer Matcher::Enumerator(uint32_t candidate) {
  const uint32_t id = types_.SkipModifiers(target_, candidate);
  if (!IsEnum(target_.kind(id))) return Answer::kNo;
  const std::string_view wanted = btf::EssentialName(local_.steps[0].name);
  for (uint32_t i = 0; i < target_.type(id).vlen; ++i) {
    const std::string_view name = target_.enumerator(id, i).name;
    if (!types_.Spend(name)) return Answer::kFailed;
    if (btf::EssentialName(name) != wanted) continue;
    out_.steps.push_back({id, i, name});
    out_.raw.push_back(i);
    return Answer::kYes;
  }
  return Answer::kNo;
}

}  // namespace

CoreTypes::Answer MatchCoreSpec(CoreKind kind, const CoreSpec& local, const btf::Btf& target,
                                uint32_t candidate, CoreTypes& types, CoreSpec& out,
                                CoreProblem& problem) {
  out = {};
  out.btf = &target;
  out.root = candidate;
  if (kind == CoreKind::kTypeMatches) return types.Match(local.root, candidate);
  if (SubjectOf(kind) == CoreSubject::kType) return types.Compatible(local.root, candidate);
  Matcher matcher(local, target, types, out);
  const Answer answer = SubjectOf(kind) == CoreSubject::kField ? matcher.Field(candidate)
                                                               : matcher.Enumerator(candidate);
  problem = matcher.problem();
  return answer;
}

}  // namespace skep::loader
