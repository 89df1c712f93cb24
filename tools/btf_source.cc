// SPDX-License-Identifier: Apache-2.0
#include "tools/btf_source.h"

#include <memory>
#include <string_view>
#include <vector>

#include "skep/btf.h"

#include "btf/btf.h"
#include "btf/c_dump.h"

namespace skep::tools {
namespace {

// Linux shows the types of a module in the folder of its own.
bool IsOfModule(std::string_view path) {
  const std::string_view kernel = kKernelBtfPath;
  return path != kernel && path.starts_with(kernel.substr(0, kernel.rfind('/') + 1));
}

}  // namespace

Result<std::string> BtfText(const BtfDumpOptions& options) {
  std::string base_path = options.base;
  if (base_path.empty() && IsOfModule(options.path)) base_path = kKernelBtfPath;
  std::shared_ptr<const btf::Btf> base;
  if (!base_path.empty()) {
    SKEP_TRY(base, OpenBtf(base_path));
  }
  SKEP_TRY(const std::shared_ptr<const btf::Btf> btf, OpenBtf(options.path, base));
  std::vector<uint32_t> roots;
  if (!options.type.empty()) {
    roots = btf::TypesNamed(*btf, options.type);
    if (roots.empty()) {
      return Error{ErrorCode::kUnresolved, options.path + ": no type '" + options.type + "'"};
    }
  }
  if (options.raw) return btf::DumpRaw(*btf, roots);
  return (roots.empty() ? btf::DumpHeader(*btf) : btf::DumpC(*btf, roots)).At(options.path);
}

}  // namespace skep::tools
