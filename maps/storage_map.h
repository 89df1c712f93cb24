// SPDX-License-Identifier: Apache-2.0
// StorageMap: TASK_STORAGE, SK_STORAGE, INODE_STORAGE and CGRP_STORAGE: a value
// for each object of the host. Programs name an object by the pointer that they
// were given; keys of Lookup, Update and Delete are such addresses, 8 bytes.
//
// Linux ends a value with its object. Here objects are the host's, which removes
// their values through ByObject() when they go. Linux names objects by file
// descriptors to bpf(2); a process has none for them, so that the operations by
// the 4-byte key of the map fail with -ENOTSUPP, as Linux's NextKey does.
//
// Threads: as BPF_MAP_TYPE_HASH (maps/hash_map.h), which is behind it.

#ifndef SKEP_MAPS_STORAGE_MAP_H_
#define SKEP_MAPS_STORAGE_MAP_H_

#include <memory>
#include <vector>

#include "maps/create.h"

namespace skep {

class StorageMap final : public Map {
 public:
  // REQUIRES: CheckMapSpec(spec). Fails with kSystem if there is no memory.
  static Result<std::shared_ptr<Map>> Create(const MapSpec& spec,
                                             const MapEnvironment& environment);
  StorageMap(const MapSpec& spec, const MapEnvironment& environment, std::shared_ptr<Map> values);

  std::byte* Lookup(const std::byte* object, uint32_t cpu) noexcept override;
  // A null value stands for zeroes.
  int Update(const std::byte* object, const std::byte* value, uint64_t flags,
             uint32_t cpu) noexcept override;
  int Delete(const std::byte* object, uint32_t cpu) noexcept override;

  std::shared_ptr<Map> ByObject() const noexcept override { return values_; }
  const model::ValueType* value_type() const noexcept override { return values_->value_type(); }
  std::optional<Extent> ElementAt(const std::byte* address) const noexcept override {
    return values_->ElementAt(address);
  }

 protected:
  int DoHostLookup(const std::byte*, std::byte*) noexcept override { return -kEnotsupp; }
  int DoHostUpdate(const std::byte*, const std::byte*, uint64_t) noexcept override {
    return -kEnotsupp;
  }
  int DoHostDelete(const std::byte*) noexcept override { return -kEnotsupp; }
  int DoNextKey(const std::byte*, std::byte*) noexcept override { return -kEnotsupp; }

 private:
  const std::shared_ptr<Map> values_;  // a hash, by address
  const std::vector<std::byte> zeroes_;
};

}  // namespace skep

#endif  // SKEP_MAPS_STORAGE_MAP_H_
