// SPDX-License-Identifier: Apache-2.0
// CppTypes: C++ types with the layout that a Btf describes, for headers that are
// generated. Structs, unions and enums keep their names; numbers become
// fixed-width types, pointers numbers of 64 bits, and bool a byte, as programs may
// leave any value there. Bits, members without a name of their own and what C++ has
// no type for become bytes. Gaps are members too, and the layout is asserted.
//
// Threads: one. Lifetime: that of the Btf.

#ifndef SKEP_TOOLS_CPP_TYPES_H_
#define SKEP_TOOLS_CPP_TYPES_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "btf/btf.h"

namespace skep::tools {

// A C++ identifier: other bytes become '_', keywords get one behind.
std::string CppName(std::string_view name);

// Identifiers of one scope, each once.
class CppNames {
 public:
  // CppName(name), with as many '_' behind as make it new.
  std::string Take(std::string_view name);

 private:
  std::set<std::string> used_;
};

class CppTypes {
 public:
  // Types with a name are spelled "SCOPE::name".
  CppTypes(const btf::Btf& btf, std::string scope);

  struct Field {
    std::string_view name;
    uint32_t type = 0;    // 0: bytes
    uint32_t offset = 0;  // bytes
    uint32_t size = 0;
  };
  // "  struct NAME {...};" with assertions about "SCOPE::NAME", for fields of a struct
  // of `size` bytes. Fields that overlap an earlier one or the end are left out.
  std::string Struct(const std::string& name, const std::string& scope, std::vector<Field> fields,
                     uint32_t size);
  // "TYPE NAME[4]": an object of this type and size.
  std::string Declare(uint32_t type, uint32_t size, const std::string& name);
  // "using NAME = TYPE[4];"
  std::string Alias(const std::string& name, uint32_t type, uint32_t size);
  // What everything made so far needs, in order, to be put into the scope.
  const std::string& definitions() const { return definitions_; }

 private:
  struct Spelled {
    std::string before;  // "uint32_t"
    std::string after;   // "[4]"
    uint32_t align = 1;
  };
  static Spelled Bytes(uint32_t size);
  Spelled Spell(uint32_t type, uint32_t size, int depth);
  Spelled SpellInt(uint32_t id, uint32_t size) const;
  // The type of a struct, union or enum, which is defined at first need.
  Spelled Composite(uint32_t id, std::string_view type_name, int depth);
  Spelled Union(uint32_t id, const std::string& name, int depth);
  Spelled Enum(uint32_t id, std::string_view type_name, uint32_t size);
  std::vector<Field> FieldsOf(uint32_t id) const;
  Spelled Write(const std::string& name, const std::string& scope, std::vector<Field> fields,
                uint32_t size, int depth, std::string& out);

  const btf::Btf& btf_;
  const std::string scope_;
  std::string definitions_;
  std::map<uint32_t, Spelled> known_;  // by id
  CppNames names_;
};

}  // namespace skep::tools

#endif  // SKEP_TOOLS_CPP_TYPES_H_
