// SPDX-License-Identifier: Apache-2.0
// bpf_csum_diff: the Internet checksum (RFC 1071) of what is added less what is
// taken away.
#include <span>

#include "helpers/functions.h"
#include "helpers/registers.h"
#include "model/internet_checksum.h"

namespace skep::helpers {
uint64_t CsumDiff(uint64_t from, uint64_t from_size, uint64_t to, uint64_t to_size, uint64_t seed,
                  ExecutionContext&) noexcept {
  const std::span minus(AsBytes(from), static_cast<uint32_t>(from_size));
  const std::span plus(AsBytes(to), static_cast<uint32_t>(to_size));
  auto sum = static_cast<uint32_t>(seed);
  if (!minus.empty() && !plus.empty()) {
    sum = model::AddSums(model::InternetSum(plus, sum), ~model::InternetSum(minus, 0));
  } else if (!plus.empty()) {
    sum = model::InternetSum(plus, sum);
  } else if (!minus.empty()) {
    sum = ~model::InternetSum(minus, ~sum);
  }
  return model::FoldSum(sum);
}

}  // namespace skep::helpers
