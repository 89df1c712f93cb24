// SPDX-License-Identifier: Apache-2.0
// A part of an object, for who loads one program of it.

#ifndef SKEP_LOADER_OBJECT_PART_H_
#define SKEP_LOADER_OBJECT_PART_H_

#include <cstdint>
#include <map>
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

// The object with more programs in the prog array `array`: names by slot. Fails with
// kUnresolved if it has no map of this name, with kInvalidArgument if that is no
// prog array. core_relocations are empty.
Result<Object> WithPrograms(const Object& object, const std::string& array,
                            const std::map<uint32_t, std::string>& slots);

}  // namespace skep::loader

#endif  // SKEP_LOADER_OBJECT_PART_H_
