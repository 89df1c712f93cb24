// SPDX-License-Identifier: Apache-2.0
// Facts: what the verifier proved about a program, by instruction slot, in the
// form that lowering and the engines use. Every use names its fact, so that a
// guarded engine and the audit can check it again.
//
// Immutable once made.

#ifndef SKEP_MODEL_FACTS_H_
#define SKEP_MODEL_FACTS_H_

#include <cstdint>
#include <vector>

namespace skep::model {

// Where a load, store or atomic goes, the same on every path that reaches it;
// kMixed if paths differ, but kKernel or else kObject if one of them goes there.
enum class AccessKind : uint8_t {
  kNone,  // not a memory access, or never reached
  kStack,
  kContext,
  kPacket,
  kMapValue,
  kMemory,  // ring buffer records, plain memory, helper memory
  kArena,   // an arena, at the low half of the address; arithmetic: of such a pointer
  kMixed,   // several of the above, none of them kContext
  kObject,  // an object that is known by its type alone; loads may fault and give 0
  kKernel,  // sockets and the like of the kernel's, which no engine of this process has
};

inline constexpr uint32_t kNoMap = 0xffffffff;
inline constexpr uint32_t kMixedType = 0xffffffff;
inline constexpr uint32_t kUnknownIndex = ~uint32_t{0};

struct InsnFact {
  // Reached on no path that the verifier followed: may be dropped.
  bool reached = false;
  AccessKind access = AccessKind::kNone;
  // A divisor proved non-zero in all its width.
  bool nonzero_divisor = false;
  // Conditional jumps: that this edge is never taken.
  bool never_taken = false;
  bool never_falls_through = false;
  // kMapLookup-like calls whose result is proved not null (constant index).
  bool lookup_not_null = false;
  // bpf_loop: the subprogram that it calls on all paths, if never with flags; else 0.
  uint16_t callback = 0;
  // Calls with a map argument: its index in Program::maps() if it is the same
  // on all paths and not an inner map, else kNoMap.
  uint32_t map = kNoMap;
  // Calls of kernel functions: the struct of the program's own BTF that is made,
  // taken or given back; 0 if none, kMixedType if paths differ.
  uint32_t object_type = 0;
  // Tail calls: the constant slot, else kUnknownIndex.
  uint32_t constant_index = kUnknownIndex;
};

struct SubprogramFact {
  uint32_t stack_depth = 0;  // bytes used below r10, rounded up to 8
  bool has_tail_call = false;
  bool tail_call_reachable = false;  // this one or one that it calls makes tail calls
  bool is_callback = false;
};

struct Facts {
  std::vector<InsnFact> insns;              // one a slot of Program::insns()
  std::vector<SubprogramFact> subprograms;  // one a Program::subprograms()
  uint32_t max_stack_depth = 0;
  // One past the highest context byte that is accessed; plain-byte contexts
  // must be at least this long when run.
  uint32_t context_bytes = 0;
  uint32_t exception_callback = 0;  // the subprogram that runs after bpf_throw; 0 for none
};

}  // namespace skep::model

#endif  // SKEP_MODEL_FACTS_H_
