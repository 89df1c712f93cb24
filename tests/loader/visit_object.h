// SPDX-License-Identifier: Apache-2.0
// Reads everything that an Object or a Btf gives out, so that a fuzzer or a
// mutation test notices what only its users would trip over. Returns a sum over
// it, which keeps the reads from being optimised away.

#ifndef SKEP_TESTS_LOADER_VISIT_OBJECT_H_
#define SKEP_TESTS_LOADER_VISIT_OBJECT_H_

#include <cstdint>
#include <string_view>

#include "skep/program.h"

#include "btf/btf.h"

namespace skep {

inline uint64_t Visit(std::string_view text) {
  uint64_t sum = text.size();
  for (const char c : text) sum = sum * 31 + static_cast<unsigned char>(c);
  return sum;
}

inline uint64_t VisitType(const btf::Btf& btf, uint32_t id) {
  const btf::Type type = btf.type(id);
  uint64_t sum = Visit(type.name) + btf.SizeOf(id).value_or(0) + btf.SkipModifiers(id);
  for (uint32_t i = 0; i < type.vlen; ++i) {
    switch (type.kind) {
      case btf::Kind::kStruct:
      case btf::Kind::kUnion:
        sum += Visit(btf.member(id, i).name) + btf.SkipModifiers(btf.member(id, i).type);
        break;
      case btf::Kind::kFuncProto:
        sum += Visit(btf.parameter(id, i).name) + btf.SkipModifiers(btf.parameter(id, i).type);
        break;
      case btf::Kind::kEnum:
      case btf::Kind::kEnum64:
        sum += Visit(btf.enumerator(id, i).name);
        break;
      case btf::Kind::kDatasec:
        sum += Visit(btf.name(btf.section_variable(id, i).type));
        break;
      case btf::Kind::kVoid:
      case btf::Kind::kInt:
      case btf::Kind::kPtr:
      case btf::Kind::kArray:
      case btf::Kind::kFwd:
      case btf::Kind::kTypedef:
      case btf::Kind::kVolatile:
      case btf::Kind::kConst:
      case btf::Kind::kRestrict:
      case btf::Kind::kFunc:
      case btf::Kind::kVar:
      case btf::Kind::kFloat:
      case btf::Kind::kDeclTag:
      case btf::Kind::kTypeTag:
        break;
    }
  }
  if (type.kind == btf::Kind::kArray) sum += btf.SizeOf(btf.array(id).element).value_or(0);
  return sum;
}

inline uint64_t Visit(const btf::Btf& btf) {
  uint64_t sum = 0;
  for (uint32_t id = 0; id < btf.type_count(); ++id) sum += VisitType(btf, id);
  return sum;
}

inline uint64_t Visit(const MapSpec& map) {
  uint64_t sum = Visit(map.name) + map.value_size;
  if (map.initial_value != nullptr)
    for (const std::byte b : *map.initial_value) sum += static_cast<uint64_t>(b);
  for (const auto& [slot, name] : map.initial_slots) sum += slot + Visit(name);
  return sum;
}

inline uint64_t Visit(const Program& program) {
  uint64_t sum = 0;
  for (const Insn& insn : program.insns()) sum += insn.code;
  for (const Subprogram& subprogram : program.subprograms()) sum += Visit(subprogram.name);
  for (const MapSpec& map : program.maps()) sum += Visit(map.name);
  for (const UnresolvedRelocation& gone : program.data().unresolved_relocations)
    sum += program.insns()[gone.insn].code + Visit(gone.what);
  for (const SourceLine& line : program.data().lines) sum += Visit(line.file) + Visit(line.text);
  return sum;
}

inline uint64_t Visit(const Object& object) {
  uint64_t sum = Visit(object.license());
  for (const MapSpec& map : object.maps()) sum += Visit(map);
  for (const ObjectProgram& program : object.programs()) {
    sum += Visit(program.name) + Visit(program.section);
    sum += program.program ? Visit(*program.program) : Visit(program.program.error().message);
  }
  for (const CoreRelocationInfo& core : object.core_relocations()) {
    sum += Visit(core.function) + Visit(core.kind) + Visit(core.access) + Visit(core.problem);
    sum += core.insn + core.value + Visit(object.btf()->name(core.type_id));
  }
  if (object.btf() != nullptr) sum += Visit(*object.btf());
  return sum;
}

}  // namespace skep

#endif  // SKEP_TESTS_LOADER_VISIT_OBJECT_H_
