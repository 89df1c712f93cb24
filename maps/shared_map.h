// SPDX-License-Identifier: Apache-2.0
// Maps in memory that processes share: made and opened as Runtime says
// (skep/map_file.h). A map of a file uses the CPU slots that the file has; fails
// with kInvalidArgument if those are fewer than the environment's.

#ifndef SKEP_MAPS_SHARED_MAP_H_
#define SKEP_MAPS_SHARED_MAP_H_

#include <memory>
#include <string>

#include "skep/map_file.h"

#include "maps/create.h"

namespace skep {

Result<SharedMap> CreateSharedMap(const MapSpec& spec, const MapEnvironment& environment);
Result<std::shared_ptr<Map>> OpenSharedMap(int fd, const MapEnvironment& environment);
Result<std::shared_ptr<Map>> CreateMapFile(const MapSpec& spec, const std::string& path,
                                           const MapEnvironment& environment);
Result<std::shared_ptr<Map>> OpenMapFile(const std::string& path,
                                         const MapEnvironment& environment);

}  // namespace skep

#endif  // SKEP_MAPS_SHARED_MAP_H_
