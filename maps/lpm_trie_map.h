// SPDX-License-Identifier: Apache-2.0
// LpmTrieMap: BPF_MAP_TYPE_LPM_TRIE. A key is a 32-bit prefix length and data,
// most significant bit first; a look-up finds the longest prefix of it that is
// in the map.
//
// A binary trie of nodes in one region, linked by index; index 0 means none.
// Where two prefixes part and the map has no element, an intermediate node
// stands. Iteration gives longer prefixes before the shorter ones around them,
// as in Linux.
//
// Threads: any. Look-ups take no lock: a node that was taken out may be used
// again only after the version has been raised, and a reader that finds another
// version at the end looks again. Updates and deletes lock the map, as Linux
// does. An update replaces the element; pointers that a program got earlier
// then show memory that may be used again. They stay valid until the map is
// destroyed.
//
// Keys of four bytes or more find their way by an index over their first bits
// (maps/lpm_index.h); one walk from the root is left for shorter prefixes asked for.
// While an element is put in or taken out, a look-up may see it in one place of the
// index and not yet in another.
//
// Shared by processes, no number in the region is trusted: an index is compared
// with the number of nodes, and no way is longer than there are bits. An update or
// delete is done by one store, so that one who dies leaves the trie as it was or as
// it should be; the counters and the free list are then made anew (Mend).

#ifndef SKEP_MAPS_LPM_TRIE_MAP_H_
#define SKEP_MAPS_LPM_TRIE_MAP_H_

#include <atomic>

#include "maps/batch.h"
#include "maps/create.h"
#include "maps/lpm_index.h"
#include "maps/map_memory.h"

namespace skep {

class LpmTrieMap final : public Map {
 public:
  // REQUIRES: CheckMapSpec(spec). Fails with kSystem if there is no memory.
  static Result<std::shared_ptr<Map>> Create(const MapSpec& spec,
                                             const MapEnvironment& environment);
  static uint64_t BytesFor(const MapSpec& spec);
  LpmTrieMap(const MapSpec& spec, const MapEnvironment& environment, MapMemory memory);

  std::byte* Lookup(const std::byte* key, uint32_t cpu) noexcept override;
  // -EINVAL for other flags or a prefix longer than the data, -ENOSPC if full.
  int Update(const std::byte* key, const std::byte* value, uint64_t flags,
             uint32_t cpu) noexcept override;
  int Delete(const std::byte* key, uint32_t cpu) noexcept override;

  HelperFunction helper_function(uint32_t helper_id) const noexcept override;
  std::optional<Extent> ElementAt(const std::byte* address) const noexcept override;

 protected:
  int DoHostLookup(const std::byte* key, std::byte* value) noexcept override;
  int DoHostUpdate(const std::byte* key, const std::byte* value, uint64_t flags) noexcept override;
  int DoHostDelete(const std::byte* key) noexcept override;
  int DoNextKey(const std::byte* key, std::byte* next) noexcept override;
  uint32_t batch_commands() const noexcept override { return kBatchesOfTries; }

 private:
  using Link = std::atomic<uint32_t>;
  struct Node {
    Link child[2];
    std::atomic<uint32_t> prefix_length;
    std::atomic<uint32_t> intermediate;  // 1: no element
  };
  // At the start of the region. A zeroed one is an empty trie.
  struct Control {
    std::atomic<uint32_t> lock;
    std::atomic<uint32_t> version;
    Link root;
    std::atomic<uint32_t> elements;  // without intermediate nodes
    std::atomic<uint32_t> used;      // nodes above this one were never used
    Link free;                       // list of nodes, linked by child[0]
  };
  struct Shape;
  struct Path;

  // Whether an index leads to a node; false for 0.
  bool IsNode(uint32_t index) const noexcept { return index - 1 < last_node_; }
  Node& At(uint32_t node) const noexcept {
    return *reinterpret_cast<Node*>(nodes_ + uint64_t{node} * stride_);
  }
  std::byte* DataOf(uint32_t node) const noexcept {
    return nodes_ + uint64_t{node} * stride_ + sizeof(Node);
  }
  std::byte* ValueOf(uint32_t node) const noexcept {
    return nodes_ + uint64_t{node} * stride_ + value_offset_;
  }
  // Bits that the node's prefix and the key's have in common.
  uint32_t Matching(uint32_t node, uint32_t key_length, const std::byte* data) const noexcept;
  uint32_t Find(const std::byte* key, uint32_t* version) const noexcept;
  // Goes down from `node` and returns the last element on the way that fits, else
  // `found`. With kShort, keys have four bytes.
  template <bool kShort>
  uint32_t Descend(uint32_t node, uint32_t found, uint32_t key_length,
                   const std::byte* data) const noexcept;
  // Whether the version is this one, after many tries in any case.
  bool IsStill(uint32_t version, uint32_t tries) const noexcept;
  // REQUIRES, from here on: the lock is held.
  Path Walk(uint32_t key_length, const std::byte* data) noexcept;
  uint32_t NewNode(uint32_t prefix_length, const std::byte* data) noexcept;
  void Free(uint32_t node) noexcept;
  bool HasTwoNodes() const noexcept;
  void RaiseVersion() noexcept;
  int Insert(const std::byte* key, const std::byte* value, uint64_t flags) noexcept;
  int Remove(const std::byte* key) noexcept;
  // Bring the index up to date, after the links.
  void IndexAdded(uint32_t node) noexcept;
  void IndexRemoved(uint32_t node) noexcept;
  void SetStart(const std::byte* data) noexcept;
  uint32_t After(const std::byte* key) const noexcept;
  uint32_t Leftmost(uint32_t from) const noexcept;
  // Makes the trie sound after somebody died, or one came from outside.
  void Mend() noexcept;
  bool FitsBelow(uint32_t node, uint32_t parent, uint32_t side) const noexcept;

  const MapMemory memory_;
  const LockHolder holder_;
  Control& control_;
  std::byte* const nodes_;
  const uint64_t stride_;
  const uint32_t value_offset_;
  const uint32_t data_bytes_;
  const uint32_t max_length_;  // bits of data
  const uint32_t last_node_;
  LpmIndex index_;
};

}  // namespace skep

#endif  // SKEP_MAPS_LPM_TRIE_MAP_H_
