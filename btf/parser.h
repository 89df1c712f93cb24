// SPDX-License-Identifier: Apache-2.0
// BtfParser: the passes of Btf::Parse over one Btf in the making. parse.cc has
// the sections and what types say together, parse_types.cc each type alone.

#ifndef SKEP_BTF_PARSER_H_
#define SKEP_BTF_PARSER_H_

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "skep/result.h"

#include "base/byte_reader.h"
#include "btf/btf.h"

namespace skep::btf {

class BtfParser {
 public:
  BtfParser(Origin origin, std::shared_ptr<const Btf> base);
  Result<std::shared_ptr<const Btf>> Parse(std::span<const std::byte> bytes);

 private:
  // ---- parse.cc
  Result<void> ReadSections(ByteReader reader);
  Result<void> Resolve();
  enum class Walk { kSize, kPointer };
  Result<void> WalkChains(Walk walk);
  uint32_t NextChild(Walk walk, uint32_t id, uint32_t step) const;
  Result<void> ComputeSize(uint32_t id);
  Result<void> CheckReferences();
  Result<void> CheckReference(uint32_t id, const Type& type);
  Result<void> CheckDeclTag(uint32_t id, uint32_t target);
  void IndexNames();

  // ---- parse_types.cc; `w` are the words of the type
  Result<void> CheckTypesAlone();
  Result<void> CheckType(uint32_t id, const uint32_t* w);
  Result<void> CheckShape(uint32_t id, const uint32_t* w);
  Result<void> CheckSized(uint32_t id, const uint32_t* w);
  Result<void> CheckMembers(uint32_t id, const uint32_t* w);
  Result<void> CheckArray(uint32_t id, const uint32_t* w);
  Result<void> CheckParameters(uint32_t id, const uint32_t* w);
  Result<void> CheckVariables(uint32_t id, const uint32_t* w);
  Result<void> CheckString(uint32_t id, uint32_t offset) const;

  Error At(uint32_t id, std::string_view what) const;
  bool IdExists(uint32_t id) const { return id < btf_->type_count(); }

  Origin origin_;
  std::shared_ptr<Btf> btf_;
};

// What errors carry: EINVAL unless Linux says otherwise.
Error Malformed(std::string message, int sys_errno);
Error Malformed(std::string message);
Error Unsupported(std::string message);  // ENOTSUPP
Error Limit(std::string message);        // E2BIG

}  // namespace skep::btf

#endif  // SKEP_BTF_PARSER_H_
