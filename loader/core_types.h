// SPDX-License-Identifier: Apache-2.0
// CoreTypes: whether a type of an object and one of the target are the same for
// CO-RE. There are three relations, from loose to strict:
//   fields       a field of the one type can be read as the other;
//   compatible   types of one shape, names apart from the root ignored (type
//                exists, type size, type id; prototypes of kernel functions);
//   match        one is a subset of the other, names included (type matches).
// Modifiers and typedefs are ignored throughout. The rules are libbpf's.
//
// Both sides may be hostile: recursion is bounded as libbpf bounds it, and the
// number of steps by a budget that all questions of one object share.
//
// Threads: none; each has its own.

#ifndef SKEP_LOADER_CORE_TYPES_H_
#define SKEP_LOADER_CORE_TYPES_H_

#include <cstdint>
#include <string_view>

#include "btf/btf.h"
#include "loader/core_spec.h"

namespace skep::loader {

// Steps that one object may cost: a type, member or name looked at. Matching a
// member of the kernel's largest struct takes a few hundred.
inline constexpr uint64_t kCoreWork = 20'000'000;

class CoreTypes {
 public:
  // kFailed: problem() says why.
  enum class Answer : uint8_t { kNo, kYes, kFailed };

  // REQUIRES: `local`, `target` and `work` outlive this. `work` is what is left
  // of the budget, counted down.
  CoreTypes(const btf::Btf& local, const btf::Btf& target, uint64_t& work)
      : local_(local), target_(target), work_(work) {}

  Answer FieldsAgree(uint32_t local, uint32_t target);
  // REQUIRES for both: the roots' essential names agree.
  Answer Compatible(uint32_t local, uint32_t target) {
    return Compatible(local, target, kMaxDepth);
  }
  Answer Match(uint32_t local, uint32_t target) { return Match(local, target, false, kMaxDepth); }

  CoreProblem problem() const { return problem_; }
  // Takes a step, or those of comparing `name`, from the budget; false, with
  // problem() set, if it is spent.
  bool Spend(std::string_view name = {});
  // Btf::SkipModifiers; takes its steps from the budget, too.
  uint32_t SkipModifiers(const btf::Btf& btf, uint32_t id);

 private:
  static constexpr int kMaxDepth = 32;  // libbpf's, for nesting and for chains

  Answer Compatible(uint32_t local, uint32_t target, int level);
  Answer Match(uint32_t local, uint32_t target, bool behind_pointer, int level);
  Answer MatchEnums(uint32_t local, uint32_t target);
  Answer MatchAggregates(uint32_t local, uint32_t target, bool behind_pointer, int level);
  Answer Fail(CoreProblem problem) {
    problem_ = problem;
    return Answer::kFailed;
  }

  const btf::Btf& local_;
  const btf::Btf& target_;
  uint64_t& work_;
  CoreProblem problem_ = CoreProblem::kNone;
};

}  // namespace skep::loader

#endif  // SKEP_LOADER_CORE_TYPES_H_
