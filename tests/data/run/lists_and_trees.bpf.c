// SPDX-License-Identifier: Apache-2.0
// Lists and trees of objects: order, shape, who owns what. What is left in them
// goes with the map.
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "objects.h"

struct list_item {
  __u64 number;
  struct bpf_list_node link;
};
struct tree_item {
  __u64 key;
  struct bpf_rb_node link;
  __u64 extra;
};
struct shared_item {
  __u64 key;
  struct bpf_list_node in_list;
  struct bpf_rb_node in_tree;
  struct bpf_refcount owners;
};

struct shelf {
  struct bpf_spin_lock lock;
  struct bpf_list_head items __contains(list_item, link);
};
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, struct shelf);
} shelves SEC(".maps");

private(A) struct bpf_spin_lock list_lock;
private(A) struct bpf_list_head list __contains(list_item, link);
private(B) struct bpf_spin_lock tree_lock;
private(B) struct bpf_rb_root tree __contains(tree_item, link);
private(C) struct bpf_spin_lock shared_lock;
private(C) struct bpf_list_head shared_list __contains(shared_item, in_list);
private(C) struct bpf_rb_root shared_tree __contains(shared_item, in_tree);

long seen[64];

static _Bool by_key(struct bpf_rb_node* a, const struct bpf_rb_node* b) {
  return container_of(a, struct tree_item, link)->key <
         container_of(b, struct tree_item, link)->key;
}
static _Bool shared_by_key(struct bpf_rb_node* a, const struct bpf_rb_node* b) {
  return container_of(a, struct shared_item, in_tree)->key <
         container_of(b, struct shared_item, in_tree)->key;
}

static long push(__u64 number, _Bool back) {
  struct list_item* item = bpf_obj_new(struct list_item);
  if (!item) return -100;
  item->number = number;
  bpf_spin_lock(&list_lock);
  long result =
      back ? bpf_list_push_back(&list, &item->link) : bpf_list_push_front(&list, &item->link);
  bpf_spin_unlock(&list_lock);
  return result;
}

static long pop(_Bool back) {
  bpf_spin_lock(&list_lock);
  struct bpf_list_node* node = back ? bpf_list_pop_back(&list) : bpf_list_pop_front(&list);
  bpf_spin_unlock(&list_lock);
  if (!node) return -1;
  struct list_item* item = container_of(node, struct list_item, link);
  long number = item->number;
  bpf_obj_drop(item);
  return number;
}

SEC("tc")
int list_keeps_order(struct __sk_buff* skb) {
  seen[0] = pop(0);
  seen[1] = push(1, 1);
  seen[2] = push(2, 1);
  seen[3] = push(3, 0);
  seen[4] = pop(1);
  seen[5] = push(4, 1);
  seen[6] = pop(0);
  seen[7] = pop(0);
  seen[8] = pop(1);
  seen[9] = pop(1);
  push(5, 0);
  push(6, 0);
  return 0;
}

SEC("tc")
int list_ends_are_seen(struct __sk_buff* skb) {
  push(7, 1);
  push(8, 1);
  bpf_spin_lock(&list_lock);
  struct bpf_list_node* node = bpf_list_front(&list);
  if (node) seen[0] = container_of(node, struct list_item, link)->number;
  node = bpf_list_back(&list);
  if (node) seen[1] = container_of(node, struct list_item, link)->number;
  bpf_spin_unlock(&list_lock);
  return 0;
}

SEC("tc")
int lists_in_a_hash_go_with_their_element(struct __sk_buff* skb) {
  struct shelf fresh = {};
  __u32 key = 2;
  seen[0] = bpf_map_update_elem(&shelves, &key, &fresh, 0);
  for (int round = 0; round < 2; round++) {
    struct shelf* s = bpf_map_lookup_elem(&shelves, &key);
    struct list_item* item = bpf_obj_new(struct list_item);
    if (!item) return -1;
    if (!s) {
      bpf_obj_drop(item);
      return -2;
    }
    item->number = 9;
    bpf_spin_lock(&s->lock);
    seen[1 + round] = bpf_list_push_back(&s->items, &item->link);
    bpf_spin_unlock(&s->lock);
    if (round == 0) seen[3] = bpf_map_update_elem(&shelves, &key, &fresh, 0);
  }
  seen[4] = bpf_map_delete_elem(&shelves, &key);
  return 0;
}

