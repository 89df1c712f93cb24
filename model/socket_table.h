// SPDX-License-Identifier: Apache-2.0
// SocketTable: what helpers see of SOCKMAP, SOCKHASH, REUSEPORT_SOCKARRAY and
// CGROUP_ARRAY, which hold numbers that the host gave its sockets and cgroups.

#ifndef SKEP_MODEL_SOCKET_TABLE_H_
#define SKEP_MODEL_SOCKET_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "skep/map.h"

namespace skep::model {

class SocketTable : public Map {
 public:
  // Null for maps of other types.
  static SocketTable* Of(Map& map) {
    switch (map.type()) {
      case MapType::kSockmap:
      case MapType::kSockhash:
      case MapType::kReuseportSockarray:
      case MapType::kCgroupArray:
        return static_cast<SocketTable*>(&map);
      default:
        return nullptr;
    }
  }

  // 0 if there is none.
  virtual uint64_t NumberAt(const std::byte* key) const noexcept = 0;
  // As bpf_sock_map_update, which no file descriptor limits. Returns -EOPNOTSUPP for
  // numbers that are none.
  virtual int PutNumber(const std::byte* key, uint64_t number, uint64_t flags) noexcept = 0;

 protected:
  SocketTable(MapSpec spec, uint32_t id, uint32_t host_value_size)
      : Map(std::move(spec), id, host_value_size) {}
};

}  // namespace skep::model

#endif  // SKEP_MODEL_SOCKET_TABLE_H_
