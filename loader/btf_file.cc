// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <utility>
#include <vector>

#include "skep/btf.h"

#include "btf/btf.h"
#include "loader/elf_file.h"
#include "loader/read_file.h"

namespace skep {
namespace {

bool IsElf(std::span<const std::byte> bytes) {
  constexpr char kMagic[] = {0x7f, 'E', 'L', 'F'};
  return bytes.size() >= sizeof(kMagic) && std::memcmp(bytes.data(), kMagic, sizeof(kMagic)) == 0;
}

}  // namespace

Result<std::shared_ptr<const btf::Btf>> ParseBtf(std::span<const std::byte> bytes,
                                                 const std::string& name,
                                                 std::shared_ptr<const btf::Btf> base) {
  // Which checks Linux makes of BTF that it is given does not matter here: it
  // does not make them of its own, and objects' BTF may be a target too.
  if (!IsElf(bytes)) {
    return btf::Btf::Parse(bytes, btf::Origin::kObjectFile, std::move(base)).At(name);
  }
  auto elf = loader::ElfFile::Parse(bytes);
  if (!elf) return std::move(elf).error().At(name);
  const loader::Section* section = elf->FindSection(".BTF");
  if (section == nullptr || section->data.empty())
    return Error{ErrorCode::kMalformedObject, "no section .BTF"}.At(name);
  return btf::Btf::Parse(section->data, btf::Origin::kObjectFile, std::move(base))
      .At("section .BTF")
      .At(name);
}

Result<std::shared_ptr<const btf::Btf>> OpenBtf(const std::string& path,
                                                std::shared_ptr<const btf::Btf> base) {
  SKEP_TRY(const std::vector<std::byte> bytes, loader::ReadFile(path));
  return ParseBtf(bytes, path, std::move(base));
}

}  // namespace skep
