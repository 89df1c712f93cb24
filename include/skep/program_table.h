// SPDX-License-Identifier: Apache-2.0
// ProgramTable: the programs of a struct_ops object as the function pointers of a
// structure, for the host to call with arguments.
//
//   auto ops = skep::ProgramTable::Load(*instance, object, "tcp_congestion_ops", {});
//   if (ops->Has("ssthresh")) r = ops->Call(context, "ssthresh", arguments);
//
// Threads: immutable; any number of threads may call, each with a context of its
// own. Lifetime: keeps its programs alive; the Runtime must outlive it.

#ifndef SKEP_PROGRAM_TABLE_H_
#define SKEP_PROGRAM_TABLE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "skep/engine.h"
#include "skep/export.h"
#include "skep/program.h"
#include "skep/result.h"
#include "skep/runtime.h"

namespace skep {

class SKEP_EXPORT ProgramTable {
 public:
  using Members = std::map<std::string, std::shared_ptr<Executable>, std::less<>>;

  // Loads each struct_ops program of the object that implements a member of the
  // structure. Fails with kUnresolved if there is none, with kInvalidArgument if
  // two implement the same member or the verifier rejects one (the message says
  // which and why), and as Instance::Load does.
  static Result<ProgramTable> Load(Instance& instance, const Object& object,
                                   std::string_view structure, const LoadOptions& options);

  bool Has(std::string_view member) const { return members_.find(member) != members_.end(); }
  const Members& members() const { return members_; }

  // Calls the member. Arguments are widened to 64 bits, as Executable::RunCall has
  // it. Traps with kBadCall if there is no such member.
  RunResult Call(ExecutionContext& context, std::string_view member,
                 std::span<const uint64_t> arguments) const noexcept;

 private:
  explicit ProgramTable(Members members) : members_(std::move(members)) {}
  Members members_;
};

}  // namespace skep

#endif  // SKEP_PROGRAM_TABLE_H_
