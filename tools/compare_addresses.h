// SPDX-License-Identifier: Apache-2.0
// Whether two values differ only because they hold addresses: those of the kernel
// lie in one half of the address space and those of a process in the other, so
// that no run of the one can show what the other has.

#ifndef SKEP_TOOLS_COMPARE_ADDRESSES_H_
#define SKEP_TOOLS_COMPARE_ADDRESSES_H_

#include <cstdint>
#include <string_view>

namespace skep::tools {

// The upper halves of an address: of the kernel's there, of this process here.
bool AreUpperHalves(uint32_t kernel, uint32_t here);

// Both are bytes in hex, of the same length. Whether they differ in words of 8
// bytes alone that are an address on each side.
bool DifferInAddresses(std::string_view kernel, std::string_view here);

}  // namespace skep::tools

#endif  // SKEP_TOOLS_COMPARE_ADDRESSES_H_
