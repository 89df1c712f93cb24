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

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "skep/export.h"
#include "skep/helper.h"
#include "skep/map_spec.h"

namespace skep {

namespace model {
struct ArenaView;
}
struct MapBatch;
enum class MapBatchCommand : uint8_t;

// ENOTSUPP: internal to Linux, yet what bpf(2) returns for unsupported requests.
inline constexpr int kEnotsupp = 524;

// Lets an engine turn a lookup into a compare, a multiply and an add: the value
// of index i < max_entries is at base + i * stride; for a per-CPU map plus
// cpu * cpu_stride. For prog arrays it is the slots: a model::TailTarget* each,
// to be loaded with acquire. base is null for maps that have no such view.
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

namespace model {
struct ValueType;
}

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
  // REQUIRES: `cpu` is a CPU slot of the calling thread's context and below the
  // runtime's cpu_slots; no other thread acts on that slot meanwhile.

  // Returns the value of `key` on CPU slot `cpu` (for a map of maps: the inner
  // Map), or null. `cpu` may be any slot.
  virtual std::byte* Lookup(const std::byte* key, uint32_t cpu) noexcept;
  virtual int Update(const std::byte* key, const std::byte* value, uint64_t flags,
                     uint32_t cpu) noexcept;
  virtual int Delete(const std::byte* key, uint32_t cpu) noexcept;
  // Queues, stacks and bloom filters.
  virtual int Push(const std::byte* value, uint64_t flags) noexcept;
  virtual int Pop(std::byte* value) noexcept;
  virtual int Peek(std::byte* value) noexcept;

  // ---- host side ----------------------------------------------------------
  // Bytes of one value as the host sees it: value_size, or for per-CPU types
  // round_up(value_size, 8) * cpu slots.
  uint32_t host_value_size() const { return host_value_size_; }
  // REQUIRES: key is key_size bytes (null where that is 0, else -EINVAL), value
  // host_value_size() bytes. -EPERM if the map was made with kMapWronly; for
  // the writers, if with kMapRdonly or frozen. What a look-up that fails leaves at
  // `value` has no meaning.
  int HostLookup(const std::byte* key, std::byte* value, uint64_t flags = 0) noexcept;
  int HostUpdate(const std::byte* key, const std::byte* value, uint64_t flags = 0) noexcept;
  int HostDelete(const std::byte* key) noexcept;
  int HostLookupAndDelete(const std::byte* key, std::byte* value, uint64_t flags = 0) noexcept;
  // Writes the key that follows `key` (or the first one if `key` is null or not
  // found) to `next`. Returns -ENOENT at the end.
  int NextKey(const std::byte* key, std::byte* next) noexcept;
  // Many elements at once: skep/map_batch.h.
  int HostBatch(MapBatchCommand command, MapBatch& batch) noexcept;
  // Puts a map into a slot of a map of maps; the map stays alive while it is
  // there and while a program may hold it. -EINVAL if it is not like the spec's
  // inner map, or if this is no map of maps.
  int SetMap(const std::byte* key, std::shared_ptr<Map> inner, uint64_t flags = 0) noexcept;
  // Later host writes fail with -EPERM; after it returns 0 none is under way.
  // Returns -EPERM if already frozen, -EBUSY if a host write is under way.
  int Freeze() noexcept;
  bool frozen() const { return frozen_.load(std::memory_order_relaxed); }

  // Whether anybody outside of programs still uses the map: an Instance does, as
  // a file descriptor does in Linux. When the last one leaves, timers and work
  // queues in the values end, and programs can start none.
  bool has_user() const { return users_.load(std::memory_order_seq_cst) != 0; }
  void AddUser() noexcept { users_.fetch_add(1, std::memory_order_seq_cst); }
  void RemoveUser() noexcept;

  // ---- engines ------------------------------------------------------------
  // Locks, timers, owned objects and the like in the values; null if none.
  virtual const model::ValueType* value_type() const noexcept;
  virtual DirectView direct_view() const noexcept;
  // A function that does what helper `id` does for this map and maps of the
  // same type, key and value size, without the detour through this interface;
  // null if there is none.
  virtual HelperFunction helper_function(uint32_t helper_id) const noexcept;
  // The element (on any CPU slot) that holds `address`, if it is inside this
  // map's values. Used by the checked engines; never touches the address.
  virtual std::optional<Extent> ElementAt(const std::byte* address) const noexcept;

 protected:
  Map(MapSpec spec, uint32_t id, uint32_t host_value_size);

  // The host side proper, after permissions and flags that all types share.
  virtual int DoHostLookup(const std::byte* key, std::byte* value) noexcept;
  // With BPF_F_LOCK.
  virtual int DoHostLookupLocked(const std::byte* key, std::byte* value) noexcept;
  virtual int DoHostUpdate(const std::byte* key, const std::byte* value, uint64_t flags) noexcept;
  virtual int DoHostDelete(const std::byte* key) noexcept;
  virtual int DoHostLookupAndDelete(const std::byte* key, std::byte* value) noexcept;
  virtual int DoNextKey(const std::byte* key, std::byte* next) noexcept;
  // By default one by one, with the functions above.
  virtual int DoHostBatch(MapBatchCommand command, MapBatch& batch) noexcept;
  // A bit (1 << command - kLookup) for each batch command that the type has.
  virtual uint32_t batch_commands() const noexcept;
  virtual void EndCallbacks() noexcept;  // the last user has left
  virtual int DoSetMap(const std::byte* key, std::shared_ptr<Map> inner, uint64_t flags) noexcept;

  const MapSpec spec_;
  const uint32_t id_;
  const uint32_t host_value_size_;

 public:
  // ---- what some types have ------------------------------------------------
  // Calls visit(with, key, value) for each element, with the value of CPU slot
  // `cpu`, until it returns false. Returns how many were visited, or -EINVAL for
  // types whose elements cannot be listed. The visitor may change the map:
  // removing the element at hand is safe, those added may or may not be visited.
  // `key` and `value` are valid during the call.
  using Visit = bool (*)(void* with, const std::byte* key, std::byte* value);
  virtual int64_t ForEach(uint32_t cpu, Visit visit, void* with) noexcept;
  // Elements there are, as bpf_map_sum_elem_count counts them: 0 for types that
  // do not count.
  virtual uint64_t element_count() const noexcept;
  // Arenas: bpf_arena_alloc_pages and its like. `address` is as user space sees it, 0
  // for any; pages of 4 KiB. AllocPages returns the address or 0.
  virtual uint64_t AllocPages(uint64_t address, uint32_t pages) noexcept;
  virtual void FreePages(uint64_t address, uint32_t pages) noexcept;
  virtual int ReservePages(uint64_t address, uint32_t pages) noexcept;
  // Storage for objects (task_storage and its like): the values as a hash by the
  // object's address, 8 bytes; null for other types. The host fills and lists it,
  // and removes the value of an object that goes.
  virtual std::shared_ptr<Map> ByObject() const noexcept;
  // Stack traces: bpf_get_stackid with these return addresses, innermost first.
  // Returns the id or -errno.
  virtual int64_t StackId(std::span<const uint64_t> stack, uint64_t flags) noexcept;
  // Arenas: their memory; null for other types.
  virtual const model::ArenaView* arena() const noexcept;

 private:
  bool HasLock() const noexcept;
  template <class Write>
  int HostWrite(Write write) noexcept;

  std::atomic<uint32_t> users_{0};
  std::atomic<bool> frozen_{false};
  std::atomic<uint32_t> host_writers_{0};  // host writes under way
};

}  // namespace skep

#endif  // SKEP_MAP_H_
