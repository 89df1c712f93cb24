// SPDX-License-Identifier: Apache-2.0
// CDeclarator: one definition or declaration as C text. What must come before
// it, c_dump.cc knows.
//
// Threads: one. Lifetime: of the Btf and of the text it appends to.

#ifndef SKEP_BTF_C_DECLARATOR_H_
#define SKEP_BTF_C_DECLARATOR_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "btf/btf.h"
#include "btf/c_layout.h"

namespace skep::btf {

// Calls `visit` with each type id that the type refers to.
template <class Visit>
void ForEachReferred(const Btf& btf, uint32_t id, Visit visit) {
  const Type type = btf.type(id);
  switch (type.kind) {
    case Kind::kPtr:
    case Kind::kTypedef:
    case Kind::kVolatile:
    case Kind::kConst:
    case Kind::kRestrict:
    case Kind::kFunc:
    case Kind::kVar:
    case Kind::kDeclTag:
    case Kind::kTypeTag:
      return visit(type.size_or_type);
    case Kind::kArray:
      visit(btf.array(id).index);
      return visit(btf.array(id).element);
    case Kind::kStruct:
    case Kind::kUnion:
      for (uint32_t i = 0; i < type.vlen; ++i) visit(btf.member(id, i).type);
      return;
    case Kind::kFuncProto:
      visit(type.size_or_type);
      for (uint32_t i = 0; i < type.vlen; ++i) visit(btf.parameter(id, i).type);
      return;
    case Kind::kDatasec:
      for (uint32_t i = 0; i < type.vlen; ++i) visit(btf.section_variable(id, i).type);
      return;
    case Kind::kVoid:
    case Kind::kInt:
    case Kind::kEnum:
    case Kind::kEnum64:
    case Kind::kFwd:
    case Kind::kFloat:
      return;
  }
}

class CDeclarator {
 public:
  CDeclarator(const Btf& btf, std::string& text);

  // "struct name { ... }", "enum name { ... }" without a semicolon; `level` is the
  // depth of what it lies in.
  void CompositeDefinition(uint32_t id, int level);
  void EnumDefinition(uint32_t id, int level);
  // "struct name", of a kStruct, kUnion or kFwd.
  void Forward(uint32_t id);
  // "typedef ... name".
  void TypedefDefinition(uint32_t id);
  // "const char *name[4]".
  void Declare(uint32_t id, std::string_view name, int level);

  // Whether the text grew too long, or nested too deep, and is not whole.
  bool overflow() const { return overflow_; }

 private:
  bool Enter();
  void Padding(uint32_t from, uint32_t to, uint32_t align, bool in_bitfield, int level);
  void Tags(uint32_t id, int32_t component);
  // Types from the outermost to the innermost: what remains of it is declared.
  using Chain = std::vector<uint32_t>;
  void DeclareChain(Chain& chain, std::string_view name, int level);
  void DeclareArray(Chain& chain, uint32_t count, std::string_view name, bool after_pointer,
                    int level);
  void DeclarePrototype(Chain& chain, uint32_t id, std::string_view name, bool after_pointer,
                        int level);
  void Qualifiers(Chain& chain);
  void DropQualifiers(Chain& chain) const;
  void Name(std::string_view name, bool after_pointer);
  void Indent(int level) { text_.append(static_cast<size_t>(level), '\t'); }
  // The type's name, with a suffix if another type has it already.
  const std::string& NameOf(uint32_t id);

  const Btf& btf_;
  std::string& text_;
  CLayout layout_;
  bool overflow_ = false;
  int depth_ = 0;
  uint64_t steps_ = 0;
  using Counts = std::unordered_map<std::string, uint32_t>;
  Counts tag_names_;                                 // of structs, unions and enums
  Counts plain_names_;                               // of typedefs and enumerators
  std::unordered_map<uint32_t, std::string> names_;  // by id
  std::multimap<uint32_t, uint32_t> tags_;           // decl tags, by what they are on
};

}  // namespace skep::btf

#endif  // SKEP_BTF_C_DECLARATOR_H_
