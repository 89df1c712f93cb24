// SPDX-License-Identifier: Apache-2.0
// Loads and stores through pointers into the kernel: objects that BTF describes,
// maps themselves, sockets as programs see them, flow keys and the buffers of
// iterators and raw tracepoints.
//
// A pointer by BTF is followed at constant offsets only; Linux mends a load that
// faults, so that the result of a bad one is 0.

#include <algorithm>

#include "verifier/helper_rules.h"
#include "verifier/socket_fields.h"
#include "verifier/verifier.h"
#include "verifier/writable_fields.h"

namespace skep::verifier {
namespace {

constexpr uint32_t kFlowKeysSize = 56;  // struct bpf_flow_keys

// Linux's structure behind a map of this type.
std::string_view StructNameOf(MapType type) {
  switch (type) {
    case MapType::kArray:
    case MapType::kPercpuArray:
    case MapType::kProgArray:
    case MapType::kPerfEventArray:
    case MapType::kCgroupArray:
    case MapType::kArrayOfMaps:
      return "bpf_array";
    case MapType::kHash:
    case MapType::kPercpuHash:
    case MapType::kLruHash:
    case MapType::kLruPercpuHash:
    case MapType::kHashOfMaps:
      return "bpf_htab";
    case MapType::kLpmTrie:
      return "lpm_trie";
    case MapType::kStackTrace:
      return "bpf_stack_map";
    case MapType::kQueue:
    case MapType::kStack:
      return "bpf_queue_stack";
    case MapType::kRingbuf:
    case MapType::kUserRingbuf:
      return "bpf_ringbuf_map";
    case MapType::kSkStorage:
    case MapType::kInodeStorage:
    case MapType::kTaskStorage:
    case MapType::kCgrpStorage:
      return "bpf_local_storage_map";
    case MapType::kDevmap:
    case MapType::kDevmapHash:
      return "bpf_dtab";
    case MapType::kCpumap:
      return "bpf_cpu_map";
    case MapType::kXskmap:
      return "xsk_map";
    case MapType::kSockmap:
      return "bpf_stab";
    case MapType::kSockhash:
      return "bpf_shtab";
    case MapType::kCgroupStorage:
    case MapType::kPercpuCgroupStorage:
      return "bpf_cgroup_storage_map";
    case MapType::kReuseportSockarray:
      return "reuseport_array";
    case MapType::kStructOps:
      return "bpf_struct_ops_map";
    case MapType::kBloomFilter:
      return "bpf_bloom_filter";
    case MapType::kArena:
      return "bpf_arena";
    default:
      return {};
  }
}

}  // namespace

uint32_t Verifier::TargetStruct(std::string_view name) {
  const btf::Btf* btf = BtfOf(kTargetBtf);
  if (btf == nullptr) return 0;
  for (const auto& [known, id] : target_structs_) {
    if (known == name) return id;
  }
  const uint32_t id = btf->Find(name, btf::Kind::kStruct);
  target_structs_.emplace_back(name, id);
  return id;
}

Register Verifier::FromWalk(const BtfWalk& walk, uint32_t btf, uint16_t flags) {
  Register out = Register::Unknown();
  if (walk.field == BtfField::kPointer) {
    out = Register::Pointer(RegKind::kBtfId, flags);
    out.btf = btf;
    out.btf_id = walk.btf_id;
    if (out.MaybeNull()) out.id = NewId();
  } else if (walk.field == BtfField::kMemory) {
    out = Register::Pointer(RegKind::kMemory, kReadOnly | kUntrusted);
  }
  return out;
}

// Linux says in structures of its own, called NAME__safe_rcu and the like, which
// pointers inside NAME are as good as NAME itself.
bool Verifier::IsInSafeList(const Register& pointer, const BtfWalk& walk, std::string_view suffix) {
  if (pointer.btf != kTargetBtf) return false;
  const btf::Btf& btf = *BtfOf(kTargetBtf);
  const uint32_t list = TargetStruct(std::string(btf.name(pointer.btf_id)) + std::string(suffix));
  if (list == 0 || btf.kind(pointer.btf_id) != btf::Kind::kStruct) return false;
  const btf::Type t = btf.type(list);
  for (uint32_t i = 0; i < t.vlen; ++i) {
    const btf::Member m = btf.member(list, i);
    if (btf.kind(m.type) != btf::Kind::kPtr) continue;
    if (btf.SkipModifiers(btf.type(m.type).size_or_type) == walk.btf_id && m.name == walk.name) {
      return true;
    }
  }
  return false;
}

// How far a pointer can be trusted that was loaded through `pointer`, as RegFlags.
//
// Sound because: trust is passed on for fields alone that Linux promises to keep
// alive with what holds them; all other pointers are marked so that no call takes
// them, or only calls that check them.
uint16_t Verifier::TrustOf(const Register& pointer, const BtfWalk& walk) {
  constexpr uint16_t kGood = kAlloc | kTrusted | kNonOwning | kRcu;
  uint16_t flags = walk.flags;
  const auto without = [](uint16_t from, uint16_t what) {
    return static_cast<uint16_t>(from & ~what);
  };
  if ((pointer.flags & kUntrusted) != 0) return kUntrusted;
  if (!IsTrusted(pointer) && !IsRcuProtected(pointer)) return without(flags, kGood);
  if (IsInSafeList(pointer, walk, "__safe_trusted")) return flags | kTrusted;
  if (IsInSafeList(pointer, walk, "__safe_trusted_or_null")) return flags | kTrusted | kMaybeNull;
  if (!InRcuSection() || pointer.MaybeNull()) return kUntrusted;
  if (IsInSafeList(pointer, walk, "__safe_rcu")) return flags | kRcu;
  const bool or_null = IsInSafeList(pointer, walk, "__safe_rcu_or_null");
  if ((flags & kRcu) != 0 || or_null) {
    if (or_null) flags = without(flags, kUntrusted);
    return flags | kRcu | kMaybeNull;
  }
  if ((flags & (kPercpu | kUser)) != 0) return flags;
  return without(flags, kGood);
}

// Everything about a pointer by BTF but what it points to there.
bool Verifier::CheckBtfPointer(int number, int64_t off, Access access) {
  const Register& r = reg(number);
  const std::string_view name = BtfTypeName(r, referents());
  if (!allow_ptr_leaks()) return Reject(FindingCode::kStructNeedsPerfmon, {name});
  if (r.btf == kTargetBtf && !IsGplCompatible(program_.data().license)) {
    return Reject(FindingCode::kStructNeedsGpl, {name});
  }
  if (off < 0) return Reject(FindingCode::kBtfNegative, {number, name, off});
  if (!r.var.bits.IsConst() || r.var.bits.value != 0) {
    return Reject(FindingCode::kBtfVariable, {number, name, off, TnumText(r.var.bits)});
  }
  if ((r.flags & kUser) != 0) return Reject(FindingCode::kBtfUser, {number, name, off});
  if ((r.flags & kPercpu) != 0) return Reject(FindingCode::kBtfPercpu, {number, name, off});
  if (access == Access::kWrite && (r.flags & kUntrusted) != 0) {
    return Reject(FindingCode::kBtfReadOnly, {});
  }
  return true;
}

bool Verifier::AccessBtfPointer(int number, int64_t off, int64_t size, Access access,
                                int value_reg) {
  const Register pointer = reg(number);
  if (pointer.MaybeNull()) {
    return Reject(FindingCode::kBadAccessKind, {number, KindName(pointer)});
  }
  if (!CheckBtfPointer(number, off, access)) return false;
  const bool own = (pointer.flags & kAlloc) != 0;
  if (access == Access::kWrite && !own)
    return CheckKernelWrite(number, off, static_cast<int>(size));
  const btf::Btf* btf = BtfOf(pointer.btf);
  if (btf == nullptr) return Reject(FindingCode::kNoTargetBtf, {});
  if (own && !CheckObjectFields(pointer.btf_id, off, size)) return false;
  BtfWalk walk = WalkStruct(*btf, pointer.btf_id, static_cast<uint32_t>(off),
                            static_cast<uint32_t>(size), !own);
  if (walk.field == BtfField::kRefused) return RejectWithText(walk.refused, walk.message);
  if (access == Access::kWrite || value_reg < 0) return true;
  // What an object of the program's own points to is a number to it.
  if (own) walk.field = BtfField::kScalar;
  const uint16_t flags = walk.field == BtfField::kPointer ? TrustOf(pointer, walk) : 0;
  reg(value_reg) = FromWalk(walk, pointer.btf, flags);
  changes_.regs = static_cast<uint16_t>(changes_.regs | 1u << value_reg);
  return true;
}

// Locks, lists and the like inside the program's own object.
bool Verifier::CheckObjectFields(uint32_t id, int64_t off, int64_t size) {
  const FieldRecord* record = local_records().Find(id);
  if (record == nullptr) return true;
  for (const SpecialField& field : record->fields) {
    if (off < int64_t{field.offset} + field.size && int64_t{field.offset} < off + size) {
      return Reject(FindingCode::kObjectField, {NameOf(field.kind)});
    }
  }
  return true;
}

// A store into an object of the kernel's.
bool Verifier::CheckKernelWrite(int number, int64_t off, int size) {
  const Register& r = reg(number);
  const std::string_view name = BtfTypeName(r, referents());
  bool fields = false;
  switch (program_.type()) {
    case ProgramTypeId::kSchedCls:
    case ProgramTypeId::kSchedAct:
    case ProgramTypeId::kXdp:
      fields = name == "nf_conn" || name == "nf_conn___init";
      break;
    case ProgramTypeId::kStructOps:
      if (target_.structure == "tcp_congestion_ops") {
        fields = name == "tcp_sock";
      } else if (target_.structure == "bpf_dummy_ops") {
        return CheckDummyWrite(number, off, size);
      } else {
        return Reject(FindingCode::kUnsupportedWrite, {name});
      }
      break;
    default:
      break;
  }
  const btf::Btf* btf = BtfOf(r.btf);
  if (!fields || btf == nullptr) return Reject(FindingCode::kBtfReadOnly, {});
  const auto at = static_cast<uint32_t>(off);
  const WritableField field = FindWritableField(*btf, r.btf_id, name, at);
  if (!field.found) return Reject(FindingCode::kNoWriteSupport, {name, off});
  if (off + size > int64_t{field.end}) {
    return Reject(FindingCode::kWriteBeyondMember, {off, size, name, field.end});
  }
  return true;
}

// The structure that Linux has for testing struct_ops: all of its state.
bool Verifier::CheckDummyWrite(int number, int64_t off, int size) {
  const Register& r = reg(number);
  if (BtfTypeName(r, referents()) != "bpf_dummy_ops_state") {
    return Reject(FindingCode::kDummyState, {});
  }
  if (off + size > int64_t{BtfOf(r.btf)->SizeOf(r.btf_id).value_or(0)}) {
    return Reject(FindingCode::kDummyRange, {off, size});
  }
  return true;
}

bool Verifier::AccessMapPointer(int number, int64_t off, int size, Access access, int value_reg) {
  const MapType type = map(reg(number).map).type;
  const std::string_view name = StructNameOf(type);
  if (name.empty()) {
    return Reject(FindingCode::kUnsupportedMapType, {static_cast<uint32_t>(type)});
  }
  if (!allow_ptr_leaks()) return Reject(FindingCode::kStructNeedsPerfmon, {name});
  if (off < 0) return Reject(FindingCode::kMapPointerNegative, {number, name, off});
  if (access == Access::kWrite) return Reject(FindingCode::kMapPointerWrite, {name});
  const uint32_t id = TargetStruct(name);
  if (id == 0) return Reject(FindingCode::kUnsupportedMapPointer, {});
  const BtfWalk walk = WalkStruct(*BtfOf(kTargetBtf), id, static_cast<uint32_t>(off),
                                  static_cast<uint32_t>(size), true);
  if (walk.field == BtfField::kRefused) return RejectWithText(walk.refused, walk.message);
  if (value_reg < 0) return true;
  reg(value_reg) = FromWalk(walk, kTargetBtf, walk.flags);
  changes_.regs = static_cast<uint16_t>(changes_.regs | 1u << value_reg);
  return true;
}

bool Verifier::AccessSocket(int number, int64_t off, int size, Access access, int value_reg) {
  const Register pointer = reg(number);
  if (pointer.flags != 0) return Reject(FindingCode::kBadAccessKind, {number, KindName(pointer)});
  if (access == Access::kWrite) {
    return Reject(FindingCode::kReadOnlyMemory, {number, KindName(pointer)});
  }
  if (pointer.var.wide.smin < 0) return Reject(FindingCode::kMinNegative, {number});
  if (!SocketFieldReadable(pointer.kind, off, size)) {
    return Reject(FindingCode::kSocketAccess, {number, KindName(pointer), off, size});
  }
  if (value_reg >= 0) SetUnknown(value_reg);
  return true;
}

bool Verifier::AccessFlowKeys(int64_t off, int size, Access access, int value_reg) {
  if (access == Access::kWrite && value_reg >= 0 && LeaksPointer(value_reg)) {
    return Reject(FindingCode::kLeakIntoFlowKeys, {value_reg});
  }
  if (off < 0 || off + size > int64_t{kFlowKeysSize}) {
    return Reject(FindingCode::kFlowKeysAccess, {off, size});
  }
  if (access == Access::kRead && value_reg >= 0) SetUnknown(value_reg);
  return true;
}

// How far it reaches is checked when the program is attached.
bool Verifier::CheckBufferRange(int number, int64_t off, int64_t size, std::string_view what) {
  const Register& r = reg(number);
  if (off < 0) return Reject(FindingCode::kBufferNegative, {number, what, off, size});
  if (!r.var.bits.IsConst() || r.var.bits.value != 0) {
    return Reject(FindingCode::kBufferVariable, {number, off, TnumText(r.var.bits)});
  }
  return true;
}

bool Verifier::AccessBuffer(int number, int64_t off, int64_t size, Access access, int value_reg) {
  const Register pointer = reg(number);
  if (pointer.MaybeNull()) {
    return Reject(FindingCode::kBadAccessKind, {number, KindName(pointer)});
  }
  const bool read_only = (pointer.flags & kReadOnly) != 0;
  if (access == Access::kWrite && read_only) {
    return Reject(FindingCode::kReadOnlyMemory, {number, KindName(pointer)});
  }
  std::string_view what = read_only ? "rdonly" : "rdwr";
  if (pointer.kind == RegKind::kTracingBuffer) what = "tracepoint";
  if (!CheckBufferRange(number, off, size, what)) return false;
  if (access == Access::kRead && value_reg >= 0) SetUnknown(value_reg);
  return true;
}

}  // namespace skep::verifier
