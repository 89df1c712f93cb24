// SPDX-License-Identifier: Apache-2.0
// HelperSpec: one function that programs may call. The verifier reads the
// prototype, engines call the function.
//
// Linux's helpers keep Linux's ids (1..211). An embedder's own helpers start at
// kFirstHostHelperId.

#ifndef SKEP_HELPER_H_
#define SKEP_HELPER_H_

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "skep/program_class.h"

namespace skep {

class ExecutionContext;

inline constexpr uint32_t kFirstHostHelperId = 0x10000;

// Called with r1..r5 and the run's context; the result becomes r0. Must not
// throw, must not keep `context`, may be called on many threads at once.
using HelperFunction = uint64_t (*)(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5,
                                    ExecutionContext& context) noexcept;

// What a helper takes. The words are those of Linux's enum bpf_arg_type, with
// the modifiers in ArgFlags.
enum class ArgKind : uint8_t {
  kNone,       // the helper has no such argument
  kAnything,   // any initialised value
  kContext,    // the program's context, unmodified
  kConstMap,   // a map
  kMapKey,     // key_size readable bytes
  kMapValue,   // value_size bytes of the map
  kMem,        // memory; its size is the next argument, or `size`
  kConstSize,  // the size of the argument before it, at least 1
  kConstSizeOrZero,
  kConstAllocSizeOrZero,  // a constant; the size of the memory that is returned
  kRingbufMem,            // what ringbuf_reserve returned
  kStack,                 // a stack pointer
  kConstString,           // NUL-terminated, in a frozen read-only map
  kFunction,              // a subprogram of the caller
  kSpinLock,
  kTimer,
  kKptr,
  kDynptr,
  kSockCommon,  // struct bpf_sock_common
  kSocket,      // struct bpf_sock
  kBtfId,       // a pointer to the kernel type named `type_name`; any if that is empty
  kBtfIdSockCommon,
  kPercpuBtfId,
};

enum ArgFlags : uint16_t {
  kArgMaybeNull = 1u << 0,
  kArgReadOnly = 1u << 1,  // MEM_RDONLY: read-only memory is accepted
  kArgUninit = 1u << 2,    // MEM_UNINIT: written by the helper, need not be initialised
  kArgWrite = 1u << 3,     // MEM_WRITE
  kArgRelease = 1u << 4,   // OBJ_RELEASE
  kArgAligned = 1u << 5,   // MEM_ALIGNED
  kArgDynptrRingbuf = 1u << 6,
  kArgDynptrLocal = 1u << 7,
  kArgOpaque = 1u << 8,  // names an object, into which the helper does not look
};

struct ArgSpec {
  ArgKind kind = ArgKind::kNone;
  uint16_t flags = 0;            // ArgFlags
  uint32_t size = 0;             // kMem of fixed size: bytes; else 0
  std::string_view type_name{};  // kBtfId
};

enum class ReturnKind : uint8_t {
  kInteger,
  kVoid,
  kMapValue,
  kMem,  // the size is the kConstAllocSizeOrZero argument
  kMemOrBtfId,
  kSocket,
  kSockCommon,
  kTcpSock,
  kBtfId,  // `return_type_name`
};

enum HelperFlags : uint16_t {
  kHelperGplOnly = 1u << 0,
  kHelperPacketAccess = 1u << 1,  // packet memory may be passed
  kHelperMightSleep = 1u << 2,
  kHelperReturnMaybeNull = 1u << 3,
  kHelperChangesPacket = 1u << 4,  // packet pointers are invalid afterwards
  kHelperAcquires = 1u << 5,       // the result must be released
  kHelperCallsBack = 1u << 6,
  kHelperFastcall = 1u << 7,        // clobbers only its arguments and r0
  kHelperReturnReadOnly = 1u << 8,  // MEM_RDONLY
  kHelperReturnRingbuf = 1u << 9,   // MEM_RINGBUF
  kHelperReturnTrusted = 1u << 10,  // PTR_TRUSTED
  kHelperVariadic = 1u << 11,       // looks at all five registers, whatever `args` says
};

// What the loader of a program must be allowed to do before the program may
// call a helper, beyond what its program type asks for.
enum class HelperCapability : uint8_t { kNone, kBpf, kPerfmon };

inline constexpr ProgramClassMask kAllPrograms = ~ProgramClassMask{0};

struct HelperSpec {
  uint32_t id = 0;
  std::string_view name;
  std::array<ArgSpec, 5> args;
  ReturnKind returns = ReturnKind::kInteger;
  uint16_t flags = 0;  // HelperFlags
  std::string_view return_type_name{};
  // The classes of programs that may call it by this prototype. A helper with
  // several prototypes has several specs; their classes do not overlap.
  ProgramClassMask programs = kAllPrograms;
  // Classes out of `programs` that Linux's table lists but a second check
  // refuses ("helper call is not allowed in probe").
  ProgramClassMask refused_programs = 0;
  HelperCapability capability = HelperCapability::kNone;
  // Null: the prototype is known and programs that call it verify, but this
  // build cannot run it; lowering refuses such a program by name.
  HelperFunction function = nullptr;
};

// The spec of helper `id` for programs of class `c`; null if `table` has none.
// REQUIRES: `table` is ascending by id, with the variants of one id adjacent.
constexpr const HelperSpec* FindHelper(std::span<const HelperSpec> table, uint32_t id,
                                       ProgramClass c) {
  size_t low = 0;
  for (size_t high = table.size(); low < high;) {
    const size_t middle = low + (high - low) / 2;
    if (table[middle].id < id) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  for (; low < table.size() && table[low].id == id; ++low) {
    if ((table[low].programs & MaskOf(c)) != 0) return &table[low];
  }
  return nullptr;
}

}  // namespace skep

#endif  // SKEP_HELPER_H_