static long add(__u64 key) {
  struct tree_item* item = bpf_obj_new(struct tree_item);
  if (!item) return -100;
  item->key = key;
  bpf_spin_lock(&tree_lock);
  long result = bpf_rbtree_add(&tree, &item->link, by_key);
  bpf_spin_unlock(&tree_lock);
  return result;
}

static long take_first(void) {
  long key = -1;
  bpf_spin_lock(&tree_lock);
  struct bpf_rb_node* node = bpf_rbtree_first(&tree);
  if (!node) {
    bpf_spin_unlock(&tree_lock);
    return -1;
  }
  node = bpf_rbtree_remove(&tree, node);
  bpf_spin_unlock(&tree_lock);
  if (!node) return -2;
  struct tree_item* item = container_of(node, struct tree_item, link);
  key = item->key;
  bpf_obj_drop(item);
  return key;
}

SEC("tc")
int tree_gives_the_smallest(struct __sk_buff* skb) {
  seen[0] = take_first();
  __u64 key = 12345;
  for (int i = 0; i < 20; i++) {
    key = key * 1103515245 + 12345;
    seen[1] += add(key >> 16 & 31);
  }
  for (int i = 0; i < 21; i++) seen[2 + i] = take_first();
  add(3);
  add(1);
  add(2);
  return 0;
}

// Walks from the root to the left and to the right: the shape of the tree after
// additions and removals.
static void shape(int at) {
  struct bpf_rb_node *node, *child;
  bpf_spin_lock(&tree_lock);
  node = bpf_rbtree_root(&tree);
  for (int i = 0; i < 5 && node; i++) {
    seen[at + i] = container_of(node, struct tree_item, link)->key + 1;
    node = bpf_rbtree_left(&tree, node);
  }
  node = bpf_rbtree_root(&tree);
  for (int i = 0; i < 5 && node; i++) {
    child = bpf_rbtree_left(&tree, node);
    if (child) seen[at + 10 + i] = container_of(child, struct tree_item, link)->key + 1;
    node = bpf_rbtree_right(&tree, node);
    if (node) seen[at + 5 + i] = container_of(node, struct tree_item, link)->key + 1;
  }
  bpf_spin_unlock(&tree_lock);
}

SEC("tc")
int tree_has_the_shape_of_linux(struct __sk_buff* skb) {
  __u64 key = 99;
  for (int i = 0; i < 16; i++) {
    key = key * 6364136223846793005ull + 1442695040888963407ull;
    add(key >> 40 & 1023);
  }
  shape(0);
  for (int i = 0; i < 5; i++) take_first();
  shape(15);
  for (int i = 0; i < 4; i++) add(i);
  shape(30);
  for (int i = 0; i < 7; i++) take_first();
  shape(45);
  return 0;
}

SEC("tc")
int shared_objects_have_two_owners(struct __sk_buff* skb) {
  struct shared_item* item = bpf_obj_new(struct shared_item);
  struct shared_item* other;
  struct bpf_rb_node* node;
  struct bpf_list_node* link;
  if (!item) return -1;
  item->key = 5;
  other = bpf_refcount_acquire(item);
  bpf_spin_lock(&shared_lock);
  seen[0] = bpf_rbtree_add(&shared_tree, &item->in_tree, shared_by_key);
  seen[1] = bpf_list_push_back(&shared_list, &other->in_list);
  bpf_spin_unlock(&shared_lock);

  bpf_spin_lock(&shared_lock);
  link = bpf_list_pop_front(&shared_list);
  bpf_spin_unlock(&shared_lock);
  if (!link) return -2;
  other = container_of(link, struct shared_item, in_list);
  seen[2] = other->key++;
  // In the tree already: the second addition drops what it is given.
  bpf_spin_lock(&shared_lock);
  seen[3] = bpf_rbtree_add(&shared_tree, &other->in_tree, shared_by_key);
  bpf_spin_unlock(&shared_lock);

  bpf_spin_lock(&shared_lock);
  node = bpf_rbtree_first(&shared_tree);
  if (!node) {
    bpf_spin_unlock(&shared_lock);
    return -3;
  }
  node = bpf_rbtree_remove(&shared_tree, node);
  bpf_spin_unlock(&shared_lock);
  if (!node) return -4;
  item = container_of(node, struct shared_item, in_tree);
  seen[4] = item->key;
  other = bpf_refcount_acquire(item);
  bpf_spin_lock(&shared_lock);
  bpf_list_push_front(&shared_list, &other->in_list);
  bpf_rbtree_add(&shared_tree, &item->in_tree, shared_by_key);
  bpf_spin_unlock(&shared_lock);
  return 0;
}
