// SPDX-License-Identifier: Apache-2.0
// BTF as the kernel takes it: what only an object file's linker needs is put in
// a form that the kernel loads, as libbpf does.

#ifndef SKEP_KERNEL_BTF_RULES_H_
#define SKEP_KERNEL_BTF_RULES_H_

#include <cstddef>
#include <vector>

namespace skep::kernel {

// `bytes` is what btf::Btf::Serialize gave. Functions and variables that are
// defined elsewhere become global ones, since the kernel knows no other; entries
// of .ksyms, which have no size, become variables of type int, one behind the
// other; unnamed parameters of functions get a name. Ids stay what they are.
std::vector<std::byte> ForKernel(std::vector<std::byte> bytes);

}  // namespace skep::kernel

#endif  // SKEP_KERNEL_BTF_RULES_H_
