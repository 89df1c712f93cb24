// SPDX-License-Identifier: Apache-2.0
#include "skep/program_table.h"

#include "btf/btf.h"
#include "model/execution_layout.h"

namespace skep {
namespace {

constexpr int kNoEntry = 2, kInvalid = 22;

// The member that the program implements; empty if it is of another structure.
std::string MemberOf(const ProgramData& program, std::string_view structure) {
  if (program.type != ProgramTypeId::kStructOps || program.target_btf == nullptr) return {};
  const btf::Btf& types = *program.target_btf;
  const uint32_t id = program.attach_btf_id;
  if (id == 0 || id >= types.type_count() || types.name(id) != structure) return {};
  const uint32_t member = program.expected_attach_type;
  if (member >= types.type(id).vlen) return {};
  return std::string(types.member(id, member).name);
}

}  // namespace

Result<ProgramTable> ProgramTable::Load(Instance& instance, const Object& object,
                                        std::string_view structure, const LoadOptions& options) {
  Members members;
  for (const ObjectProgram& candidate : object.programs()) {
    if (candidate.type != ProgramTypeId::kStructOps) continue;
    SKEP_TRY(const Program program, candidate.program);
    const std::string member = MemberOf(program.data(), structure);
    if (member.empty()) continue;
    if (members.contains(member)) {
      return Error{ErrorCode::kInvalidArgument,
                   program.name() + ": another program implements " + std::string(structure) + "." +
                       member + " too",
                   kInvalid};
    }
    SKEP_TRY(auto outcome, instance.Load(program, options));
    if (outcome.executable == nullptr) {
      return Error{ErrorCode::kInvalidArgument,
                   program.name() + ": the verifier rejects what implements " +
                       std::string(structure) + "." + member + ": " +
                       outcome.report.findings.front().message,
                   kInvalid};
    }
    members.emplace(member, std::move(outcome.executable));
  }
  if (members.empty()) {
    return Error{
        ErrorCode::kUnresolved,
        object.name() + ": no program implements a member of struct " + std::string(structure),
        kNoEntry};
  }
  return ProgramTable(std::move(members));
}

RunResult ProgramTable::Call(ExecutionContext& context, std::string_view member,
                             std::span<const uint64_t> arguments) const noexcept {
  const auto found = members_.find(member);
  if (found != members_.end()) return found->second->RunCall(context, arguments);
  model::ExecutionLayout::trap(context) = TrapCode::kNone;
  context.Stop(TrapCode::kBadCall, "no program implements " + std::string(member));
  return {0, TrapCode::kBadCall, 0};
}

}  // namespace skep
