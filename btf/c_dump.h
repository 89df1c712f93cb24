// SPDX-License-Identifier: Apache-2.0
// Types as C text, as `bpftool btf dump ... format c` writes them: what a type
// needs comes before it, cycles are cut by forward declarations, and sizes and
// offsets are those of the Btf for gcc and clang on a 64-bit machine.
//
// Functions, variables and sections are left out. Names that occur twice get a
// suffix ("name___2"). Alignment beyond a type's own is spelled as padding.
//
// Threads: pure functions.

#ifndef SKEP_BTF_C_DUMP_H_
#define SKEP_BTF_C_DUMP_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "skep/result.h"

#include "btf/btf.h"

namespace skep::btf {

// The types `roots` with all that they need; with no roots all types, without
// those of the base that none of them needs. Fails with kMalformedObject if types
// contain themselves in a way that C cannot say, and with kResourceLimit if they
// nest deeper than 512 or the text is longer than 64 MiB.
Result<std::string> DumpC(const Btf& btf, std::span<const uint32_t> roots = {});

// The same between the guards and the attribute of a vmlinux.h.
Result<std::string> DumpHeader(const Btf& btf, std::span<const uint32_t> roots = {});

// "const char *name[4]": the type with a name as in a declaration. Types with
// names are named, others written out.
Result<std::string> DeclareC(const Btf& btf, uint32_t id, std::string_view name);

// A line for each type, with lines for its parts, as `bpftool btf dump ... format
// raw` writes them.
std::string DumpRaw(const Btf& btf, std::span<const uint32_t> ids = {});

// The structs, unions, enums, typedefs and others of this name.
std::vector<uint32_t> TypesNamed(const Btf& btf, std::string_view name);

}  // namespace skep::btf

#endif  // SKEP_BTF_C_DUMP_H_
