// SPDX-License-Identifier: Apache-2.0
// MapPair: one map here and one in the running kernel, made from the same
// specification. Each operation is done on both; results, and what they wrote, must
// be equal. The first difference is kept, with the operations that led to it.
//
// Threads: one.

#ifndef SKEP_TESTS_MAPS_MAP_PAIR_H_
#define SKEP_TESTS_MAPS_MAP_PAIR_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "skep/map.h"
#include "skep/map_batch.h"

#include "maps/create.h"
#include "model/async_service.h"
#include "model/tail_target.h"
#include "tests/support/bpf_syscall.h"

namespace skep::test {

using Bytes = std::vector<std::byte>;

// What maps can hold besides bytes, on both sides.
struct MapGuests {
  struct Inner {
    std::shared_ptr<Map> ours;
    Fd theirs;
  };
  struct Program {
    std::shared_ptr<const model::TailTarget> ours;
    Fd theirs;
  };
  MapGuests();

  std::vector<Inner> inners;
  std::vector<Program> programs;
  std::vector<Fd> xdp_sockets;
  std::vector<Fd> sockets;  // for SOCKMAP and SOCKHASH
  Fd cgroup;                // negative if there is none
  Fd perf_event;
  // struct { int x; struct bpf_spin_lock lock; long y; }, 16 bytes, and int: types of
  // values and keys.
  Fd btf;
  static constexpr uint32_t kKeyType = 1, kValueType = 4;
  std::shared_ptr<const model::ValueType> locked;
  std::unique_ptr<model::AsyncService> async;  // makes no thread: there are no timers
  static constexpr uint32_t kLockedSize = 16;
};

// Type, sizes and flags, for messages.
std::string Describe(const MapSpec& spec);

// Verdicts: 0 or -errno.
int OurMapVerdict(const MapSpec& spec);

class MapPair {
 public:
  // `with_lock`: the values are guests.locked.
  MapPair(const MapSpec& spec, MapGuests& guests, bool with_lock);
  // Both refuse to make it, with one errno: there are no operations.
  bool refused() const { return refused_; }
  // The kernel had no memory for an element: there is nothing to compare any more.
  bool abandoned() const { return abandoned_; }
  // False after the first difference.
  bool ok() const { return difference_.empty(); }
  const std::string& difference() const { return difference_; }
  const MapSpec& spec() const { return spec_; }
  uint32_t host_value_size() const { return host_value_size_; }
  const std::shared_ptr<Map>& ours() const { return ours_; }
  const Fd& theirs() const { return theirs_; }

  // A null key is no key.
  void Lookup(const Bytes* key, Bytes value, uint64_t flags);
  void Update(const Bytes* key, const Bytes& value, uint64_t flags);
  void Delete(const Bytes* key);
  void LookupAndDelete(const Bytes* key, Bytes value, uint64_t flags);
  // Which key follows is compared only if the type has an order; else whether there
  // is a first one.
  void NextKey(const Bytes* key);
  void Freeze();
  // Puts guest number `which` of the map's type into it.
  void Put(const Bytes& key, uint32_t which, uint64_t flags);
  void UpdateBatch(const Bytes& keys, const Bytes& values, uint32_t count, uint64_t flags);
  void DeleteBatch(const Bytes& keys, uint32_t count, uint64_t flags);
  // Goes through the whole map in batches of at least `room`.
  void ReadBatches(uint32_t room, bool remove, uint64_t flags);
  // Iterates over both and compares all keys and values.
  void CompareContents();

  bool ordered() const;
  bool per_cpu() const;

 private:
  using Elements = std::vector<std::pair<Bytes, Bytes>>;
  bool Same(int ours, int theirs);
  void Expect(bool same, const std::string& what);
  void Log(const std::string& operation, const Bytes* key, uint64_t flags);
  Bytes Meaning(Bytes value) const;
  template <class Batch>
  Elements Drain(uint32_t room, Batch batch, int* error) const;

  void PutSocket(const Bytes& key, const Fd& socket, uint64_t flags);

  const MapSpec spec_;
  MapGuests& guests_;
  std::vector<Fd> group_;  // sockets for a REUSEPORT_SOCKARRAY: each is in one array
  std::shared_ptr<EpochDomain> epochs_ = std::make_shared<EpochDomain>();
  std::shared_ptr<Map> ours_;
  Fd theirs_;
  uint32_t host_value_size_ = 0;
  std::deque<std::string> log_;
  bool refused_ = false;
  bool abandoned_ = false;
  std::string difference_;
};

}  // namespace skep::test

#endif  // SKEP_TESTS_MAPS_MAP_PAIR_H_
