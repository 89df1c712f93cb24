// SPDX-License-Identifier: Apache-2.0
// Map: one map instance. Created by Runtime::CreateMap or with an Instance.
//
// Two sides use a map, with the kernel's different rules for each:
//   - programs, through helpers: Lookup gives a pointer to the value, per-CPU
//     maps act on the given CPU slot;
//   - the host, as bpf(2) does: values are copied, per-CPU values travel as
//     round_up(value_size, 8) bytes for every CPU slot, in order.
//
// All methods return the kernel's codes: 0 or a positive count on success,
// -errno otherwise (-ENOENT, -E2BIG, ... and -524 for ENOTSUPP), and change
// nothing when they fail.
//
// Threads: any number of threads may call any method at once; each map type's
// header says what readers may see. Lifetime: shared_ptr; a program keeps the
// maps it uses. Pointers from Lookup stay valid as the type says, at least
// until the run that asked for them ends.

#ifndef SKEP_MAP_H_
#define SKEP_MAP_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "skep/export.h"
#include "skep/map_spec.h"

namespace skep {

// ENOTSUPP: internal to Linux, yet what bpf(2) returns for unsupported requests.
inline constexpr int kEnotsupp = 524;

// Lets an engine turn a lookup into a compare, a multiply and an add: the value
// of index i < max_entries is at base + i * stride; for a per-CPU map plus
// cpu * cpu_stride. base is null for maps that have no such view.
struct DirectView {
  std::byte* base = nullptr;
  uint64_t stride = 0;
  uint64_t cpu_stride = 0;
  uint32_t max_entries = 0;
};

// A run of bytes that a program may touch.
struct Extent {
  std::byte* begin = nullptr;
  uint64_t size = 0;
  bool writable = false;
};

class SKEP_EXPORT Map {
 public:
  virtual ~Map();
  Map(const Map&) = delete;
  Map& operator=(const Map&) = delete;

  const MapSpec& spec() const { return spec_; }
  MapType type() const { return spec_.type; }
  // Unique in its runtime, never 0, not reused.
  uint32_t id() const { return id_; }

  // ---- program side -------------------------------------------------------
  // Returns the value of `key` on CPU slot `cpu`, or null.
  virtual std::byte* Lookup(const std::byte* key, uint32_t cpu) noexcept;
  virtual int Update(const std::byte* key, const std::byte* value, uint64_t flags,
                     uint32_t cpu) noexcept;
  virtual int Delete(const std::byte* key) noexcept;

  // ---- host side ----------------------------------------------------------
  // Bytes of one value as the host sees it: value_size, or for per-CPU types
  // round_up(value_size, 8) * cpu slots.
  uint32_t host_value_size() const { return host_value_size_; }
  // REQUIRES: key is key_size bytes, value host_value_size() bytes.
  virtual int HostLookup(const std::byte* key, std::byte* value, uint64_t flags) noexcept;
  virtual int HostUpdate(const std::byte* key, const std::byte* value, uint64_t flags) noexcept;
  virtual int HostDelete(const std::byte* key) noexcept;
  // Writes the key that follows `key` (or the first one if `key` is null or not
  // found) to `next`. Returns -ENOENT at the end.
  virtual int NextKey(const std::byte* key, std::byte* next) noexcept;
  // Later host writes fail with -EPERM. Returns -EPERM if already frozen.
  virtual int Freeze() noexcept;
  bool frozen() const { return frozen_; }

  // ---- engines ------------------------------------------------------------
  virtual DirectView direct_view() const noexcept;
  // The element (on any CPU slot) that holds `address`, if it is inside this
  // map's values. Used by the checked engines; never touches the address.
  virtual std::optional<Extent> ElementAt(const std::byte* address) const noexcept;

 protected:
  Map(MapSpec spec, uint32_t id, uint32_t host_value_size);

  MapSpec spec_;
  uint32_t id_;
  uint32_t host_value_size_;
  bool frozen_ = false;
};

}  // namespace skep

#endif  // SKEP_MAP_H_
