// SPDX-License-Identifier: Apache-2.0
#include "loader/core_table.h"

#include <unordered_map>
#include <utility>

#include "loader/core_match.h"
#include "loader/core_types.h"

namespace skep::loader {
namespace {

constexpr size_t kMaxCandidates = 1024;

class Resolver {
 public:
  Resolver(const btf::Btf& local, const btf::Btf* target) : local_(local), target_(target) {}
  CoreEntry Resolve(const btf::CoreRelocation& record);

 private:
  CoreProblem Decide(const btf::CoreRelocation& record, CoreResolution& out);
  CoreProblem ChooseAmong(CoreKind kind, const CoreSpec& local, std::vector<uint32_t>& candidates,
                          CoreResolution& out);
  std::vector<uint32_t>& CandidatesOf(uint32_t local_type);

  const btf::Btf& local_;
  const btf::Btf* target_;
  uint64_t work_ = kCoreWork;
  std::unordered_map<uint32_t, std::vector<uint32_t>> candidates_;  // by local type
};

CoreEntry Resolver::Resolve(const btf::CoreRelocation& record) {
  CoreEntry entry;
  entry.problem = Decide(record, entry.resolution);
  return entry;
}

CoreProblem Resolver::Decide(const btf::CoreRelocation& record, CoreResolution& out) {
  if (record.kind >= kCoreKindCount) return CoreProblem::kUnknownKind;
  const auto kind = static_cast<CoreKind>(record.kind);
  CoreSpec spec;
  if (const auto problem = ReadCoreSpec(local_, record, spec); problem != CoreProblem::kNone)
    return problem;
  if (kind == CoreKind::kTypeIdLocal) {
    out.compiled = out.value = record.type_id;
    out.checked = false;  // linkers of objects renumber types
    return CoreProblem::kNone;
  }
  if (local_.name(record.type_id).empty()) return CoreProblem::kAnonymous;
  if (target_ == nullptr) return CoreProblem::kNoTarget;
  std::vector<uint32_t>& candidates = CandidatesOf(record.type_id);
  if (candidates.size() > kMaxCandidates) return CoreProblem::kTooManyCandidates;
  return ChooseAmong(kind, spec, candidates, out);
}

// Keeps those candidates that match, unless none does.
CoreProblem Resolver::ChooseAmong(CoreKind kind, const CoreSpec& local,
                                  std::vector<uint32_t>& candidates, CoreResolution& out) {
  CoreTypes types(local_, *target_, work_);
  size_t matching = 0;
  uint32_t bit_offset = 0;
  for (const uint32_t candidate : std::vector<uint32_t>(candidates)) {
    CoreSpec spec;
    CoreProblem problem = CoreProblem::kNone;
    const auto answer = MatchCoreSpec(kind, local, *target_, candidate, types, spec, problem);
    if (answer == CoreTypes::Answer::kFailed)
      return problem == CoreProblem::kNone ? types.problem() : problem;
    if (answer == CoreTypes::Answer::kNo) continue;
    CoreResolution resolution;
    problem = ComputeCore(kind, local, &spec, resolution);
    if (problem != CoreProblem::kNone) return problem;
    if (matching == 0) {
      out = resolution;
      bit_offset = spec.bit_offset;
    } else if (spec.bit_offset != bit_offset) {
      return CoreProblem::kAmbiguousOffset;
    } else if (resolution.value != out.value) {
      return CoreProblem::kAmbiguousValue;
    }
    candidates[matching++] = candidate;
  }
  if (matching == 0) return ComputeCore(kind, local, nullptr, out);
  candidates.resize(matching);
  return CoreProblem::kNone;
}

std::vector<uint32_t>& Resolver::CandidatesOf(uint32_t local_type) {
  const auto [it, fresh] = candidates_.try_emplace(local_type);
  if (fresh) {
    const btf::Kind kind = local_.kind(local_type);
    for (const uint32_t id : target_->FindFlavours(local_.name(local_type), kMaxCandidates + 1))
      if (SameCoreKind(target_->kind(id), kind)) it->second.push_back(id);
  }
  return it->second;
}

}  // namespace

CoreTable CoreTable::Resolve(const ObjectTypes& types, const btf::Btf* target) {
  CoreTable table;
  table.sections_.resize(types.sections.size());
  if (types.btf == nullptr) return table;
  Resolver resolver(*types.btf, target);
  for (size_t i = 0; i < types.sections.size(); ++i) {
    table.sections_[i].reserve(types.sections[i].core_relocations.size());
    for (const btf::CoreRelocation& record : types.sections[i].core_relocations)
      table.sections_[i].push_back(resolver.Resolve(record));
  }
  return table;
}

}  // namespace skep::loader
