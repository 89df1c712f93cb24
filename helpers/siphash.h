// SPDX-License-Identifier: Apache-2.0
// SipHash-2-4 (Aumasson, Bernstein 2012): a keyed hash that nobody without the
// key can predict.
//
// Threads: a pure function.

#ifndef SKEP_HELPERS_SIPHASH_H_
#define SKEP_HELPERS_SIPHASH_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace skep::helpers {

uint64_t SipHash(const std::array<uint64_t, 2>& key, std::span<const std::byte> bytes);

}  // namespace skep::helpers

#endif  // SKEP_HELPERS_SIPHASH_H_
