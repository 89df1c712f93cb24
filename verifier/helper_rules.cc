// SPDX-License-Identifier: Apache-2.0
#include "verifier/helper_rules.h"

#include <iterator>

namespace skep::verifier {

bool IsGplCompatible(std::string_view license) {
  constexpr std::string_view kCompatible[] = {
      "GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"};
  return std::find(std::begin(kCompatible), std::end(kCompatible), license) !=
         std::end(kCompatible);
}

std::string HelperName(const HelperSpec& helper) {
  const bool has_prefix = helper.name.substr(0, 4) == "bpf_";
  return (has_prefix ? "" : "bpf_") + std::string(helper.name);
}

}  // namespace skep::verifier
