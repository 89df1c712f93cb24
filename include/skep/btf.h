// SPDX-License-Identifier: Apache-2.0
// OpenBtf: the types of a kernel, for ObjectOptions::target_btf.
//
//   auto kernel = skep::OpenBtf(skep::kKernelBtfPath);
//   auto object = skep::Object::Open("probe.bpf.o", {.target_btf = *kernel});
//
// What it returns is immutable, may be shared by any number of objects and
// threads, and takes about the size of the file.

#ifndef SKEP_BTF_H_
#define SKEP_BTF_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "skep/export.h"
#include "skep/program.h"
#include "skep/result.h"

namespace skep {

// Where Linux shows its own types, and below the same folder those of modules.
inline constexpr char kKernelBtfPath[] = "/sys/kernel/btf/vmlinux";

// Reads a file of BTF, or the section .BTF of a BPF object. `base` is what a module's BTF
// continues; null otherwise. Fails with kSystem if the file cannot be read, and as ParseBtf does.
SKEP_EXPORT Result<std::shared_ptr<const btf::Btf>> OpenBtf(
    const std::string& path, std::shared_ptr<const btf::Btf> base = nullptr);

// The same from bytes; `name` is used in messages. Fails with kMalformedObject,
// kUnsupported or kResourceLimit (16 MiB, as Linux has it).
SKEP_EXPORT Result<std::shared_ptr<const btf::Btf>> ParseBtf(
    std::span<const std::byte> bytes, const std::string& name,
    std::shared_ptr<const btf::Btf> base = nullptr);

}  // namespace skep

#endif  // SKEP_BTF_H_
