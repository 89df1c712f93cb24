// SPDX-License-Identifier: Apache-2.0
#include "verifier/helper_rules.h"

namespace skep::verifier {

std::string HelperName(const HelperSpec& helper) {
  const bool has_prefix = helper.name.substr(0, 4) == "bpf_";
  return (has_prefix ? "" : "bpf_") + std::string(helper.name);
}

}  // namespace skep::verifier
