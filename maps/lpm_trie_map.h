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

#ifndef SKEP_MAPS_LPM_TRIE_MAP_H_
#define SKEP_MAPS_LPM_TRIE_MAP_H_

#include <atomic>

#include "base/region.h"
#include "maps/batch.h"
#include "maps/create.h"

namespace skep {

class LpmTrieMap final : public Map {
 public:
  // REQUIRES: CheckMapSpec(spec). Fails with kSystem if there is no memory.
  static Result<std::shared_ptr<Map>> Create(const MapSpec& spec,
                                             const MapEnvironment& environment);
  LpmTrieMap(const MapSpec& spec, const MapEnvironment& environment, Region region);

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
  struct Shape;
  struct Path;

  Node& At(uint32_t node) const noexcept {
    return *reinterpret_cast<Node*>(region_.base() + uint64_t{node} * stride_);
  }
  std::byte* DataOf(uint32_t node) const noexcept {
    return region_.base() + uint64_t{node} * stride_ + sizeof(Node);
  }
  std::byte* ValueOf(uint32_t node) const noexcept {
    return region_.base() + uint64_t{node} * stride_ + value_offset_;
  }
  // Bits that the node's prefix and the key's have in common.
  uint32_t Matching(uint32_t node, uint32_t key_length, const std::byte* data) const noexcept;
  uint32_t Find(const std::byte* key, uint32_t* version) const noexcept;
  // REQUIRES, from here on: the lock is held.
  Path Walk(uint32_t key_length, const std::byte* data) noexcept;
  uint32_t NewNode(uint32_t prefix_length, const std::byte* data) noexcept;
  void Free(uint32_t node) noexcept;
  bool HasTwoNodes() const noexcept;
  void RaiseVersion() noexcept;
  int Insert(const std::byte* key, const std::byte* value, uint64_t flags) noexcept;
  int Remove(const std::byte* key) noexcept;
  uint32_t After(const std::byte* key) const noexcept;
  uint32_t Leftmost(uint32_t from) const noexcept;

  const Region region_;
  const uint64_t stride_;
  const uint32_t value_offset_;
  const uint32_t data_bytes_;
  const uint32_t max_length_;  // bits of data
  const uint32_t last_node_;
  std::atomic<uint32_t> lock_{0};
  std::atomic<uint32_t> version_{0};
  Link root_{0};
  uint32_t elements_ = 0;  // without intermediate nodes
  uint32_t fresh_ = 1;     // nodes from here on were never used
  uint32_t free_ = 0;      // list of nodes, linked by child[0]
};

}  // namespace skep

#endif  // SKEP_MAPS_LPM_TRIE_MAP_H_
