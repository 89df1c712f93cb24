// SPDX-License-Identifier: Apache-2.0
#include "model/object_graph.h"

#include "model/object_heap.h"

namespace skep::model {

bool ListHead::Push(ListNode& node, bool back) {
  if (!node.owner.Take(this)) return false;
  node.next = back ? nullptr : first_;
  node.previous = back ? last_ : nullptr;
  (node.next != nullptr ? node.next->previous : last_) = &node;
  (node.previous != nullptr ? node.previous->next : first_) = &node;
  return true;
}

ListNode* ListHead::Pop(bool back) {
  ListNode* node = back ? last_ : first_;
  if (node == nullptr) return nullptr;
  (node->next != nullptr ? node->next->previous : last_) = node->previous;
  (node->previous != nullptr ? node->previous->next : first_) = node->next;
  node->next = node->previous = nullptr;
  node->owner.Leave();
  return node;
}

// One at a time: an object may own another list, which goes first in its turn.
void ListHead::DropAll(uint32_t node_offset) {
  while (ListNode* node = Pop(false)) {
    ObjectHeap::Drop(reinterpret_cast<std::byte*>(node) - node_offset);
  }
}

// ---- trees ------------------------------------------------------------------

void TreeRoot::ReplaceChild(TreeNode* parent, TreeNode* was, TreeNode* now) {
  if (parent == nullptr) {
    root_ = now;
  } else {
    (parent->left == was ? parent->left : parent->right) = now;
  }
}

// The child on the other side takes the node's place, the node becomes its child.
void TreeRoot::Rotate(TreeNode& node, bool left) {
  TreeNode& child = left ? *node.right : *node.left;
  TreeNode*& inner = left ? child.left : child.right;
  (left ? node.right : node.left) = inner;
  if (inner != nullptr) inner->set_parent(&node);
  child.set_parent(node.parent());
  ReplaceChild(node.parent(), &node, &child);
  inner = &node;
  node.set_parent(&child);
}

void TreeRoot::Insert(TreeNode& node, TreeNode* parent, bool left) {
  node.left = node.right = nullptr;
  node.set(parent, false);
  if (parent == nullptr) {
    root_ = leftmost_ = &node;
  } else {
    (left ? parent->left : parent->right) = &node;
    if (left && parent == leftmost_) leftmost_ = &node;
  }
  RebalanceAfterInsert(&node);
}

// A red node may have a red parent: two reds in a row move up or are turned away.
void TreeRoot::RebalanceAfterInsert(TreeNode* node) {
  while (true) {
    TreeNode* parent = node->parent();
    if (parent == nullptr) return node->set_black(true);
    if (parent->black()) return;
    TreeNode* above = parent->parent();
    const bool left = above->left == parent;
    TreeNode* uncle = left ? above->right : above->left;
    if (uncle != nullptr && !uncle->black()) {
      parent->set_black(true);
      uncle->set_black(true);
      above->set_black(false);
      node = above;
      continue;
    }
    if (node == (left ? parent->right : parent->left)) {
      Rotate(*parent, left);
      parent = node;
    }
    Rotate(*above, !left);
    parent->set_black(true);
    above->set_black(false);
    return;
  }
}

void TreeRoot::Remove(TreeNode& node) {
  if (leftmost_ == &node) {
    // It has no left child: the next one is in its right subtree or above it.
    TreeNode* next = node.right;
    if (next == nullptr)
      next = node.parent();
    else
      while (next->left != nullptr) next = next->left;
    leftmost_ = next;
  }
  TreeNode* child;   // takes the place of what is cut out
  TreeNode* parent;  // of that place
  bool was_black;
  if (node.left == nullptr || node.right == nullptr) {
    child = node.left != nullptr ? node.left : node.right;
    parent = node.parent();
    was_black = node.black();
    if (child != nullptr) child->set_parent(parent);
    ReplaceChild(parent, &node, child);
  } else {
    TreeNode* next = node.right;
    while (next->left != nullptr) next = next->left;
    child = next->right;
    was_black = next->black();
    parent = next->parent();
    if (parent == &node) {
      parent = next;
    } else {
      parent->left = child;
      if (child != nullptr) child->set_parent(parent);
      next->right = node.right;
      node.right->set_parent(next);
    }
    next->left = node.left;
    node.left->set_parent(next);
    ReplaceChild(node.parent(), &node, next);
    next->parent_and_color = node.parent_and_color;
  }
  if (was_black) RebalanceAfterRemove(child, parent);
  node.left = node.right = nullptr;
  node.parent_and_color = 0;
  node.owner.Leave();
}

// The paths through `node` (which may be null) have one black node too few.
void TreeRoot::RebalanceAfterRemove(TreeNode* node, TreeNode* parent) {
  while (parent != nullptr && (node == nullptr || node->black())) {
    const bool left = parent->left == node;
    TreeNode* sibling = left ? parent->right : parent->left;
    if (!sibling->black()) {
      sibling->set_black(true);
      parent->set_black(false);
      Rotate(*parent, left);
      sibling = left ? parent->right : parent->left;
    }
    const auto is_red = [](const TreeNode* n) { return n != nullptr && !n->black(); };
    TreeNode* inner = left ? sibling->left : sibling->right;
    TreeNode* outer = left ? sibling->right : sibling->left;
    if (!is_red(inner) && !is_red(outer)) {
      sibling->set_black(false);
      node = parent;
      parent = node->parent();
      continue;
    }
    if (!is_red(outer)) {
      inner->set_black(true);
      sibling->set_black(false);
      Rotate(*sibling, !left);
      outer = sibling;
      sibling = inner;
    }
    sibling->set_black(parent->black());
    parent->set_black(true);
    outer->set_black(true);
    Rotate(*parent, left);
    return;
  }
  if (node != nullptr) node->set_black(true);
}

void TreeRoot::DropAll(uint32_t node_offset) {
  while (TreeNode* node = leftmost_) {
    Remove(*node);
    ObjectHeap::Drop(reinterpret_cast<std::byte*>(node) - node_offset);
  }
}

}  // namespace skep::model
