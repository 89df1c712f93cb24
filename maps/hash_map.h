// SPDX-License-Identifier: Apache-2.0
// BPF_MAP_TYPE_HASH and BPF_MAP_TYPE_PERCPU_HASH over HashTable, and their LRU
// forms: where those are full, a new key takes the place of one that was not used
// for long (use_clock.h). Look-ups by programs are uses, those by the host are
// not, as in Linux; Linux may also evict a little before the map is full.
//
// Threads: any number of threads may call any method at once. Lookups take no
// lock; updates and deletes lock one bucket. An update of HASH replaces the
// element, so a lookup finds the old or the new value whole; a pointer that a
// program got earlier then shows memory that may be used again at once. An
// update of PERCPU_HASH writes the value of its CPU slot in place. The host
// reads a HASH value whole, or retries. Pointers stay valid memory until the
// map is destroyed.
//
// BPF_F_NO_PREALLOC is accepted and changes nothing: memory is taken when it is
// touched in either case.

#ifndef SKEP_MAPS_HASH_MAP_H_
#define SKEP_MAPS_HASH_MAP_H_

#include "maps/create.h"

namespace skep {

// For HASH and LRU_HASH; for PERCPU_HASH and LRU_PERCPU_HASH.
// REQUIRES: CheckMapSpec(spec). Fail with kSystem if there is no memory.
Result<std::shared_ptr<Map>> CreateHashMap(const MapSpec& spec, const MapEnvironment& environment);
Result<std::shared_ptr<Map>> CreatePercpuHashMap(const MapSpec& spec,
                                                 const MapEnvironment& environment);
// The memory that any of the four needs.
uint64_t HashMapBytes(const MapSpec& spec, uint32_t cpu_slots, bool shared);

}  // namespace skep

#endif  // SKEP_MAPS_HASH_MAP_H_
