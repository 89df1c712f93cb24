// SPDX-License-Identifier: Apache-2.0
// Lists and trees of the program's own objects. What is added belongs to the
// list or tree; a node that is in one already is dropped, as in Linux.
#include <cerrno>

#include "helpers/functions.h"
#include "helpers/registers.h"
#include "model/object_graph.h"
#include "model/object_heap.h"
#include "model/runtime_services.h"

namespace skep::helpers {
namespace {

using model::HeldBy;
using model::ListHead;
using model::ListNode;
using model::ObjectHeap;
using model::TreeNode;
using model::TreeRoot;

template <class Node>
uint64_t FromNode(const Node* node) {
  return reinterpret_cast<uint64_t>(node);
}

uint64_t Push(uint64_t head, uint64_t node, bool back, ExecutionContext& context) {
  ListNode& n = ListNode::At(node);
  void* object = n.object();
  HeldBy(context).RemoveObject(object);
  if (ListHead::At(head).Push(n, back)) return 0;
  ObjectHeap::Drop(object);
  return FromResult(-EINVAL);
}

uint64_t Pop(uint64_t head, bool back, ExecutionContext& context) {
  ListNode* node = ListHead::At(head).Pop(back);
  if (node != nullptr) HeldBy(context).AddObject(node->object());
  return FromNode(node);
}

}  // namespace

uint64_t ListPushFront(uint64_t head, uint64_t node, uint64_t, uint64_t, uint64_t,
                       ExecutionContext& context) noexcept {
  return Push(head, node, false, context);
}

uint64_t ListPushBack(uint64_t head, uint64_t node, uint64_t, uint64_t, uint64_t,
                      ExecutionContext& context) noexcept {
  return Push(head, node, true, context);
}

uint64_t ListPopFront(uint64_t head, uint64_t, uint64_t, uint64_t, uint64_t,
                      ExecutionContext& context) noexcept {
  return Pop(head, false, context);
}

uint64_t ListPopBack(uint64_t head, uint64_t, uint64_t, uint64_t, uint64_t,
                     ExecutionContext& context) noexcept {
  return Pop(head, true, context);
}

uint64_t ListFront(uint64_t head, uint64_t, uint64_t, uint64_t, uint64_t,
                   ExecutionContext&) noexcept {
  return FromNode(ListHead::At(head).front());
}

uint64_t ListBack(uint64_t head, uint64_t, uint64_t, uint64_t, uint64_t,
                  ExecutionContext&) noexcept {
  return FromNode(ListHead::At(head).back());
}

// less(node, other) says on which side of `other` the node goes.
uint64_t RbtreeAdd(uint64_t root, uint64_t node, uint64_t less, uint64_t, uint64_t,
                   ExecutionContext& context) noexcept {
  TreeRoot& tree = TreeRoot::At(root);
  TreeNode& n = TreeNode::At(node);
  void* object = n.object();
  if (!n.owner.Take(&tree)) {
    HeldBy(context).RemoveObject(object);
    ObjectHeap::Drop(object);
    return FromResult(-EINVAL);
  }
  TreeNode* parent = nullptr;
  bool left = false;
  for (TreeNode* at = tree.root(); at != nullptr; at = left ? at->left : at->right) {
    parent = at;
    left = context.Call(less, node, FromNode(at), 0, 0, 0) != 0;
    if (context.stopped()) {  // the run still holds the object
      n.owner.Leave();
      return 0;
    }
  }
  HeldBy(context).RemoveObject(object);
  tree.Insert(n, parent, left);
  return 0;
}

uint64_t RbtreeRemove(uint64_t root, uint64_t node, uint64_t, uint64_t, uint64_t,
                      ExecutionContext& context) noexcept {
  TreeRoot& tree = TreeRoot::At(root);
  TreeNode& n = TreeNode::At(node);
  if (!n.owner.Is(&tree)) return 0;
  tree.Remove(n);
  HeldBy(context).AddObject(n.object());
  return node;
}

uint64_t RbtreeFirst(uint64_t root, uint64_t, uint64_t, uint64_t, uint64_t,
                     ExecutionContext&) noexcept {
  return FromNode(TreeRoot::At(root).first());
}

uint64_t RbtreeRoot(uint64_t root, uint64_t, uint64_t, uint64_t, uint64_t,
                    ExecutionContext&) noexcept {
  return FromNode(TreeRoot::At(root).root());
}

uint64_t RbtreeLeft(uint64_t root, uint64_t node, uint64_t, uint64_t, uint64_t,
                    ExecutionContext&) noexcept {
  TreeNode& n = TreeNode::At(node);
  return n.owner.Is(&TreeRoot::At(root)) ? FromNode(n.left) : 0;
}

uint64_t RbtreeRight(uint64_t root, uint64_t node, uint64_t, uint64_t, uint64_t,
                     ExecutionContext&) noexcept {
  TreeNode& n = TreeNode::At(node);
  return n.owner.Is(&TreeRoot::At(root)) ? FromNode(n.right) : 0;
}

}  // namespace skep::helpers
