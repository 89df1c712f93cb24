// SPDX-License-Identifier: Apache-2.0
// BtfBuilder: the host's own types, described in C++, for programs that read the
// host's structures by CO-RE (ObjectOptions::target_btf). From a C header,
// `skep gen btf` makes the same.
//
//   skep::BtfBuilder types;
//   const uint32_t u32 = types.Int("unsigned int", 4);
//   types.Struct("request", sizeof(request), {{"status", u32, offsetof(request, status)}});
//   auto host = types.Build("my host");
//   auto object = skep::Object::Open("filter.bpf.o", {.target_btf = *host});
//
// Each call adds a type and returns its id; ids count from 1, and 0 is void. Names
// are those of C, without "struct" and the like. What makes no sense is told by
// Build. Threads: one at a time.

#ifndef SKEP_BTF_BUILDER_H_
#define SKEP_BTF_BUILDER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "skep/export.h"
#include "skep/program.h"
#include "skep/result.h"

namespace skep {

class SKEP_EXPORT BtfBuilder {
 public:
  struct Member {
    std::string name;  // empty: an anonymous struct or union
    uint32_t type = 0;
    uint32_t offset = 0;  // bytes
    // Of a bitfield: its first bit, counted from `offset`, and how many.
    uint32_t bit = 0;
    uint32_t bits = 0;
  };
  struct Enumerator {
    std::string name;
    int64_t value = 0;
  };
  struct Parameter {
    std::string name;
    uint32_t type = 0;
  };

  uint32_t Int(std::string_view name, uint32_t bytes, bool is_signed = false);
  uint32_t Bool(std::string_view name = "_Bool");
  uint32_t Char(std::string_view name = "char");
  uint32_t Float(std::string_view name, uint32_t bytes);
  uint32_t Pointer(uint32_t to);
  uint32_t Const(uint32_t type);
  uint32_t Volatile(uint32_t type);
  uint32_t Array(uint32_t element, uint32_t count);
  uint32_t Typedef(std::string_view name, uint32_t type);
  uint32_t Struct(std::string_view name, uint32_t bytes, std::span<const Member> members);
  uint32_t Struct(std::string_view name, uint32_t bytes, std::initializer_list<Member> members) {
    return Struct(name, bytes, std::span(members.begin(), members.size()));
  }
  uint32_t Union(std::string_view name, uint32_t bytes, std::span<const Member> members);
  uint32_t Union(std::string_view name, uint32_t bytes, std::initializer_list<Member> members) {
    return Union(name, bytes, std::span(members.begin(), members.size()));
  }
  // A struct that is known by name alone, to be pointed at; Define says later what
  // is in it. REQUIRES of Define: an id that Declare returned, once.
  uint32_t Declare(std::string_view name);
  void Define(uint32_t id, uint32_t bytes, std::span<const Member> members);
  // Of 1, 2, 4 or 8 bytes.
  uint32_t Enum(std::string_view name, uint32_t bytes, std::span<const Enumerator> enumerators,
                bool is_signed = false);
  uint32_t Enum(std::string_view name, uint32_t bytes,
                std::initializer_list<Enumerator> enumerators, bool is_signed = false) {
    return Enum(name, bytes, std::span(enumerators.begin(), enumerators.size()), is_signed);
  }
  // The type of a function, to be pointed at, and a function of that type.
  uint32_t Prototype(uint32_t result, std::span<const Parameter> parameters);
  uint32_t Function(std::string_view name, uint32_t prototype);

  // The bytes of a BTF file.
  std::vector<std::byte> Bytes() const;
  // Fails with kMalformedObject, kUnsupported or kResourceLimit where Linux would refuse
  // the BTF: a type refers to one that there is not, contains itself or is larger than
  // BTF can say, a member lies outside its struct, a name is no identifier of C.
  // `name` is used in messages.
  Result<std::shared_ptr<const btf::Btf>> Build(const std::string& name) const;

 private:
  using Words = std::vector<uint32_t>;
  uint32_t Name(std::string_view name);
  uint32_t Add(Words words);
  uint32_t AddPlain(uint8_t kind, std::string_view name, uint32_t size_or_type);
  Words Composite(uint8_t kind, std::string_view name, uint32_t bytes,
                  std::span<const Member> members);
  void Refuse(std::string_view name, std::string_view what);

  std::vector<Words> types_;  // by id less 1
  std::string strings_ = std::string(1, '\0');
  std::map<std::string, uint32_t, std::less<>> names_;  // offset in strings_
  uint32_t index_type_ = 0;                             // of arrays
  std::string problem_;                                 // the first one
};

}  // namespace skep

#endif  // SKEP_BTF_BUILDER_H_
