// SPDX-License-Identifier: Apache-2.0
// CoreSpec: what one CO-RE relocation record asks about, in the types of the
// object or, once matched, in those of the target.
//
// A record names a type and an access string: "0:1:2" is x[0].<member 1>[2] of
// a `struct s *x` whose member 1 is an array. Compilers count members of
// anonymous structs one level at a time; `raw` keeps these numbers, `steps` only
// what a programmer would write: named members and array elements.
//
// The behaviour is libbpf's, which defined these records.

#ifndef SKEP_LOADER_CORE_SPEC_H_
#define SKEP_LOADER_CORE_SPEC_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "btf/btf.h"
#include "btf/ext.h"

namespace skep::loader {

// Linux's enum bpf_core_relo_kind.
enum class CoreKind : uint8_t {
  kFieldByteOffset = 0,
  kFieldByteSize = 1,
  kFieldExists = 2,
  kFieldSigned = 3,
  kFieldLeftShift = 4,
  kFieldRightShift = 5,
  kTypeIdLocal = 6,
  kTypeIdTarget = 7,
  kTypeExists = 8,
  kTypeSize = 9,
  kEnumeratorExists = 10,
  kEnumeratorValue = 11,
  kTypeMatches = 12,
};
inline constexpr uint32_t kCoreKindCount = 13;

enum class CoreSubject : uint8_t { kField, kType, kEnumerator };
CoreSubject SubjectOf(CoreKind kind);
// libbpf's name: "byte_off"; "unknown" beyond kCoreKindCount.
std::string_view CoreKindName(uint32_t kind);

// Why a relocation cannot be decided. That nothing in the target matches is no
// problem: then the instruction is made invalid, and the verifier judges.
enum class CoreProblem : uint8_t {
  kNone,
  kUnknownKind,
  kBadAccess,
  kTooDeep,
  kTooFar,
  kNoSize,
  kNoTarget,
  kAnonymous,
  kTooManyCandidates,
  kAmbiguousOffset,
  kAmbiguousValue,
  kWideBitfield,
  kElementProperty,
  kTooMuchWork,
};
// One clause: "the target's candidates disagree ...".
std::string_view CoreProblemText(CoreProblem problem);

struct CoreStep {
  uint32_t type = 0;      // a member's struct or union; an element's own type; an enum
  uint32_t index = 0;     // of the member, element or enumerator
  std::string_view name;  // empty for an element
};

inline constexpr size_t kMaxCoreSteps = 64;

struct CoreSpec {
  const btf::Btf* btf = nullptr;
  uint32_t root = 0;
  std::vector<CoreStep> steps;  // empty for types
  std::vector<uint32_t> raw;
  uint32_t bit_offset = 0;  // of a field in its root type
};

// Reads a record of an object. REQUIRES: record.kind < kCoreKindCount and
// record.type_id < btf.type_count(). Returns kNone, kBadAccess, kTooDeep,
// kTooFar or kNoSize.
CoreProblem ReadCoreSpec(const btf::Btf& btf, const btf::CoreRelocation& record, CoreSpec& spec);

// "<byte_off> [7] struct task_struct.pid (0:12 @ offset 4)", as libbpf prints
// it, with long names cut.
std::string DescribeCore(uint32_t kind, const CoreSpec& spec);
// The same for a record that may not be readable.
std::string DescribeCore(const btf::Btf& btf, const btf::CoreRelocation& record);

// ---- for the other files of core_*

bool IsAggregate(btf::Kind kind);  // struct or union
bool IsEnum(btf::Kind kind);       // of 32 or 64 bits
// Same kind, where enums of both sizes are one.
bool SameCoreKind(btf::Kind a, btf::Kind b);
// Adds index * size(element) to the offset, as C does for a[index].
CoreProblem AddElements(uint32_t element, uint32_t index, CoreSpec& spec);
CoreProblem AddBits(uint64_t bits, CoreSpec& spec);
// Whether the array that `array` describes may be indexed beyond its end: it is
// the last member of a struct, has no elements, and is what the steps lead to.
bool IsFlexible(const CoreSpec& spec, const btf::ArrayInfo& array);

}  // namespace skep::loader

#endif  // SKEP_LOADER_CORE_SPEC_H_
