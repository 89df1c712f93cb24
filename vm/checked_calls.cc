// SPDX-License-Identifier: Apache-2.0
#include "vm/checked_calls.h"

#define FMT_HEADER_ONLY 1
#include <fmt/format.h>

#include "model/dynptr.h"
#include "model/helper_entry.h"
#include "model/map_type_info.h"

namespace skep {
namespace {

using model::SpecialKind;

constexpr uint64_t kMaxMemory = uint64_t{1} << 29;  // BPF_MAX_VAR_SIZ
constexpr uint32_t kRingbufReserve = 131;
constexpr uint32_t kRingbufSubmit = 132;
constexpr uint32_t kRingbufDiscard = 133;
constexpr uint32_t kRingbufReserveDynptr = 198;
constexpr uint32_t kRingbufSubmitDynptr = 199;
constexpr uint32_t kRingbufDiscardDynptr = 200;

// One argument of a call, with what earlier arguments said.
class ArgumentCheck {
 public:
  ArgumentCheck(const HelperSpec& spec, const uint64_t* r, const CheckedMemory& memory)
      : spec_(spec), r_(r), memory_(memory) {}

  std::string Run() {
    for (size_t i = 0; i < spec_.args.size() && spec_.args[i].kind != ArgKind::kNone; ++i) {
      std::string refused = CheckOne(i);
      if (!refused.empty()) return fmt::format("argument {}: {}", i + 1, refused);
    }
    return {};
  }

 private:
  uint64_t Value(size_t i) const { return r_[i + 1]; }

  std::string CheckOne(size_t i) {
    const ArgSpec& arg = spec_.args[i];
    const uint64_t value = Value(i);
    switch (arg.kind) {
      case ArgKind::kNone:
      case ArgKind::kAnything:
      case ArgKind::kConstAllocSizeOrZero:
        return {};
      case ArgKind::kContext:
        return memory_.IsContext(value) ? std::string()
                                        : fmt::format("{:#x} is not the context", value);
      case ArgKind::kConstMap:
        return CheckMap(value);
      case ArgKind::kMapKey:
        return CheckBlock(arg, value, map_ == nullptr ? 0 : map_->spec().key_size);
      case ArgKind::kMapValue:
        return CheckBlock(arg, value, map_ == nullptr ? 0 : map_->spec().value_size);
      case ArgKind::kMem:
        return CheckMemory(i);
      case ArgKind::kConstSize:
        if (value == 0) return "a size of 0, need at least 1";
        [[fallthrough]];
      case ArgKind::kConstSizeOrZero:
        return value < kMaxMemory ? std::string() : fmt::format("a size of {} bytes", value);
      case ArgKind::kRingbufMem:
        return memory_.HasRecord(value) ? std::string()
                                        : fmt::format("{:#x} is no reserved record", value);
      case ArgKind::kConstString:
        return CheckString(value);
      case ArgKind::kFunction:
        return memory_.IsFunction(value) ? std::string()
                                         : fmt::format("{:#x} is no function", value);
      case ArgKind::kStack:
        if (value == 0 && (arg.flags & kArgMaybeNull) != 0) return {};
        return memory_.InStack(value) ? std::string()
                                      : fmt::format("{:#x} is not in the stack", value);
      case ArgKind::kDynptr:
        return CheckDynptr(arg, value);
      case ArgKind::kSpinLock:
        return CheckField(value, model::MaskOf(SpecialKind::kSpinLock));
      case ArgKind::kTimer:
        return CheckField(value, model::MaskOf(SpecialKind::kTimer));
      case ArgKind::kKptr:
        return CheckField(value, model::MaskOf(SpecialKind::kKptr, SpecialKind::kKptrPercpu));
      case ArgKind::kBtfId:
      case ArgKind::kPercpuBtfId:
        return CheckObject(arg, value);
      case ArgKind::kSockCommon:
      case ArgKind::kSocket:
      case ArgKind::kBtfIdSockCommon:
        if (value == 0 && (arg.flags & kArgMaybeNull) != 0) return {};
        if ((arg.flags & kArgOpaque) != 0) return {};
        return "a kind of argument that the checked engine does not know";
    }
    return "unknown argument kind";
  }

  std::string CheckMap(uint64_t value) {
    map_ = memory_.FindMap(value);
    if (map_ == nullptr) return fmt::format("{:#x} is not a map of the program", value);
    const model::MapTypeInfo* info = model::FindMapType(map_->type());
    if (info == nullptr || !info->TakenBy(spec_.id)) {
      return fmt::format("a map of type {}, which the helper does not take",
                         info == nullptr ? "unknown" : info->name);
    }
    return {};
  }

