// SPDX-License-Identifier: Apache-2.0
// What Linux 6.18 knows of attach targets that BTF does not say: iterators and
// their arguments, security hooks, tracepoints with null arguments, members of
// struct_ops structures.
//
// Threads: constants and pure functions.

#ifndef SKEP_VERIFIER_ATTACH_RULES_H_
#define SKEP_VERIFIER_ATTACH_RULES_H_

#include <cstdint>
#include <string_view>

namespace skep::verifier {

// Linux's enum bpf_attach_type.
enum : uint32_t {
  kAttachRawTp = 23,
  kAttachFentry = 24,
  kAttachFexit = 25,
  kAttachModifyReturn = 26,
  kAttachLsmMac = 27,
  kAttachIter = 28,
  kAttachLsmCgroup = 43,
};

// An argument of an iterator that is not a trusted pointer to a live object.
struct IteratorArgument {
  std::string_view target;  // "bpf_iter_task"
  uint32_t number = 0;
  uint16_t flags = 0;  // RegFlags
  bool is_buffer = false;
};
bool IsIteratorTarget(std::string_view function);
// Null if the argument is a trusted pointer to a live object, or a number.
const IteratorArgument* FindIteratorArgument(std::string_view function, uint32_t number);

// Functions of the kernel that run around every program, which none may trace.
bool IsNeverTraced(std::string_view function);
// Functions that end the task: nothing can run behind them.
bool NeverReturns(std::string_view function);

// Security hooks, by the name of their function: "bpf_lsm_file_open".
bool IsHook(std::string_view function);
bool IsSleepableHook(std::string_view function);
bool IsDisabledHook(std::string_view function);
bool IsTrustedHook(std::string_view function);  // its pointers are to live objects
bool IsBooleanHook(std::string_view function);  // gives 0 or 1, not 0 or -errno

enum class TracepointArgument : uint8_t { kPlain, kMaybeNull, kMaybeError };
TracepointArgument RuleOfTracepoint(std::string_view tracepoint, uint32_t number);

enum class MemberRule : uint8_t { kTakesPrograms, kRefused, kUnknown };
// Whether programs (that may sleep) may be the member of the kernel's structure.
MemberRule StructOpsMemberRule(std::string_view structure, std::string_view member, bool sleepable);

}  // namespace skep::verifier

#endif  // SKEP_VERIFIER_ATTACH_RULES_H_
