// SPDX-License-Identifier: Apache-2.0
// The tables of sockets and cgroups: SOCKMAP, SOCKHASH, REUSEPORT_SOCKARRAY and
// CGROUP_ARRAY. What is in them means something to the host alone: it gives each of its
// sockets a number from 1 to 2^31 - 1 (a cgroup the id that ExecutionHooks::cgroup_id
// tells) and puts these in by HostUpdate, as bpf(2) takes descriptors. Programs choose
// among them by key; the host hears of it by PacketHooks::choose_socket.
//
// As in Linux: tables of 4-byte values cannot be read back (-ENOSPC), those of 8 bytes
// give the number; a socket is in one slot of a REUSEPORT_SOCKARRAY at a time (-EBUSY);
// cgroups are not given back (-ENOTSUPP). A number that is none is -EBADF or -EINVAL.
//
// Threads: any; an entry is one word that is replaced whole.

#ifndef SKEP_MAPS_SOCKET_TABLES_H_
#define SKEP_MAPS_SOCKET_TABLES_H_

#include <atomic>
#include <memory>
#include <mutex>
#include <unordered_set>

#include "base/region.h"
#include "maps/create.h"
#include "model/socket_table.h"

namespace skep {

// SOCKMAP, REUSEPORT_SOCKARRAY, CGROUP_ARRAY.
class SocketArray final : public model::SocketTable {
 public:
  // REQUIRES: CheckMapSpec(spec). Fails with kSystem if there is no memory.
  static Result<std::shared_ptr<Map>> Create(const MapSpec& spec,
                                             const MapEnvironment& environment);
  SocketArray(const MapSpec& spec, const MapEnvironment& environment, Region region);

  // For programs that look up sockets there is none: lowering refuses what would
  // use one.
  uint64_t NumberAt(const std::byte* key) const noexcept override;
  int PutNumber(const std::byte* key, uint64_t number, uint64_t flags) noexcept override;
  int Delete(const std::byte* key, uint32_t cpu) noexcept override;

 protected:
  int DoHostLookup(const std::byte* key, std::byte* value) noexcept override;
  int DoHostUpdate(const std::byte* key, const std::byte* value, uint64_t flags) noexcept override;
  int DoHostDelete(const std::byte* key) noexcept override;
  int DoNextKey(const std::byte* key, std::byte* next) noexcept override;

 private:
  std::atomic<uint64_t>& Entry(uint32_t index) const noexcept {
    return reinterpret_cast<std::atomic<uint64_t>*>(region_.base())[index];
  }

  const Region region_;
  std::mutex mutex_;                      // writers exclude one another
  std::unordered_set<uint64_t> members_;  // guarded by mutex_; of a REUSEPORT_SOCKARRAY
};

// SOCKHASH.
class SocketHash final : public model::SocketTable {
 public:
  static Result<std::shared_ptr<Map>> Create(const MapSpec& spec,
                                             const MapEnvironment& environment);
  SocketHash(const MapSpec& spec, const MapEnvironment& environment, std::shared_ptr<Map> numbers);

  uint64_t NumberAt(const std::byte* key) const noexcept override;
  int PutNumber(const std::byte* key, uint64_t number, uint64_t flags) noexcept override;
  int Delete(const std::byte* key, uint32_t cpu) noexcept override;

 protected:
  int DoHostLookup(const std::byte* key, std::byte* value) noexcept override;
  int DoHostUpdate(const std::byte* key, const std::byte* value, uint64_t flags) noexcept override;
  int DoHostDelete(const std::byte* key) noexcept override;
  int DoNextKey(const std::byte* key, std::byte* next) noexcept override;

 private:
  const std::shared_ptr<Map> numbers_;  // a hash of the same keys
};

}  // namespace skep

#endif  // SKEP_MAPS_SOCKET_TABLES_H_