  std::string CheckMemory(size_t i) const {
    const ArgSpec& arg = spec_.args[i];
    uint64_t size = arg.size;
    const bool sized_by_next =
        i + 1 < spec_.args.size() && (spec_.args[i + 1].kind == ArgKind::kConstSize ||
                                      spec_.args[i + 1].kind == ArgKind::kConstSizeOrZero);
    if (sized_by_next) size = Value(i + 1);
    return CheckBlock(arg, Value(i), size);
  }

  std::string CheckBlock(const ArgSpec& arg, uint64_t address, uint64_t size) const {
    if (address == 0 && (arg.flags & kArgMaybeNull) != 0) return {};
    if (size == 0) return {};
    const bool write = (arg.flags & (kArgWrite | kArgUninit)) != 0;
    if (size < kMaxMemory && memory_.CheckRange(address, size, write)) return {};
    return fmt::format("{} of {} bytes at {:#x}; allowed: {}", write ? "write" : "read", size,
                       address, memory_.Describe());
  }

  std::string CheckField(uint64_t address, model::SpecialMask kinds) const {
    if (memory_.InField(address, kinds)) return {};
    return fmt::format("{:#x} is no field of the kind that a verified program has", address);
  }

  std::string CheckObject(const ArgSpec& arg, uint64_t address) const {
    if (address == 0 && (arg.flags & kArgMaybeNull) != 0) return {};
    if ((arg.flags & kArgOpaque) != 0 || memory_.IsObject(address)) return {};
    return fmt::format("{:#x} is no object of the program's own", address);
  }

  std::string CheckDynptr(const ArgSpec& arg, uint64_t address) const {
    const bool fresh = (arg.flags & kArgUninit) != 0;
    if (address % alignof(model::Dynptr) != 0 ||
        !(memory_.CheckRange(address, sizeof(model::Dynptr), fresh) ||
          (!fresh && memory_.IsLentDynptr(address)))) {
      return fmt::format("{:#x} is no place of a dynptr", address);
    }
    if (fresh) return {};
    const bool record = (arg.flags & kArgDynptrRingbuf) != 0;
    return memory_.HoldsDynptr(address, record) ? std::string()
                                                : fmt::format("{:#x} is no dynptr", address);
  }

  std::string CheckString(uint64_t address) const {
    for (uint64_t length = 0; length < 4096; ++length) {
      if (!memory_.CheckRange(address + length, 1, false)) break;
      if (*reinterpret_cast<const char*>(address + length) == 0) return {};
    }
    return fmt::format("no terminated string at {:#x}", address);
  }

  const HelperSpec& spec_;
  const uint64_t* r_;
  const CheckedMemory& memory_;
  Map* map_ = nullptr;
};

}  // namespace

std::string CheckHelperCall(const HelperSpec& spec, const uint64_t* r,
                            const CheckedMemory& memory) {
  return ArgumentCheck(spec, r, memory).Run();
}

void NoteHelperCall(const HelperSpec& spec, const uint64_t* r, CheckedMemory& memory) {
  if (spec.id == kRingbufSubmit || spec.id == kRingbufDiscard) memory.RemoveRecord(r[1]);
  if (spec.id == kRingbufSubmitDynptr || spec.id == kRingbufDiscardDynptr) {
    memory.RemoveRecord(model::Dynptr::At(r[1]).data);
  }
}

void NoteHelperResult(const HelperSpec& spec, const uint64_t* r, CheckedMemory& memory) {
  if (spec.id == kRingbufReserve && r[0] != 0) memory.AddRecord(r[0], r[2]);
  if (spec.id == kRingbufReserveDynptr && r[0] == 0) {
    const model::Dynptr& record = model::Dynptr::At(r[4]);
    memory.AddRecord(record.data, record.size());
  }
  if (spec.id == model::kHelperMapLookup && r[0] != 0) {
    const MapType outer = memory.FindMap(r[1])->type();
    if (outer == MapType::kArrayOfMaps || outer == MapType::kHashOfMaps) {
      memory.AddInnerMap(reinterpret_cast<Map*>(r[0]));
    }
  }
}

void ReleaseRecords(const model::ExecProgram& program, CheckedMemory& memory,
                    ExecutionContext& context) {
  const auto held = memory.records();
  if (held.empty()) return;
  for (uint32_t i = 0; i < program.helper_count; ++i) {
    const model::HelperEntry& entry = program.call_base[i];
    if (entry.spec->id != kRingbufDiscard) continue;
    for (const uint64_t record : held) entry.function(record, 0, 0, 0, 0, context);
    return;
  }
}

}  // namespace skep
