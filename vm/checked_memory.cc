// SPDX-License-Identifier: Apache-2.0
#include "vm/checked_memory.h"

#include <algorithm>

#define FMT_HEADER_ONLY 1
#include <fmt/format.h>

#include "skep/engine.h"
#include "skep/program_type.h"

#include "base/check.h"
#include "base/memory_access.h"
#include "model/dynptr.h"
#include "model/execution_layout.h"
#include "model/host_context.h"
#include "model/object_heap.h"
#include "vm/program_types.h"

namespace skep {
namespace {

uint64_t AsNumber(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

uint64_t HostContextSize(const ProgramType& type) {
  switch (type.host) {
    case HostContext::kXdp:
      return sizeof(model::XdpContext);
    case HostContext::kSkb:
      return sizeof(model::SkbContext);
    case HostContext::kBytes:
    case HostContext::kNone:
      break;
  }
  // An embedder's structure may be larger than what programs see of it.
  uint64_t size = type.context_size;
  for (const ContextField& field : type.fields) {
    const uint64_t bytes = field.kind == FieldKind::kScalar ? field.size : sizeof(uint64_t);
    size = std::max(size, field.host_offset + bytes);
  }
  return size;
}

// What the field of this kind holds in a context of bytes; 0 if there is none.
uint64_t PointerIn(const ProgramType& type, uint64_t context, FieldKind kind) {
  for (const ContextField& field : type.fields) {
    if (field.kind == kind) return LoadRelaxed<uint64_t>(context + field.host_offset);
  }
  return 0;
}

// Tail calls out of functions leave the frames of their callers behind.
uint64_t StackTop(const model::ExecProgram& program, ExecutionContext& context) {
  const bool nests = std::any_of(program.maps.begin(), program.maps.end(), [](const auto& map) {
    return map->type() == MapType::kProgArray;
  });
  if (!nests) {
    return AsNumber(model::ExecutionLayout::stack(context)) +
           uint64_t{model::kMaxFrames} * model::kFrameBytes;
  }
  auto& stack = model::ExecutionLayout::extras(context).nested_stack;
  if (stack == nullptr) stack = std::make_unique<std::byte[]>(model::kNestedStackBytes);
  return AsNumber(stack.get()) + model::kNestedStackBytes;
}

}  // namespace

CheckedMemory::CheckedMemory(const model::ExecProgram& program, ExecutionContext& context,
                             void* context_pointer, uint64_t length)
    : program_(&program),
      execution_(&context),
      stack_top_(StackTop(program, context)),
      context_(AsNumber(context_pointer)),
      context_is_block_(program.program_type->fields.empty()) {
  stack_low_ = stack_top_ - model::kFrameBytes;
  if (context_ == 0 && !context_is_block_) {
    context_size_ = 0;  // a callback that runs later has none
  } else if (!context_is_block_) {
    context_size_ = HostContextSize(*program.program_type);
  } else {
    context_size_ = length != 0 ? length : program.context_bytes;
  }
}

CheckedMemory::PacketExtent CheckedMemory::packet() const {
  if (program_->program_type->packet == PacketAccess::kNone || context_is_block_ || context_ == 0) {
    return {};
  }
  if (program_->program_type->host == HostContext::kXdp) {
    const auto* xdp = reinterpret_cast<const model::XdpContext*>(context_);
    return {AsNumber(xdp->data_meta), AsNumber(xdp->data), AsNumber(xdp->data_end)};
  }
  if (program_->program_type->host == HostContext::kBytes) {
    const ProgramType& type = *program_->program_type;
    const uint64_t data = PointerIn(type, context_, FieldKind::kPacketData);
    return {data, data, PointerIn(type, context_, FieldKind::kPacketEnd)};
  }
  const auto* skb = reinterpret_cast<const model::SkbContext*>(context_);
  return {AsNumber(skb->data_meta), AsNumber(skb->data), AsNumber(skb->data_end)};
}

CheckedMemory::Region CheckedMemory::Packet() const {
  const PacketExtent extent = packet();
  return {extent.meta, extent.end - extent.meta};
}

// What a flow dissector fills.
CheckedMemory::Region CheckedMemory::Keys() const {
  if (program_->type != ProgramTypeId::kFlowDissector || context_ == 0) return {};
  const auto* skb = reinterpret_cast<const model::SkbContext*>(context_);
  return {AsNumber(skb->flow_keys), sizeof(FlowKeys)};
}

uint64_t CheckedMemory::RecordSize(uint64_t address) const {
  for (const Region& record : records_) {
    if (record.begin == address) return record.size;
  }
  return 0;
}

bool CheckedMemory::IsFunction(uint64_t value) const {
  return std::any_of(program_->subprograms.begin(), program_->subprograms.end(),
                     [=](const model::ExecSubprogram& sub) {
                       return value == model::ExecProgram::FunctionValue(sub.start);
                     });
}

bool CheckedMemory::InMaps(uint64_t address, uint64_t bytes, bool write) const {
  const uint32_t forbidden = write ? kMapRdonlyProg : kMapWronlyProg;
  const auto allows = [&](const Map* map) {
    if ((map->spec().flags & forbidden) != 0) return false;
    const auto element = map->ElementAt(reinterpret_cast<const std::byte*>(address));
    if (!element || !Region{AsNumber(element->begin), element->size}.Holds(address, bytes)) {
      return false;
    }
    // What is not verified must not make up locks and pointers.
    const model::ValueType* type = map->value_type();
    return program_->verified || type == nullptr ||
           !type->Overlaps(static_cast<uint32_t>(address - AsNumber(element->begin)),
                           static_cast<uint32_t>(bytes));
  };
  return std::any_of(program_->maps.begin(), program_->maps.end(),
                     [&](const auto& map) { return allows(map.get()); }) ||
         std::any_of(inner_maps_.begin(), inner_maps_.end(), allows);
}

bool CheckedMemory::InLent(uint64_t address, uint64_t bytes, bool write) const {
  for (const Extent& extent : model::ExecutionLayout::extras(*execution_).lent) {
    if (Region{AsNumber(extent.begin), extent.size}.Holds(address, bytes)) {
      return extent.writable || !write;
    }
  }
  return false;
}

// Only verified programs get hold of objects.
bool CheckedMemory::InObjects(uint64_t address, uint64_t bytes) const {
  if (!program_->verified) return false;
  const auto object =
      model::ServicesOf(*execution_).heap->ObjectAt(reinterpret_cast<const std::byte*>(address));
  return object && Region{AsNumber(object->begin), object->size}.Holds(address, bytes);
}

bool CheckedMemory::IsObject(uint64_t address) const {
  if (!program_->verified) return false;
  const auto object =
      model::ServicesOf(*execution_).heap->ObjectAt(reinterpret_cast<const std::byte*>(address));
  return object && AsNumber(object->begin) == address;
}

bool CheckedMemory::InField(uint64_t address, model::SpecialMask kinds) const {
  const auto holds = [&](const std::byte* begin, const model::ValueType* type) {
    return type != nullptr &&
           type->At(static_cast<uint32_t>(address - AsNumber(begin)), kinds) != nullptr;
  };
  const auto in_map = [&](const Map* map) {
    const auto element = map->ElementAt(reinterpret_cast<const std::byte*>(address));
    return element && holds(element->begin, map->value_type());
  };
  if (!program_->verified) return false;
  if (std::any_of(program_->maps.begin(), program_->maps.end(),
                  [&](const auto& map) { return in_map(map.get()); }) ||
      std::any_of(inner_maps_.begin(), inner_maps_.end(), in_map)) {
    return true;
  }
  const auto object =
      model::ServicesOf(*execution_).heap->ObjectAt(reinterpret_cast<const std::byte*>(address));
  return object && holds(object->begin, &model::ObjectHeap::TypeOf(object->begin));
}

bool CheckedMemory::CheckRange(uint64_t address, uint64_t bytes, bool write) const {
  if (Region{stack_low_, stack_top_ - stack_low_}.Holds(address, bytes)) return true;
  for (const Region& record : records_) {
    if (record.Holds(address, bytes)) return true;
  }
  const bool packet_writable = PacketIsWritable(program_->program_type->packet);
  if (Packet().Holds(address, bytes)) return !write || packet_writable;
  if (Keys().Holds(address, bytes)) return true;
  if (context_is_block_ && Region{context_, context_size_}.Holds(address, bytes)) {
    return !write || program_->program_type->context_writable;
  }
  return InMaps(address, bytes, write) || InObjects(address, bytes) ||
         InLent(address, bytes, write);
}

std::optional<CheckedAccess> CheckedMemory::Check(uint64_t address, uint32_t bytes,
                                                  AccessMode mode) const {
  const bool write = mode != AccessMode::kRead;
  if (!context_is_block_ && Region{context_, context_size_}.Holds(address, bytes)) {
    if (mode == AccessMode::kAtomic) return std::nullopt;
    // Lowering has already checked and turned verified accesses.
    if (program_->verified) return CheckedAccess{address, bytes};
    const ProgramType& type = *program_->program_type;
    const uint64_t offset = address - context_;
    if (offset > 0xffff ||
        FindContextField(type, static_cast<uint32_t>(offset), bytes, write) == nullptr) {
      return std::nullopt;
    }
    const HostAccess host = LowerContextAccess(type, static_cast<uint32_t>(offset), bytes);
    return CheckedAccess{context_ + host.offset, host.bytes};
  }
  // Linux allows atomics on the stack, on map values and on records only.
  if (mode == AccessMode::kAtomic && Packet().Holds(address, bytes)) return std::nullopt;
  if (!CheckRange(address, bytes, write)) return std::nullopt;
  return CheckedAccess{address, bytes};
}

Map* CheckedMemory::FindMap(uint64_t address) const {
  for (const auto& map : program_->maps) {
    if (AsNumber(map.get()) == address) return map.get();
  }
  for (Map* map : inner_maps_) {
    if (AsNumber(map) == address) return map;
  }
  return nullptr;
}

void CheckedMemory::AddInnerMap(Map* map) {
  if (FindMap(AsNumber(map)) == nullptr) inner_maps_.push_back(map);
}

void CheckedMemory::AddRecord(uint64_t address, uint64_t bytes) {
  records_.push_back({address, bytes});
}

bool CheckedMemory::HasRecord(uint64_t address) const {
  return std::any_of(records_.begin(), records_.end(),
                     [=](const Region& record) { return record.begin == address; });
}

void CheckedMemory::RemoveRecord(uint64_t address) {
  std::erase_if(records_, [=](const Region& record) { return record.begin == address; });
}

bool CheckedMemory::IsLentDynptr(uint64_t address) const {
  return address == AsNumber(model::ExecutionLayout::extras(*execution_).lent_dynptr);
}

bool CheckedMemory::HoldsDynptr(uint64_t address, bool record) const {
  const model::Dynptr dynptr = model::Dynptr::At(address);
  if (dynptr.is_null()) return true;
  switch (dynptr.kind()) {
    case model::Dynptr::Kind::kRingbuf:
      return HasRecord(dynptr.data) &&
             uint64_t{dynptr.offset} + dynptr.size() <= RecordSize(dynptr.data);
    case model::Dynptr::Kind::kLocal:
      if (record) return false;
      return IsLentDynptr(address) ||
             CheckRange(dynptr.data + dynptr.offset, dynptr.size(), !dynptr.read_only());
    case model::Dynptr::Kind::kSkb:
    case model::Dynptr::Kind::kXdp:
      return !record && IsContext(dynptr.data);
    case model::Dynptr::Kind::kNull:
      break;
  }
  return false;
}

std::vector<uint64_t> CheckedMemory::records() const {
  std::vector<uint64_t> out;
  for (const Region& record : records_) out.push_back(record.begin);
  return out;
}

std::string CheckedMemory::Describe() const {
  std::string out = fmt::format("stack [{:#x}, {:#x})", stack_low_, stack_top_);
  out += fmt::format(", {} [{:#x}, {:#x})",
                     program_->type == ProgramTypeId::kMemory ? "memory" : "context", context_,
                     context_ + context_size_);
  if (const Region packet = Packet(); packet.size != 0) {
    out += fmt::format(", packet [{:#x}, {:#x})", packet.begin, packet.begin + packet.size);
  }
  for (const Region& record : records_) {
    out += fmt::format(", record [{:#x}, {:#x})", record.begin, record.begin + record.size);
  }
  const size_t maps = program_->maps.size() + inner_maps_.size();
  if (maps != 0) out += fmt::format(", values of {} maps", maps);
  return out;
}

}  // namespace skep
