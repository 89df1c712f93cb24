// SPDX-License-Identifier: Apache-2.0
// StackTraceMap: BPF_MAP_TYPE_STACK_TRACE. bpf_get_stackid puts stacks into
// buckets chosen by their hash; the number of the bucket is the stack's id, by
// which the host reads it.
//
// Entries are addresses; maps of build ids (BPF_F_STACK_BUILD_ID) are refused.
//
// Threads: any; a bucket is locked for a copy.

#ifndef SKEP_MAPS_STACK_TRACE_MAP_H_
#define SKEP_MAPS_STACK_TRACE_MAP_H_

#include <atomic>

#include "base/region.h"
#include "maps/create.h"

namespace skep {

class StackTraceMap final : public Map {
 public:
  // REQUIRES: CheckMapSpec(spec). Fails with kSystem if there is no memory,
  // kUnsupported for maps of build ids.
  static Result<std::shared_ptr<Map>> Create(const MapSpec& spec,
                                             const MapEnvironment& environment);
  StackTraceMap(const MapSpec& spec, const MapEnvironment& environment, Region region);

  // The id of the stack; -EEXIST if its bucket holds another one and `flags` have
  // no BPF_F_REUSE_STACKID; -ENOMEM if all elements are in use. What does not fit
  // the map's values is cut.
  int64_t StackId(std::span<const uint64_t> stack, uint64_t flags) noexcept override;

 protected:
  int DoHostLookup(const std::byte* key, std::byte* value) noexcept override;
  int DoHostUpdate(const std::byte*, const std::byte*, uint64_t) noexcept override;
  int DoHostDelete(const std::byte* key) noexcept override;
  int DoHostLookupAndDelete(const std::byte* key, std::byte* value) noexcept override;
  int DoNextKey(const std::byte* key, std::byte* next) noexcept override;

 private:
  struct Bucket {
    std::atomic<uint32_t> lock;
    std::atomic<uint32_t> count;  // of entries; 0: empty
    uint64_t hash;
  };
  Bucket& At(uint32_t id) const {
    return *reinterpret_cast<Bucket*>(region_.base() + uint64_t{id} * stride_);
  }
  static std::byte* EntriesOf(Bucket& bucket) {
    return reinterpret_cast<std::byte*>(&bucket) + sizeof(Bucket);
  }
  int Extract(const std::byte* key, std::byte* value, bool remove) noexcept;
  bool Holds(uint32_t id) const {
    return id < buckets_ && At(id).count.load(std::memory_order_relaxed) != 0;
  }

  const Region region_;
  const uint64_t stride_;
  const uint32_t buckets_;   // a power of two
  const uint32_t elements_;  // buckets that may be in use at once
  std::atomic<uint32_t> used_{0};
};

}  // namespace skep

#endif  // SKEP_MAPS_STACK_TRACE_MAP_H_
