// SPDX-License-Identifier: Apache-2.0
// The tables that bpf_redirect_map looks into: DEVMAP, DEVMAP_HASH, CPUMAP and
// XSKMAP. What is in them means something to the host alone: it fills the table,
// and finds the map and the slot in PacketOutput::redirect.
//
// Values are Linux's: DEVMAP and DEVMAP_HASH hold struct bpf_devmap_val (an
// interface index other than 0), CPUMAP struct bpf_cpumap_val (a queue size up to
// 16384), XSKMAP a number other than 0 for a socket of the host. Any interface
// index is taken: Linux refuses those it has no device for. A program in the
// second half of a value is refused with -EINVAL. Storing 0 empties a slot of
// DEVMAP and CPUMAP.
//
// Threads: any; an entry is one word that is replaced whole.

#ifndef SKEP_MAPS_REDIRECT_TABLES_H_
#define SKEP_MAPS_REDIRECT_TABLES_H_

#include <atomic>

#include "base/region.h"
#include "maps/create.h"
#include "maps/hash_table.h"

namespace skep {

// DEVMAP, CPUMAP, XSKMAP: an array in which entries may be missing.
class RedirectArray final : public Map {
 public:
  // REQUIRES: CheckMapSpec(spec). Fails with kSystem if there is no memory.
  static Result<std::shared_ptr<Map>> Create(const MapSpec& spec,
                                             const MapEnvironment& environment);
  RedirectArray(const MapSpec& spec, const MapEnvironment& environment, Region region);

  std::byte* Lookup(const std::byte* key, uint32_t cpu) noexcept override;
  std::optional<Extent> ElementAt(const std::byte* address) const noexcept override;

 protected:
  // XSKMAP: -EOPNOTSUPP, as Linux does not give sockets back.
  int DoHostLookup(const std::byte* key, std::byte* value) noexcept override;
  int DoHostUpdate(const std::byte* key, const std::byte* value, uint64_t flags) noexcept override;
  int DoHostDelete(const std::byte* key) noexcept override;
  int DoNextKey(const std::byte* key, std::byte* next) noexcept override;

 private:
  std::atomic<uint64_t>& Entry(uint32_t index) const noexcept {
    return reinterpret_cast<std::atomic<uint64_t>*>(region_.base())[index];
  }

  const Region region_;
  const uint32_t limit_;  // entries that the machine can have: for CPUMAP its CPUs
};

// DEVMAP_HASH.
class RedirectHash final : public Map {
 public:
  static Result<std::shared_ptr<Map>> Create(const MapSpec& spec,
                                             const MapEnvironment& environment);
  RedirectHash(const MapSpec& spec, const MapEnvironment& environment, Region region);

  std::byte* Lookup(const std::byte* key, uint32_t cpu) noexcept override;
  std::optional<Extent> ElementAt(const std::byte* address) const noexcept override;

 protected:
  int DoHostLookup(const std::byte* key, std::byte* value) noexcept override;
  int DoHostUpdate(const std::byte* key, const std::byte* value, uint64_t flags) noexcept override;
  int DoHostDelete(const std::byte* key) noexcept override;
  int DoNextKey(const std::byte* key, std::byte* next) noexcept override;

 private:
  const Region region_;
  HashTable table_;
};

}  // namespace skep

#endif  // SKEP_MAPS_REDIRECT_TABLES_H_
