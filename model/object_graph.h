// SPDX-License-Identifier: Apache-2.0
// ListHead and TreeRoot: what a program's struct bpf_list_head and bpf_rb_root
// hold, with the nodes inside its objects. Trees are red-black, balanced by the
// same rules as Linux's, so that a program that walks one sees the same shape.
//
// A node knows its owner, the head or root it hangs in, and where it lies in
// its object. Taking a node for a list or tree is atomic, since an object with
// several owners may be added to two at once.
//
// Threads: a head or root and the nodes in it are guarded by the program's own
// lock beside it.

#ifndef SKEP_MODEL_OBJECT_GRAPH_H_
#define SKEP_MODEL_OBJECT_GRAPH_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace skep::model {

// The last word of a node: the owner's address, and above it the offset of the
// node in its object (objects have fewer than 4096 bytes).
class NodeOwner {
 public:
  void Init(uint32_t offset) { word_ = uint64_t{offset} << kShift; }
  // False if the node is in a list or tree already.
  bool Take(const void* owner) {
    uint64_t expected = word_ & ~kMask;
    return std::atomic_ref<uint64_t>(word_).compare_exchange_strong(
        expected, expected | reinterpret_cast<uint64_t>(owner), std::memory_order_acq_rel);
  }
  void Leave() {
    std::atomic_ref<uint64_t> word(word_);
    word.store(word.load(std::memory_order_relaxed) & ~kMask, std::memory_order_release);
  }
  bool Is(const void* owner) {
    return (std::atomic_ref<uint64_t>(word_).load(std::memory_order_acquire) & kMask) ==
           reinterpret_cast<uint64_t>(owner);
  }
  uint32_t offset() {
    return static_cast<uint32_t>(std::atomic_ref<uint64_t>(word_).load(std::memory_order_relaxed) >>
                                 kShift);
  }

 private:
  static constexpr int kShift = 48;
  static constexpr uint64_t kMask = (uint64_t{1} << kShift) - 1;
  uint64_t word_;
};

struct ListNode {
  ListNode* next;
  ListNode* previous;
  NodeOwner owner;

  static ListNode& At(std::byte* address) { return *reinterpret_cast<ListNode*>(address); }
  static ListNode& At(uint64_t address) { return *reinterpret_cast<ListNode*>(address); }
  void Init(uint32_t offset) { owner.Init(offset); }
  void* object() { return reinterpret_cast<std::byte*>(this) - owner.offset(); }
};
static_assert(sizeof(ListNode) == 24);  // struct bpf_list_node

class ListHead {
 public:
  static ListHead& At(std::byte* address) { return *reinterpret_cast<ListHead*>(address); }
  static ListHead& At(uint64_t address) { return *reinterpret_cast<ListHead*>(address); }

  // False if the node is in a list or tree already.
  bool Push(ListNode& node, bool back);
  // Null if there is none.
  ListNode* Pop(bool back);
  ListNode* front() const { return first_; }
  ListNode* back() const { return last_; }
  // Drops every object in it.
  void DropAll(uint32_t node_offset);

 private:
  ListNode* first_;
  ListNode* last_;
};
static_assert(sizeof(ListHead) == 16);  // struct bpf_list_head

struct TreeNode {
  uint64_t parent_and_color;  // bit 0: black
  TreeNode* right;
  TreeNode* left;
  NodeOwner owner;

  static TreeNode& At(std::byte* address) { return *reinterpret_cast<TreeNode*>(address); }
  static TreeNode& At(uint64_t address) { return *reinterpret_cast<TreeNode*>(address); }
  void Init(uint32_t offset) { owner.Init(offset); }
  void* object() { return reinterpret_cast<std::byte*>(this) - owner.offset(); }
  TreeNode* parent() const { return reinterpret_cast<TreeNode*>(parent_and_color & ~uint64_t{1}); }
  bool black() const { return (parent_and_color & 1) != 0; }
  void set(TreeNode* parent, bool black) {
    parent_and_color = reinterpret_cast<uint64_t>(parent) | (black ? 1 : 0);
  }
  void set_parent(TreeNode* parent) { set(parent, black()); }
  void set_black(bool black) { set(parent(), black); }
};
static_assert(sizeof(TreeNode) == 32);  // struct bpf_rb_node

class TreeRoot {
 public:
  static TreeRoot& At(std::byte* address) { return *reinterpret_cast<TreeRoot*>(address); }
  static TreeRoot& At(uint64_t address) { return *reinterpret_cast<TreeRoot*>(address); }

  // Puts `node`, which was taken for this tree, below `parent` (null: the tree
  // is empty).
  void Insert(TreeNode& node, TreeNode* parent, bool left);
  void Remove(TreeNode& node);
  TreeNode* root() const { return root_; }
  TreeNode* first() const { return leftmost_; }
  // Drops every object in it.
  void DropAll(uint32_t node_offset);

 private:
  void Rotate(TreeNode& node, bool left);
  void ReplaceChild(TreeNode* parent, TreeNode* was, TreeNode* now);
  void RebalanceAfterInsert(TreeNode* node);
  void RebalanceAfterRemove(TreeNode* node, TreeNode* parent);

  TreeNode* root_;
  TreeNode* leftmost_;
};
static_assert(sizeof(TreeRoot) == 16);  // struct bpf_rb_root

}  // namespace skep::model

#endif  // SKEP_MODEL_OBJECT_GRAPH_H_
