// SPDX-License-Identifier: Apache-2.0
// The maps of one object in the real kernel.

#ifndef SKEP_KERNEL_KERNEL_MAPS_H_
#define SKEP_KERNEL_KERNEL_MAPS_H_

#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "skep/backend.h"
#include "skep/map_spec.h"
#include "skep/result.h"

#include "kernel/bpf_syscall.h"

namespace skep::kernel {

// The kernel's number of possible CPUs: lanes of a per-CPU value.
Result<uint32_t> PossibleCpus();

// Memory of a map in this process, unmapped at the end.
class MappedMap {
 public:
  MappedMap() = default;
  MappedMap(void* data, size_t size) : data_(data), size_(size) {}
  MappedMap(MappedMap&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(other.size_) {}
  MappedMap& operator=(MappedMap&& other) noexcept;
  ~MappedMap();
  void* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
};

struct KernelMap {
  MapSpec spec;
  Fd fd;
  // An arena: the kernel loads programs that use it once it has an address.
  MappedMap memory;
};

class KernelMaps {
 public:
  // Creates and fills all maps; prog arrays stay empty. `btf` may be null.
  static Result<KernelMaps> Create(std::span<const MapSpec> specs, const btf::Btf* btf);

  // Null if there is no map of this name.
  const KernelMap* Find(const std::string& name) const;
  // The object's types, if a map needed them; else invalid.
  const Fd& types() const { return types_; }
  const std::map<std::string, KernelMap>& all() const { return maps_; }

  Result<std::vector<MapElement>> Read(const std::string& name, uint64_t limit) const;
  Result<std::vector<std::vector<std::byte>>> TakeRecords(const std::string& name) const;
  int Update(const std::string& name, std::span<const std::byte> key,
             std::span<const std::byte> value, uint64_t flags) const;

 private:
  Result<void> Fill(const KernelMap& map) const;
  std::map<std::string, KernelMap> maps_;
  Fd types_;
};

}  // namespace skep::kernel

#endif  // SKEP_KERNEL_KERNEL_MAPS_H_
