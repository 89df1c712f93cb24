// SPDX-License-Identifier: Apache-2.0
// Btf: the type graph of an object or of the kernel (BPF Type Format), parsed
// once from untrusted bytes and used by loader, verifier, maps, helpers and
// tools.
//
// A Btf that exists is well formed: every type id, member index and string
// offset in it is valid, chains of typedefs and qualifiers end, and sizes are
// known. Its rules, limits and errnos are those of Linux (kernel/bpf/btf.c
// behaviour), which sys_errno of an error carries.
//
// The types are kept as the words of the file, so a Btf takes about the size of
// its bytes, and accessors decode on the fly. Ids count from 1; 0 is void. A
// split Btf continues the ids and strings of its base.
//
// Threads: immutable, any number of threads. Lifetime: shared_ptr; views of
// names live as long as the Btf.

#ifndef SKEP_BTF_BTF_H_
#define SKEP_BTF_BTF_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "skep/result.h"

#include "btf/name_index.h"

namespace skep::btf {

// Linux's BTF_KIND_*.
enum class Kind : uint8_t {
  kVoid = 0,
  kInt = 1,
  kPtr = 2,
  kArray = 3,
  kStruct = 4,
  kUnion = 5,
  kEnum = 6,
  kFwd = 7,
  kTypedef = 8,
  kVolatile = 9,
  kConst = 10,
  kRestrict = 11,
  kFunc = 12,
  kFuncProto = 13,
  kVar = 14,
  kDatasec = 15,
  kFloat = 16,
  kDeclTag = 17,
  kTypeTag = 18,
  kEnum64 = 19,
};
// "struct", "typedef", ...; as in the C language or in BTF's documentation.
std::string_view KindName(Kind kind);

// Linkage of kFunc and kVar.
enum class Linkage : uint8_t { kStatic = 0, kGlobal = 1, kExtern = 2 };

struct Type {
  Kind kind = Kind::kVoid;
  bool kind_flag = false;     // bitfield sizes in members; union for kFwd; signed for enums
  uint32_t vlen = 0;          // members, enumerators, parameters or variables; linkage of kFunc
  uint32_t size_or_type = 0;  // bytes for sized kinds, the referred type id for others
  std::string_view name;
};

struct Member {
  std::string_view name;
  uint32_t type = 0;
  uint32_t bit_offset = 0;
  uint32_t bitfield_size = 0;  // bits; 0 if it is no bitfield
};
struct Parameter {
  std::string_view name;
  uint32_t type = 0;  // 0 with an empty name as the last one: "..."
};
struct Enumerator {
  std::string_view name;
  int64_t value = 0;  // the bits of an unsigned 64-bit value where the enum is unsigned
};
struct ArrayInfo {
  uint32_t element = 0;
  uint32_t index = 0;
  uint32_t count = 0;
};
struct IntInfo {
  uint8_t bits = 0;
  uint8_t bit_offset = 0;
  bool is_signed = false;
  bool is_char = false;
  bool is_bool = false;
};
struct SectionVariable {
  uint32_t type = 0;  // a kVar (or, for functions of .ksyms, a kFunc)
  uint32_t offset = 0;
  uint32_t size = 0;
};
struct DeclTag {
  uint32_t target = 0;
  int32_t component = -1;  // member or parameter index; -1 for the type itself
};

// Where the bytes come from. Compilers leave section sizes and variable offsets
// of an object file at zero, write names that Linux refuses and nest types that
// only CO-RE reads; the loader fills in the former, and Linux's checks of these
// three apply to kKernel only.
enum class Origin : uint8_t { kObjectFile, kKernel };

class Btf {
 public:
  // Fails with kMalformedObject (EINVAL, EEXIST for a type loop), kUnsupported
  // (ENOTSUPP: version, flags or encodings) or kResourceLimit (E2BIG: 16 MiB,
  // nesting of 32, ids, names).
  static Result<std::shared_ptr<const Btf>> Parse(std::span<const std::byte> bytes, Origin origin,
                                                  std::shared_ptr<const Btf> base = nullptr);

  // One past the last id.
  uint32_t type_count() const { return first_id_ + static_cast<uint32_t>(starts_.size()); }
  // The first id that is not the base's (1 without a base).
  uint32_t first_id() const { return first_id_; }
  const std::shared_ptr<const Btf>& base() const { return base_; }

  // REQUIRES for all below: id < type_count().
  Type type(uint32_t id) const;
  Kind kind(uint32_t id) const;
  std::string_view name(uint32_t id) const;

  // REQUIRES: the kind named, and index < vlen.
  Member member(uint32_t id, uint32_t index) const;                     // kStruct, kUnion
  Parameter parameter(uint32_t id, uint32_t index) const;               // kFuncProto
  Enumerator enumerator(uint32_t id, uint32_t index) const;             // kEnum, kEnum64
  SectionVariable section_variable(uint32_t id, uint32_t index) const;  // kDatasec
  ArrayInfo array(uint32_t id) const;
  IntInfo integer(uint32_t id) const;
  Linkage linkage(uint32_t id) const;  // kFunc, kVar
  DeclTag decl_tag(uint32_t id) const;

  // The type behind typedefs, qualifiers and type tags.
  uint32_t SkipModifiers(uint32_t id) const;
  // Bytes that an object of this type takes; nothing for void, functions,
  // forward declarations and tags.
  std::optional<uint32_t> SizeOf(uint32_t id) const;
  // The first type of this kind and name; 0 if there is none. Constant time, as
  // long as few types share the name.
  uint32_t Find(std::string_view name, Kind kind) const;
  // The types with a name whose essential part (btf/name_index.h) is that of
  // `name`, of any kind, ascending: those of the base or, if it has none, its
  // own. Stops after `limit` of them.
  std::vector<uint32_t> FindFlavours(std::string_view name, size_t limit) const;

  // The string at `offset` of the string section, cut at 4,096 bytes; empty if
  // it lies outside.
  std::string_view StringAt(uint32_t offset) const;
  // Bytes that Parse takes and that bpf(BPF_BTF_LOAD) takes (without the base).
  std::vector<std::byte> Serialize() const;

  // What only the object file's symbol table knows.
  struct SectionLayout {
    uint32_t id = 0;                         // a kDatasec
    uint32_t size = 0;                       // bytes
    std::vector<SectionVariable> variables;  // as many as it has, ascending by offset
  };
  // A copy with these section layouts, and with these kFunc and kVar ids made
  // static.
  std::shared_ptr<const Btf> WithLayout(std::span<const SectionLayout> sections,
                                        std::span<const uint32_t> make_static) const;

 private:
  friend class BtfParser;
  friend class LinuxRules;
  Btf() = default;
  const uint32_t* words(uint32_t id) const { return &words_[starts_[id - first_id_]]; }

  std::shared_ptr<const Btf> base_;
  uint32_t first_id_ = 1;
  uint32_t first_string_ = 0;     // string offsets below are the base's
  std::vector<uint32_t> words_;   // the type section
  std::vector<uint32_t> starts_;  // index into words_, by id - first_id_
  std::vector<uint32_t> sizes_;   // resolved size or kNoSize, by id - first_id_
  std::vector<char> strings_;     // ends in NUL
  NameIndex names_;               // entries are ids less first_id_
};

}  // namespace skep::btf

#endif  // SKEP_BTF_BTF_H_
