// SPDX-License-Identifier: Apache-2.0
// The words of the BPF Type Format as they lie in memory: struct btf_type is
// three words (name offset, info, size or type), followed by what its kind asks
// for. Numbers as in Linux's uapi/linux/btf.h.

#ifndef SKEP_BTF_RAW_H_
#define SKEP_BTF_RAW_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "btf/btf.h"

namespace skep::btf {

inline constexpr uint16_t kMagic = 0xeb9f;
inline constexpr uint8_t kVersion = 1;
inline constexpr uint32_t kHeaderSize = 24;
inline constexpr uint32_t kMaxSize = 16u << 20;  // bytes, all of it
inline constexpr uint32_t kMaxTypeId = 0xfffff;
inline constexpr uint32_t kMaxNameOffset = 0xffffff;
inline constexpr uint32_t kMaxResolveDepth = 32;  // Linux's MAX_RESOLVE_DEPTH
// Objects may hold types that are only for CO-RE and never reach a kernel.
inline constexpr uint32_t kMaxResolveDepthInObject = 1024;
inline constexpr uint32_t kMaxNameLength = 511;  // Linux's KSYM_NAME_LEN less its NUL
inline constexpr uint32_t kMaxStringShown = 4096;
inline constexpr uint32_t kNoSize = 0xffffffff;

inline constexpr uint32_t kTypeWords = 3;
inline constexpr uint32_t kInfoMask = 0x9f00ffff;

constexpr uint32_t RawKind(uint32_t info) { return (info >> 24) & 0x1f; }
constexpr uint32_t RawVlen(uint32_t info) { return info & 0xffff; }
constexpr bool RawFlag(uint32_t info) { return (info >> 31) != 0; }

// Words that follow the three of every type.
constexpr uint32_t ExtraWords(Kind kind, uint32_t vlen) {
  switch (kind) {
    case Kind::kInt:
    case Kind::kVar:
    case Kind::kDeclTag:
      return 1;
    case Kind::kArray:
      return 3;
    case Kind::kStruct:
    case Kind::kUnion:
    case Kind::kDatasec:
    case Kind::kEnum64:
      return 3 * vlen;
    case Kind::kEnum:
    case Kind::kFuncProto:
      return 2 * vlen;
    case Kind::kVoid:
    case Kind::kPtr:
    case Kind::kFwd:
    case Kind::kTypedef:
    case Kind::kVolatile:
    case Kind::kConst:
    case Kind::kRestrict:
    case Kind::kFunc:
    case Kind::kFloat:
    case Kind::kTypeTag:
      return 0;
  }
  return 0;
}

constexpr bool IsModifier(Kind kind) {
  return kind == Kind::kTypedef || kind == Kind::kVolatile || kind == Kind::kConst ||
         kind == Kind::kRestrict || kind == Kind::kTypeTag;
}

// Kinds that only data sections and tags may refer to.
constexpr bool OnlyRefers(Kind kind) {
  return kind == Kind::kVar || kind == Kind::kDatasec || kind == Kind::kDeclTag;
}

// The bytes of a file with these words as types. REQUIRES: both fit into kMaxSize,
// or what reads them refuses them.
std::vector<std::byte> Assemble(std::span<const uint32_t> types, std::span<const char> strings);

}  // namespace skep::btf

#endif  // SKEP_BTF_RAW_H_
