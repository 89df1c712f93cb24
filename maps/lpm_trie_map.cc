// SPDX-License-Identifier: Apache-2.0
#include "maps/lpm_trie_map.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <vector>

#include "base/robust_lock.h"
#include "base/word_copy.h"
#include "maps/direct_helper.h"
#include "maps/key.h"

namespace skep {
namespace {

constexpr uint32_t kLengthBytes = 4;
constexpr uint64_t kControlBytes = 64;
// Readers of a shared trie give up then: only malice changes it as often.
constexpr uint32_t kSharedTries = 100000;

uint32_t LengthOf(const std::byte* key) {
  return LoadRelaxed<uint32_t>(reinterpret_cast<uint64_t>(key));
}
const std::byte* DataIn(const std::byte* key) { return key + kLengthBytes; }

// The first 32 bits, the first one highest. REQUIRES: four bytes.
uint32_t TopBits(const std::byte* data) {
  return __builtin_bswap32(LoadRelaxed<uint32_t>(reinterpret_cast<uint64_t>(data)));
}

uint32_t BitAt(const std::byte* data, uint32_t bit) {
  const auto byte = LoadRelaxed<uint8_t>(reinterpret_cast<uint64_t>(data + bit / 8));
  return byte >> (7 - bit % 8) & 1u;
}

}  // namespace

struct LpmTrieMap::Shape {
  explicit Shape(const MapSpec& spec) {
    data_bytes = spec.key_size - kLengthBytes;
    value_offset = static_cast<uint32_t>(sizeof(Node) + RoundUp(data_bytes, 8));
    stride = RoundUp(value_offset + uint64_t{spec.value_size}, 16);
    // n elements part at fewer than n places. One more is in hand while an element
    // is replaced, one more with an intermediate node; 0 means none.
    nodes = uint64_t{spec.max_entries} * 2 + 3;
    nodes = std::min<uint64_t>(nodes, UINT32_MAX);
    index_at = RoundUp(kControlBytes + nodes * stride, 64);
    index_bits = LpmIndex::BitsFor(data_bytes, spec.max_entries);
  }
  uint32_t data_bytes, value_offset, index_bits;
  uint64_t stride, nodes, index_at;
};

// Where a key belongs: what hangs at `link`, and what that hangs on.
struct LpmTrieMap::Path {
  Link* link;
  Link* parent_link;  // where `parent` hangs
  uint32_t node;      // at `link`; 0 if none
  uint32_t parent;
  uint32_t matching;  // bits that node and key share
};

LpmTrieMap::LpmTrieMap(const MapSpec& spec, const MapEnvironment& environment, MapMemory memory)
    : Map(spec, environment.id, spec.value_size),
      memory_(std::move(memory)),
      holder_(memory_.holder()),
      control_(*reinterpret_cast<Control*>(memory_.base())),
      nodes_(memory_.base() + kControlBytes),
      stride_(Shape(spec).stride),
      value_offset_(Shape(spec).value_offset),
      data_bytes_(Shape(spec).data_bytes),
      max_length_(data_bytes_ * 8),
      last_node_(static_cast<uint32_t>(Shape(spec).nodes - 1)),
      index_(memory_.base() + Shape(spec).index_at, Shape(spec).index_bits) {
  static_assert(sizeof(Control) <= kControlBytes);
  if (!memory_.needs_repair()) return;
  const RobustGuard guard(control_.lock, holder_, [] {});
  Mend();
}

uint64_t LpmTrieMap::BytesFor(const MapSpec& spec) {
  const Shape shape(spec);
  return shape.index_at + LpmIndex::BytesFor(shape.index_bits);
}

Result<std::shared_ptr<Map>> LpmTrieMap::Create(const MapSpec& spec,
                                                const MapEnvironment& environment) {
  const uint64_t bytes = BytesFor(spec);
  SKEP_TRY(MapMemory memory, MapMemory::Take(environment, bytes));
  memory.PreferHugePages(0, bytes);
  return std::shared_ptr<Map>(std::make_shared<LpmTrieMap>(spec, environment, std::move(memory)));
}

uint32_t LpmTrieMap::Matching(uint32_t node, uint32_t key_length,
                              const std::byte* data) const noexcept {
  const uint32_t limit =
      std::min(At(node).prefix_length.load(std::memory_order_relaxed), key_length);
  const std::byte* stored = DataOf(node);
  for (uint32_t bit = 0; bit < limit; bit += 64) {
    const size_t at = bit / 8;
    const size_t left = data_bytes_ - at;
    const uint64_t word = left >= 8 ? WordAt(data, at) : LoadTail(data + at, left);
    const uint64_t differs = __builtin_bswap64(word ^ WordAt(stored, at));
    if (differs != 0) {
      return std::min(limit, bit + static_cast<uint32_t>(std::countl_zero(differs)));
    }
  }
  return limit;
}

// Links lead to nodes of the region whatever is written meanwhile, and a way
// down is never longer than there are bits.
template <bool kShort>
uint32_t LpmTrieMap::Descend(uint32_t node, uint32_t found, uint32_t key_length,
                             const std::byte* data) const noexcept {
  const uint32_t top = kShort ? TopBits(data) : 0;
  for (uint32_t steps = 0; IsNode(node) && steps <= max_length_; ++steps) {
    const Node& n = At(node);
    const uint32_t length = n.prefix_length.load(std::memory_order_relaxed);
    uint32_t matching = 0;
    if constexpr (kShort) {
      const uint32_t differs = TopBits(DataOf(node)) ^ top;
      matching =
          std::min(std::min(length, key_length), static_cast<uint32_t>(std::countl_zero(differs)));
    } else {
      matching = Matching(node, key_length, data);
    }
    if (matching < length) break;
    if (n.intermediate.load(std::memory_order_relaxed) == 0) found = node;
    if (matching >= max_length_) break;
    const uint32_t side = kShort ? top >> (31 - matching) & 1u : BitAt(data, matching);
    node = n.child[side].load(std::memory_order_acquire);
  }
  return found;
}

uint32_t LpmTrieMap::Find(const std::byte* key, uint32_t* version) const noexcept {
  const uint32_t key_length = LengthOf(key);
  const std::byte* data = DataIn(key);
  if (key_length > max_length_) return 0;
  const bool indexed = index_.bits() != 0 && key_length >= index_.bits();
  for (uint32_t tries = 1;; ++tries) {
    *version = control_.version.load(std::memory_order_acquire);
    LpmIndex::Entry from{0, 0};
    if (indexed) {
      from = index_.Look(TopBits(data));
      if (!IsNode(from.best)) from.best = 0;
    } else {
      from.start = control_.root.load(std::memory_order_acquire);
    }
    const uint32_t found = data_bytes_ == 4
                               ? Descend<true>(from.start, from.best, key_length, data)
                               : Descend<false>(from.start, from.best, key_length, data);
    if (IsStill(*version, tries)) return found;
  }
}

bool LpmTrieMap::IsStill(uint32_t version, uint32_t tries) const noexcept {
  std::atomic_thread_fence(std::memory_order_acquire);
  if (control_.version.load(std::memory_order_relaxed) == version) return true;
  return memory_.shared() != nullptr && tries >= kSharedTries;
}

std::byte* LpmTrieMap::Lookup(const std::byte* key, uint32_t) noexcept {
  uint32_t version = 0;
  const uint32_t node = Find(key, &version);
  return node == 0 ? nullptr : ValueOf(node);
}

// ---- writers ------------------------------------------------------------------

// Orders the unlinking before it with the version, and that with the reuse of
// what was unlinked.
void LpmTrieMap::RaiseVersion() noexcept {
  std::atomic_thread_fence(std::memory_order_release);
  control_.version.store(control_.version.load(std::memory_order_relaxed) + 1,
                         std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
}

uint32_t LpmTrieMap::NewNode(uint32_t prefix_length, const std::byte* data) noexcept {
  uint32_t node = control_.free.load(std::memory_order_relaxed);
  if (IsNode(node)) {
    control_.free.store(At(node).child[0].load(std::memory_order_relaxed),
                        std::memory_order_relaxed);
  } else {
    node = control_.used.load(std::memory_order_relaxed) + 1;
    // If others have spoiled the count: the place of no node, which is there too.
    if (!IsNode(node)) node = 0;
    control_.used.store(node, std::memory_order_relaxed);
  }
  Node& n = At(node);
  n.child[0].store(0, std::memory_order_relaxed);
  n.child[1].store(0, std::memory_order_relaxed);
  n.prefix_length.store(prefix_length, std::memory_order_relaxed);
  n.intermediate.store(0, std::memory_order_relaxed);
  AnyKey::Store(DataOf(node), data, data_bytes_);
  return node;
}

bool LpmTrieMap::HasTwoNodes() const noexcept {
  if (control_.used.load(std::memory_order_relaxed) + 2 <= last_node_) return true;
  const uint32_t free = control_.free.load(std::memory_order_relaxed);
  return IsNode(free) && IsNode(At(free).child[0].load(std::memory_order_relaxed));
}

void LpmTrieMap::Free(uint32_t node) noexcept {
  At(node).child[0].store(control_.free.load(std::memory_order_relaxed), std::memory_order_relaxed);
  control_.free.store(node, std::memory_order_relaxed);
}

LpmTrieMap::Path LpmTrieMap::Walk(uint32_t key_length, const std::byte* data) noexcept {
  Path path{&control_.root, nullptr, 0, 0, 0};
  for (uint32_t steps = 0;; ++steps) {
    path.node = path.link->load(std::memory_order_relaxed);
    if (!IsNode(path.node)) path.node = 0;
    if (path.node == 0) return path;
    Node& n = At(path.node);
    const uint32_t length = n.prefix_length.load(std::memory_order_relaxed);
    path.matching = Matching(path.node, key_length, data);
    if (length != path.matching || length == key_length || steps == max_length_) return path;
    path.parent = path.node;
    path.parent_link = path.link;
    path.link = &n.child[BitAt(data, length)];
  }
}

int LpmTrieMap::Insert(const std::byte* key, const std::byte* value, uint64_t flags) noexcept {
  const uint32_t length = LengthOf(key);
  const std::byte* data = DataIn(key);
  const Path path = Walk(length, data);
  const uint32_t at_link =
      path.node == 0 ? 0 : At(path.node).prefix_length.load(std::memory_order_relaxed);
  const bool same_prefix = path.node != 0 && at_link == path.matching;
  const bool exists =
      same_prefix && At(path.node).intermediate.load(std::memory_order_relaxed) == 0;
  if (exists && flags == kUpdateNoExist) return -EEXIST;
  if (!exists) {
    if (flags == kUpdateExist) return -ENOENT;
    if (control_.elements.load(std::memory_order_relaxed) >= spec_.max_entries) return -ENOSPC;
  }
  if (!HasTwoNodes()) return -ENOMEM;
  if (!exists) control_.elements.fetch_add(1, std::memory_order_relaxed);
  const uint32_t added = NewNode(length, data);
  CopyWords(ValueOf(added), value, spec_.value_size);
  Node& n = At(added);
  if (path.node == 0) {
    path.link->store(added, std::memory_order_release);
    IndexAdded(added);
    return 0;
  }
  if (same_prefix) {
    for (int side = 0; side < 2; ++side) {
      n.child[side].store(At(path.node).child[side].load(std::memory_order_relaxed),
                          std::memory_order_relaxed);
    }
    path.link->store(added, std::memory_order_release);
    IndexAdded(added);
    RaiseVersion();
    Free(path.node);
    return 0;
  }
  if (path.matching == length) {
    n.child[BitAt(DataOf(path.node), path.matching)].store(path.node, std::memory_order_relaxed);
    path.link->store(added, std::memory_order_release);
    IndexAdded(added);
    return 0;
  }
  const uint32_t fork = NewNode(path.matching, data);
  Node& f = At(fork);
  f.intermediate.store(1, std::memory_order_relaxed);
  const uint32_t side = BitAt(data, path.matching);
  f.child[side].store(added, std::memory_order_relaxed);
  f.child[1 - side].store(path.node, std::memory_order_relaxed);
  path.link->store(fork, std::memory_order_release);
  IndexAdded(added);
  return 0;
}

int LpmTrieMap::Remove(const std::byte* key) noexcept {
  const uint32_t length = LengthOf(key);
  const Path path = Walk(length, DataIn(key));
  if (path.node == 0) return -ENOENT;
  Node& n = At(path.node);
  const bool exact = n.prefix_length.load(std::memory_order_relaxed) == length &&
                     path.matching == length && n.intermediate.load(std::memory_order_relaxed) == 0;
  if (!exact) return -ENOENT;
  control_.elements.fetch_sub(1, std::memory_order_relaxed);
  const uint32_t left = n.child[0].load(std::memory_order_relaxed);
  const uint32_t right = n.child[1].load(std::memory_order_relaxed);
  if (left != 0 && right != 0) {
    n.intermediate.store(1, std::memory_order_relaxed);
    IndexRemoved(path.node);
    return 0;
  }
  const bool fork_goes = path.parent != 0 && left == 0 && right == 0 &&
                         At(path.parent).intermediate.load(std::memory_order_relaxed) != 0;
  if (fork_goes) {
    Node& fork = At(path.parent);
    const int other = path.link == &fork.child[0] ? 1 : 0;
    path.parent_link->store(fork.child[other].load(std::memory_order_relaxed),
                            std::memory_order_release);
  } else {
    path.link->store(left != 0 ? left : right, std::memory_order_release);
  }
  IndexRemoved(path.node);
  RaiseVersion();
  Free(path.node);
  if (fork_goes) Free(path.parent);
  return 0;
}

// The first node of at least as many bits as the index has, on the way of `data`.
void LpmTrieMap::SetStart(const std::byte* data) noexcept {
  const uint32_t bits = index_.bits();
  uint32_t node = control_.root.load(std::memory_order_relaxed);
  for (uint32_t steps = 0; IsNode(node) && steps <= max_length_; ++steps) {
    const uint32_t length = At(node).prefix_length.load(std::memory_order_relaxed);
    if (Matching(node, bits, data) < std::min(length, bits)) {
      node = 0;
    } else if (length >= bits) {
      break;
    } else {
      node = At(node).child[BitAt(data, length)].load(std::memory_order_relaxed);
    }
  }
  index_.StartOf(TopBits(data)).store(IsNode(node) ? node : 0, std::memory_order_release);
}

// What hangs above or below a new node of fewer bits stays the start of its slots;
// one of more changes that of its own slot, as does the fork above it.
void LpmTrieMap::IndexAdded(uint32_t node) noexcept {
  if (index_.bits() == 0) return;
  const uint32_t length = At(node).prefix_length.load(std::memory_order_relaxed);
  if (length >= index_.bits()) return SetStart(DataOf(node));
  index_.ForPlaces(TopBits(DataOf(node)), length, [&](LpmIndex::Place& place) {
    const uint32_t there = place.load(std::memory_order_relaxed);
    if (!IsNode(there) || At(there).prefix_length.load(std::memory_order_relaxed) <= length) {
      place.store(node, std::memory_order_release);
    }
  });
}

// Where the element was the longest, the next one above it is, if that is of the
// same level.
void LpmTrieMap::IndexRemoved(uint32_t removed) noexcept {
  if (index_.bits() == 0) return;
  const std::byte* data = DataOf(removed);
  const uint32_t length = At(removed).prefix_length.load(std::memory_order_relaxed);
  if (length >= index_.bits()) return SetStart(data);
  uint32_t heir = 0;
  uint32_t node = control_.root.load(std::memory_order_relaxed);
  for (uint32_t steps = 0; IsNode(node) && steps <= max_length_; ++steps) {
    const Node& n = At(node);
    const uint32_t above = n.prefix_length.load(std::memory_order_relaxed);
    if (above >= length || Matching(node, length, data) < above) break;
    const bool element = n.intermediate.load(std::memory_order_relaxed) == 0;
    if (element && above != 0 && LpmIndex::AreOfOneLevel(above, length)) heir = node;
    node = n.child[BitAt(data, above)].load(std::memory_order_relaxed);
  }
  index_.ForPlaces(TopBits(data), length, [&](LpmIndex::Place& place) {
    if (place.load(std::memory_order_relaxed) == removed) {
      place.store(heir, std::memory_order_release);
    }
  });
}

int LpmTrieMap::Update(const std::byte* key, const std::byte* value, uint64_t flags,
                       uint32_t) noexcept {
  if (flags > kUpdateExist || LengthOf(key) > max_length_) return -EINVAL;
  const RobustGuard guard(control_.lock, holder_, [&] { Mend(); });
  return Insert(key, value, flags);
}

int LpmTrieMap::Delete(const std::byte* key, uint32_t) noexcept {
  if (LengthOf(key) > max_length_) return -EINVAL;
  const RobustGuard guard(control_.lock, holder_, [&] { Mend(); });
  return Remove(key);
}

// ---- repair ---------------------------------------------------------------------

bool LpmTrieMap::FitsBelow(uint32_t node, uint32_t parent, uint32_t side) const noexcept {
  const uint32_t length = At(node).prefix_length.load(std::memory_order_relaxed);
  if (length > max_length_) return false;
  if (parent == 0) return true;
  const uint32_t above = At(parent).prefix_length.load(std::memory_order_relaxed);
  return length > above && Matching(parent, length, DataOf(node)) == above &&
         BitAt(DataOf(node), above) == side;
}

void LpmTrieMap::Mend() noexcept {
  struct Way {
    Link* link;
    uint32_t parent, side;
  };
  // Links before those below them. What is no node, is there twice or does not
  // belong there goes.
  std::vector<Link*> links;
  std::vector<bool> kept(uint64_t{last_node_} + 1);
  std::vector<Way> open{{&control_.root, 0, 0}};
  while (!open.empty()) {
    const Way way = open.back();
    open.pop_back();
    const uint32_t node = way.link->load(std::memory_order_relaxed);
    if (node == 0) continue;
    if (!IsNode(node) || kept[node] || !FitsBelow(node, way.parent, way.side)) {
      way.link->store(0, std::memory_order_release);
      continue;
    }
    kept[node] = true;
    links.push_back(way.link);
    open.push_back({&At(node).child[0], node, 0});
    open.push_back({&At(node).child[1], node, 1});
  }
  uint32_t elements = 0;
  uint32_t highest = std::min(control_.used.load(std::memory_order_relaxed), last_node_);
  for (auto link = links.rbegin(); link != links.rend(); ++link) {
    const uint32_t node = (*link)->load(std::memory_order_relaxed);
    highest = std::max(highest, node);
    Node& n = At(node);
    if (n.intermediate.load(std::memory_order_relaxed) == 0) {
      ++elements;
      continue;
    }
    // An intermediate node stands where two ways part.
    const uint32_t left = n.child[0].load(std::memory_order_relaxed);
    const uint32_t right = n.child[1].load(std::memory_order_relaxed);
    if (left != 0 && right != 0) continue;
    (*link)->store(left != 0 ? left : right, std::memory_order_release);
    kept[node] = false;
  }
  index_.Clear();
  for (uint32_t node = 1; node <= highest; ++node) {
    if (!kept[node]) continue;
    const bool element = At(node).intermediate.load(std::memory_order_relaxed) == 0;
    if (element) IndexAdded(node);
    // An intermediate node may be a start.
    if (!element && index_.bits() != 0 &&
        At(node).prefix_length.load(std::memory_order_relaxed) >= index_.bits()) {
      SetStart(DataOf(node));
    }
  }
  RaiseVersion();
  control_.free.store(0, std::memory_order_relaxed);
  for (uint32_t node = highest; node != 0; --node) {
    if (!kept[node]) Free(node);
  }
  control_.used.store(highest, std::memory_order_relaxed);
  control_.elements.store(elements, std::memory_order_relaxed);
}

// ---- the host and engines -------------------------------------------------------

int LpmTrieMap::DoHostLookup(const std::byte* key, std::byte* value) noexcept {
  for (uint32_t tries = 1;; ++tries) {
    uint32_t version = 0;
    const uint32_t node = Find(key, &version);
    if (node == 0) return -ENOENT;
    CopyWords(value, ValueOf(node), spec_.value_size);
    if (IsStill(version, tries)) return 0;
  }
}

int LpmTrieMap::DoHostUpdate(const std::byte* key, const std::byte* value,
                             uint64_t flags) noexcept {
  return LpmTrieMap::Update(key, value, flags, 0);
}

int LpmTrieMap::DoHostDelete(const std::byte* key) noexcept { return LpmTrieMap::Delete(key, 0); }

// The first element below `from`, children before their parents.
uint32_t LpmTrieMap::Leftmost(uint32_t from) const noexcept {
  uint32_t found = 0;
  uint32_t node = from;
  for (uint32_t steps = 0; IsNode(node) && steps <= max_length_; ++steps) {
    const Node& n = At(node);
    const uint32_t left = n.child[0].load(std::memory_order_relaxed);
    if (n.intermediate.load(std::memory_order_relaxed) != 0) {
      node = left;
      continue;
    }
    found = node;
    node = left != 0 ? left : n.child[1].load(std::memory_order_relaxed);
  }
  return found;
}

// The element that follows `key`; the first one if `key` is not in the map.
uint32_t LpmTrieMap::After(const std::byte* key) const noexcept {
  const uint32_t root = control_.root.load(std::memory_order_relaxed);
  if (key == nullptr || LengthOf(key) > max_length_) return Leftmost(root);
  const uint32_t length = LengthOf(key);
  std::vector<uint32_t> way;
  uint32_t matching = 0;
  for (uint32_t node = root; IsNode(node) && way.size() <= max_length_;) {
    way.push_back(node);
    const uint32_t prefix = At(node).prefix_length.load(std::memory_order_relaxed);
    matching = Matching(node, length, DataIn(key));
    if (prefix != matching || prefix == length) break;
    node = At(node).child[BitAt(DataIn(key), prefix)].load(std::memory_order_relaxed);
    if (!IsNode(node)) way.clear();
  }
  const bool there = !way.empty() && matching == length &&
                     At(way.back()).prefix_length.load(std::memory_order_relaxed) == length &&
                     At(way.back()).intermediate.load(std::memory_order_relaxed) == 0;
  if (!there) return Leftmost(root);
  for (size_t i = way.size() - 1; i > 0; --i) {
    const Node& parent = At(way[i - 1]);
    const uint32_t right = parent.child[1].load(std::memory_order_relaxed);
    const bool from_left = parent.child[0].load(std::memory_order_relaxed) == way[i];
    if (from_left && IsNode(right)) return Leftmost(right);
    if (parent.intermediate.load(std::memory_order_relaxed) == 0) return way[i - 1];
  }
  return 0;
}

int LpmTrieMap::DoNextKey(const std::byte* key, std::byte* next) noexcept {
  const RobustGuard guard(control_.lock, holder_, [&] { Mend(); });
  const uint32_t node = After(key);
  if (node == 0) return -ENOENT;
  StoreRelaxed(reinterpret_cast<uint64_t>(next),
               At(node).prefix_length.load(std::memory_order_relaxed));
  CopyWords(next + kLengthBytes, DataOf(node), data_bytes_);
  return 0;
}

HelperFunction LpmTrieMap::helper_function(uint32_t helper_id) const noexcept {
  return DirectHelper<LpmTrieMap>(helper_id);
}

std::optional<Extent> LpmTrieMap::ElementAt(const std::byte* address) const noexcept {
  if (address < nodes_) return std::nullopt;
  const uint64_t node = static_cast<uint64_t>(address - nodes_) / stride_;
  if (node == 0 || node > last_node_) return std::nullopt;
  std::byte* value = ValueOf(static_cast<uint32_t>(node));
  if (address < value || address >= value + spec_.value_size) return std::nullopt;
  return Extent{value, spec_.value_size, (spec_.flags & kMapRdonlyProg) == 0};
}

}  // namespace skep
