// SPDX-License-Identifier: Apache-2.0
// A part of an object, for who loads one program of it.

#ifndef SKEP_LOADER_OBJECT_PART_H_
#define SKEP_LOADER_OBJECT_PART_H_

#include <string>

#include "skep/program.h"
#include "skep/result.h"

namespace skep::loader {

// What `program` needs of the object: itself, the programs that the object puts
// into prog arrays of it, and the maps of these. So a program loads although
// others of the object cannot. The part's core_relocations are empty. Fails as
// Object::FindProgram does.
Result<Object> ReducedTo(const Object& object, const std::string& program);

// The object with maps of the least size where the host is to give one before it
// loads (max_entries, or the value size of a stack trace map, is 0): enough for a
// verdict. The same programs; core_relocations are empty.
Object WithLeastSizes(const Object& object);

}  // namespace skep::loader

#endif  // SKEP_LOADER_OBJECT_PART_H_
