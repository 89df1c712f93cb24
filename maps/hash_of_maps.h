// SPDX-License-Identifier: Apache-2.0
// BPF_MAP_TYPE_HASH_OF_MAPS: a hash table whose values are maps. A program's
// lookup gives the inner Map itself, usable with map helpers until the run
// ends; only the host puts maps in (SetMap, which honours BPF_NOEXIST and
// BPF_EXIST).
//
// Threads: any; lookups of programs take no lock. A map that was replaced or
// deleted lives until no run can hold it.

#ifndef SKEP_MAPS_HASH_OF_MAPS_H_
#define SKEP_MAPS_HASH_OF_MAPS_H_

#include "maps/create.h"

namespace skep {

// REQUIRES: CheckMapSpec(spec). Fails with kSystem if there is no memory.
Result<std::shared_ptr<Map>> CreateHashOfMaps(const MapSpec& spec,
                                              const MapEnvironment& environment);

}  // namespace skep

#endif  // SKEP_MAPS_HASH_OF_MAPS_H_
