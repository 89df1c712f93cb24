// SPDX-License-Identifier: Apache-2.0
#include "tools/btf_source.h"

#include <memory>
#include <vector>

#include "skep/btf.h"

#include "btf/btf.h"
#include "btf/c_dump.h"
#include "tools/input.h"

namespace skep::tools {
namespace {

constexpr std::string_view kModules = "/sys/kernel/btf/";

// A module's BTF continues the kernel's.
bool IsModule(const std::string& path) {
  return path.starts_with(kModules) && path != kKernelBtfPath;
}

}  // namespace

bool IsBtf(std::span<const std::byte> bytes) {
  return bytes.size() >= 2 && bytes[0] == std::byte{0x9f} && bytes[1] == std::byte{0xeb};
}

Result<std::string> BtfText(const BtfDumpOptions& options) {
  std::shared_ptr<const btf::Btf> base;
  const std::string base_path =
      options.base.empty() && IsModule(options.path) ? kKernelBtfPath : options.base;
  if (!base_path.empty()) {
    SKEP_TRY(base, OpenBtf(base_path));
  }
  SKEP_TRY(const std::vector<std::byte> bytes, ReadFile(options.path));
  SKEP_TRY(const auto btf, ParseBtf(bytes, options.path, base));
  std::vector<uint32_t> ids;
  if (!options.type.empty()) {
    ids = btf::TypesNamed(*btf, options.type);
    if (ids.empty()) {
      return Error{ErrorCode::kUnresolved, options.path + ": no type '" + options.type + "'"};
    }
  }
  if (options.raw) return btf::DumpRaw(*btf, ids);
  return (options.type.empty() ? btf::DumpHeader(*btf) : btf::DumpC(*btf, ids)).At(options.path);
}

}  // namespace skep::tools
