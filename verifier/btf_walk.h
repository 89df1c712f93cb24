// SPDX-License-Identifier: Apache-2.0
// What lies at an offset of a C structure, by its BTF, as Linux's verifier walks
// it; and whether a pointer to one structure may be taken for one to another.
//
// Threads: pure functions over immutable BTF.

#ifndef SKEP_VERIFIER_BTF_WALK_H_
#define SKEP_VERIFIER_BTF_WALK_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "btf/btf.h"
#include "verifier/findings.h"
#include "verifier/state.h"

namespace skep::verifier {

enum class BtfField : uint8_t {
  kScalar,   // a number, or a part of one
  kPointer,  // to the structure `btf_id`
  kMemory,   // a pointer to something else than a structure
  kStruct,   // WalkOneLevel only: the structure `btf_id` starts there
  kRefused,  // nothing that may be accessed so; `refused` and `message` say why
};

struct BtfWalk {
  BtfField field = BtfField::kRefused;
  uint32_t btf_id = 0;
  // RegFlags: kUser, kPercpu or kRcu of a tagged pointer; kUntrusted behind a
  // union of several members.
  uint16_t flags = 0;
  std::string_view name{};  // kPointer: of the member
  FindingCode refused = FindingCode::kNone;
  std::string message{};
};

// What `size` bytes at byte `off` of structure `id` are. `flexible`: an array of
// no elements at the end of the structure goes on for ever.
// REQUIRES: id < btf.type_count(), size > 0.
BtfWalk WalkStruct(const btf::Btf& btf, uint32_t id, uint32_t off, uint32_t size, bool flexible);

// As WalkStruct, but stops at the first nested structure that starts at `off`.
BtfWalk WalkOneLevel(const btf::Btf& btf, uint32_t id, uint32_t off, uint32_t size, bool flexible);

// True if `need` is type `id` or, unless `strict`, a structure that starts at
// byte `off` of it. Both ids count in `btf`. REQUIRES: id < btf.type_count().
bool StructMatches(const btf::Btf& btf, uint32_t id, uint32_t off, uint32_t need, bool strict,
                   bool flexible);

// A call takes it as a pointer to a live object (Linux's KF_TRUSTED_ARGS).
bool IsTrusted(const Register& reg);
inline bool IsRcuProtected(const Register& reg) { return (reg.flags & kRcu) != 0; }
inline bool IsStruct(const btf::Btf& btf, uint32_t id) {
  return btf.kind(id) == btf::Kind::kStruct || btf.kind(id) == btf::Kind::kUnion;
}

// The type tag in front of what a pointer points to, as RegFlags.
uint16_t PointerTag(const btf::Btf& btf, uint32_t pointee);

}  // namespace skep::verifier

#endif  // SKEP_VERIFIER_BTF_WALK_H_
