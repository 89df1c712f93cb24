// SPDX-License-Identifier: Apache-2.0
// WriteObject: one program and its maps as an ELF object that every loader
// takes: a section with the code, maps as BTF declares them in section `.maps`
// with relocations to them, a license.

#ifndef SKEP_LOADER_OBJECT_WRITER_H_
#define SKEP_LOADER_OBJECT_WRITER_H_

#include <cstddef>
#include <string>
#include <vector>

#include "skep/program.h"
#include "skep/result.h"

namespace skep::loader {

// `section` is the name that says the program's type, e.g. "xdp". Fails with
// kUnsupported if a map has a property that text cannot say (an inner map,
// initial values) or if the code refers to values of maps.
Result<std::vector<std::byte>> WriteObject(const ProgramData& program, const std::string& section);

}  // namespace skep::loader

#endif  // SKEP_LOADER_OBJECT_WRITER_H_
