// SPDX-License-Identifier: Apache-2.0
// Maps that processes share: in a file, which is a pin of the map, or in memory
// behind a descriptor that one process passes to another. Runtime::CreateMapFile,
// OpenMapFile, CreateSharedMap and OpenSharedMap make Maps of them; a Map of
// either kind is used like any other, by programs at the same speed.
//
//   runtime->CreateMapFile(spec, "/run/filter/counts");      // one process
//   auto counts = runtime->OpenMapFile("/run/filter/counts");  // any other
//
// HASH, ARRAY, their per-CPU and LRU forms, LPM_TRIE, QUEUE, STACK, BLOOM_FILTER
// and RINGBUF can be shared. Values are bytes: they hold nothing that belongs to
// one process, such as timers, maps or programs. What processes may rely on, and
// what a file looks like, is in docs/shared-maps.md.

#ifndef SKEP_MAP_FILE_H_
#define SKEP_MAP_FILE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "skep/export.h"
#include "skep/map_spec.h"
#include "skep/result.h"

namespace skep {

class Map;

// A map in memory without a name. Another process gets the descriptor, by SCM_RIGHTS
// or by an exec that keeps it, and opens the map by it. It stays the map's own and is
// valid as long as the map.
struct SharedMap {
  std::shared_ptr<Map> map;
  int fd = -1;
};

// What a file says of the map in it.
struct MapFileInfo {
  MapSpec spec;
  uint32_t cpu_slots = 0;  // per-CPU maps have values for as many; else 1
  uint64_t bytes = 0;      // of the file; those never touched take no room
};

// Reads and checks the first page. Does not attach: the map's users do not see
// it. Fails with kSystem if the file cannot be opened for reading and writing,
// kMalformedObject if it holds no map, is cut short, damaged, or of another
// version or kind of machine.
SKEP_EXPORT Result<MapFileInfo> ReadMapFile(const std::string& path);

}  // namespace skep

#endif  // SKEP_MAP_FILE_H_
