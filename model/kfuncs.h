// SPDX-License-Identifier: Apache-2.0
// Kernel functions that programs may call (kfuncs): who may call which, and what
// the kernel says about them besides their prototype. The table is kfuncs.def;
// helpers/kfunc_table.h has the functions of those that run.
//
// Threads: pure functions over constant tables.

#ifndef SKEP_MODEL_KFUNCS_H_
#define SKEP_MODEL_KFUNCS_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "skep/program_type.h"

namespace skep::model {

// Enumerators are Linux's names.
enum class Kfunc : uint16_t {
#define SKEP_KFUNC(name, function, flags, programs) name,
#define SKEP_KFUNC_PROTOTYPE(name, flags, programs) name,
#include "model/kfuncs.def"
};

namespace kfunc {
// Linux's KF_* flags, and some of our own.
enum Flags : uint32_t {
  kAcquire = 1u << 0,      // the result must be released
  kRelease = 1u << 1,      // releases the argument that has a reference
  kRetNull = 1u << 2,      // the result may be null
  kTrustedArgs = 1u << 3,  // pointers must be trusted or referenced
  kRcuArgs = 1u << 4,      // pointers may also be RCU protected
  kSleepable = 1u << 5,
  kDestructive = 1u << 6,
  kIterNew = 1u << 7,
  kIterNext = 1u << 8,
  kIterDestroy = 1u << 9,
  kFastcall = 1u << 10,
  kRcuProtected = 1u << 11,  // must be called, or its iterator used, in an RCU section
  kMovesPacket = 1u << 12,   // packet pointers are invalid afterwards
  kUnmodelled = 1u << 13,    // known, refused by this verifier
  kCallsBack = 1u << 14,     // runs a function of the program, or ends the run
  // Reads at addresses that the verifier does not check: for programs with the
  // rights to read all memory.
  kReadsMemory = 1u << 15,
  // The register in which the kernel passes what programs do not: lowering loads
  // the address of the call's model::KfuncCallInfo into it.
  kInfoR2 = 1u << 16,
  kInfoR3 = 1u << 17,
  kInfoR4 = 1u << 18,
  kInfoR5 = 1u << 19,
};

// Programs for which Linux registers a function.
enum Programs : uint32_t {
  kNobody = 0,
  kXdp = 1u << 0,
  kTc = 1u << 1,
  kTcAction = 1u << 2,
  kSocketFilter = 1u << 3,
  kCgroup = 1u << 4,  // cgroup_*, sock_ops
  kSkSkb = 1u << 5,
  kLwt = 1u << 6,
  kNetfilter = 1u << 7,
  kTracing = 1u << 8,  // tracing, tracepoint, perf_event, lsm
  kSyscall = 1u << 9,
  kStructOps = 1u << 10,
  kLsm = 1u << 11,
  kTracingIter = 1u << 12,
  kSession = 1u << 13,  // kprobe and uprobe sessions
  kSockOps = 1u << 14,
  kSockAddr = 1u << 15,
  kOthers = 1u << 16,  // program types that have no functions of their own
  kEveryone = 0x1ffff,
  kGeneric = kXdp | kTc | kCgroup | kTracing | kSyscall | kStructOps,
  kObservers = kTracing | kSyscall | kStructOps,
};
}  // namespace kfunc

struct KfuncSpec {
  Kfunc id{};
  std::string_view name;
  uint32_t flags = 0;     // kfunc::Flags
  uint32_t programs = 0;  // kfunc::Programs

  bool Has(uint32_t flag) const { return (flags & flag) != 0; }
  // r2 .. r5, or 0 if the function gets no KfuncCallInfo.
  int InfoRegister() const {
    return Has(kfunc::kInfoR2)   ? 2
           : Has(kfunc::kInfoR3) ? 3
           : Has(kfunc::kInfoR4) ? 4
           : Has(kfunc::kInfoR5) ? 5
                                 : 0;
  }
  bool IsIterator() const { return Has(kfunc::kIterNew | kfunc::kIterNext | kfunc::kIterDestroy); }
};

// All rows, ascending by name.
std::span<const KfuncSpec> KfuncTable();
// The function of this name; null if Linux has none that programs may call.
const KfuncSpec* FindKfunc(std::string_view name);
// Whether a program of this type may call it.
bool MayCall(const KfuncSpec& spec, ProgramTypeId type, uint32_t expected_attach_type);

// Functions of lists and trees.
bool IsGraphFunction(Kfunc id);
// Whether it may be called while a spin lock is held.
bool MayRunUnderLock(const KfuncSpec& spec);

}  // namespace skep::model

#endif  // SKEP_MODEL_KFUNCS_H_
