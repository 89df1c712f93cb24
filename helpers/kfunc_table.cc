// SPDX-License-Identifier: Apache-2.0
#include "helpers/kfunc_table.h"

#include <algorithm>
#include <array>

#include "helpers/functions.h"
#include "model/helper_entry.h"

namespace skep {
namespace {

using model::Kfunc;

constexpr HelperSpec MakeSpec(Kfunc id, std::string_view name, HelperFunction function,
                              uint32_t flags) {
  HelperSpec spec;
  spec.id = model::KfuncHelperId(id);
  spec.name = name;
  spec.flags = kHelperVariadic;
  if ((flags & model::kfunc::kCallsBack) != 0) spec.flags |= kHelperCallsBack;
  spec.function = function;
  return spec;
}

constexpr auto MakeTable() {
  using namespace model::kfunc;  // NOLINT: the words of the table
  return std::to_array<HelperSpec>({
#define SKEP_KFUNC(name, function, flags, programs) \
  MakeSpec(Kfunc::name, #name, &helpers::function, flags),
#define SKEP_KFUNC_PROTOTYPE(...)
#include "model/kfuncs.def"
  });
}

constexpr auto kTable = MakeTable();

}  // namespace

std::span<const HelperSpec> RunningKfuncs() { return kTable; }

std::optional<size_t> FindRunningKfunc(Kfunc id) {
  const uint32_t wanted = model::KfuncHelperId(id);
  const auto at = std::lower_bound(
      kTable.begin(), kTable.end(), wanted,
      [](const HelperSpec& spec, uint32_t helper_id) { return spec.id < helper_id; });
  if (at == kTable.end() || at->id != wanted) return std::nullopt;
  return static_cast<size_t>(at - kTable.begin());
}

}  // namespace skep
