// SPDX-License-Identifier: Apache-2.0
#include "model/object_heap.h"

#include <cstring>
#include <new>
#include <utility>

#include "base/check.h"
#include "base/memory_access.h"
#include "model/object_graph.h"

namespace skep::model {
namespace {

// Linux's allocator for programs serves up to 4096 bytes, 8 of them its own.
constexpr uint64_t kMaxObject = 4096 - 8;

std::atomic_ref<uint32_t> CounterOf(std::byte* object, const ValueField& field) {
  return std::atomic_ref<uint32_t>(*reinterpret_cast<uint32_t*>(object + field.offset));
}

void InitFields(const ValueType& type, std::byte* object) {
  for (const ValueField& f : type.fields) {
    switch (f.kind) {
      case SpecialKind::kListNode:
        ListNode::At(object + f.offset).Init(f.offset);
        break;
      case SpecialKind::kRbNode:
        TreeNode::At(object + f.offset).Init(f.offset);
        break;
      case SpecialKind::kRefcount:
        CounterOf(object, f).store(1, std::memory_order_relaxed);
        break;
      case SpecialKind::kSpinLock:
      case SpecialKind::kResSpinLock:
      case SpecialKind::kTimer:
      case SpecialKind::kWorkqueue:
      case SpecialKind::kTaskWork:
      case SpecialKind::kListHead:
      case SpecialKind::kRbRoot:
      case SpecialKind::kKptrUntrusted:
      case SpecialKind::kKptr:
      case SpecialKind::kKptrPercpu:
      case SpecialKind::kUptr:
        break;
    }
  }
}

}  // namespace

struct ObjectHeap::Header {
  std::shared_ptr<const ValueType> type;
  ObjectHeap* heap;
  uint32_t copies;
  uint32_t stride;  // from one copy to the next

  std::byte* object() { return reinterpret_cast<std::byte*>(this) + sizeof(Header); }
};

ObjectHeap::Header& ObjectHeap::HeaderOf(const void* object) {
  auto* address = static_cast<std::byte*>(const_cast<void*>(object));
  return *reinterpret_cast<Header*>(address - sizeof(Header));
}

ObjectHeap::~ObjectHeap() {
  epochs_->Collect();
  SKEP_CHECK(live() == 0);
}

void* ObjectHeap::Allocate(std::shared_ptr<const ValueType> type, uint32_t copies) {
  if (type->size > kMaxObject) return nullptr;
  const uint32_t stride = (type->size + 7) / 8 * 8;
  const uint64_t bytes = uint64_t{stride} * copies;
  void* memory = operator new(sizeof(Header) + bytes, std::nothrow);
  if (memory == nullptr) return nullptr;
  auto* header = new (memory) Header{std::move(type), this, copies, stride};
  std::byte* object = header->object();
  std::memset(object, 0, bytes);
  for (uint32_t i = 0; i < copies; ++i) InitFields(*header->type, object + uint64_t{i} * stride);
  live_.fetch_add(1, std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  extents_.emplace(reinterpret_cast<uintptr_t>(object), bytes);
  return object;
}

void* ObjectHeap::Make(std::shared_ptr<const ValueType> type) {
  return Allocate(std::move(type), 1);
}

void* ObjectHeap::MakePerCpu(std::shared_ptr<const ValueType> type, uint32_t cpus) {
  return Allocate(std::move(type), cpus);
}

const ValueType& ObjectHeap::TypeOf(const void* object) { return *HeaderOf(object).type; }

bool ObjectHeap::Share(void* object) {
  const ValueField* field = TypeOf(object).Find(MaskOf(SpecialKind::kRefcount));
  SKEP_CHECK(field != nullptr);
  const auto counter = CounterOf(static_cast<std::byte*>(object), *field);
  uint32_t owners = counter.load(std::memory_order_relaxed);
  while (owners != 0) {
    if (counter.compare_exchange_weak(owners, owners + 1, std::memory_order_relaxed)) return true;
  }
  return false;
}

void ObjectHeap::Drop(void* object) {
  Header& header = HeaderOf(object);
  auto* bytes = static_cast<std::byte*>(object);
  if (const ValueField* field = header.type->Find(MaskOf(SpecialKind::kRefcount));
      field != nullptr && CounterOf(bytes, *field).fetch_sub(1, std::memory_order_acq_rel) != 1) {
    return;
  }
  for (uint32_t i = 0; i < header.copies; ++i) {
    DropOwned(*header.type, bytes + uint64_t{i} * header.stride);
  }
  header.heap->live_.fetch_sub(1, std::memory_order_relaxed);
  header.heap->epochs_->Retire(&header, Free);
}

void ObjectHeap::Free(void* memory) noexcept {
  auto* header = static_cast<Header*>(memory);
  {
    const std::lock_guard lock(header->heap->mutex_);
    header->heap->extents_.erase(reinterpret_cast<uintptr_t>(header->object()));
  }
  header->~Header();
  operator delete(memory);
}

std::byte* ObjectHeap::CopyOf(void* object, uint32_t cpu) {
  const Header& header = HeaderOf(object);
  if (cpu >= header.copies) return nullptr;
  return static_cast<std::byte*>(object) + uint64_t{cpu} * header.stride;
}

std::optional<Extent> ObjectHeap::ObjectAt(const std::byte* address) const {
  const auto number = reinterpret_cast<uintptr_t>(address);
  const std::lock_guard lock(mutex_);
  auto next = extents_.upper_bound(number);
  if (next == extents_.begin()) return std::nullopt;
  const auto& [begin, bytes] = *--next;
  if (number - begin >= bytes) return std::nullopt;
  return Extent{reinterpret_cast<std::byte*>(begin), bytes, true};
}

void DropOwned(const ValueType& type, std::byte* value) noexcept {
  for (const ValueField& f : type.fields) {
    std::byte* at = value + f.offset;
    switch (f.kind) {
      case SpecialKind::kKptr:
      case SpecialKind::kKptrPercpu: {
        auto& word = *reinterpret_cast<uint64_t*>(at);
        const uint64_t owned =
            std::atomic_ref<uint64_t>(word).exchange(0, std::memory_order_acq_rel);
        if (owned != 0) ObjectHeap::Drop(reinterpret_cast<void*>(owned));
        break;
      }
      case SpecialKind::kListHead:
        ListHead::At(at).DropAll(f.node_offset);
        break;
      case SpecialKind::kRbRoot:
        TreeRoot::At(at).DropAll(f.node_offset);
        break;
      case SpecialKind::kSpinLock:
      case SpecialKind::kResSpinLock:
      case SpecialKind::kTimer:
      case SpecialKind::kWorkqueue:
      case SpecialKind::kTaskWork:
      case SpecialKind::kListNode:
      case SpecialKind::kRbNode:
      case SpecialKind::kRefcount:
      case SpecialKind::kKptrUntrusted:
      case SpecialKind::kUptr:
        break;
    }
  }
}

}  // namespace skep::model
