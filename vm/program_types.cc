// SPDX-License-Identifier: Apache-2.0
#include "vm/program_types.h"

#include <array>
#include <cstddef>

#include "skep/verify.h"

#include "base/check.h"
#include "helpers/helper_table.h"
#include "model/host_context.h"
#include "model/program_type_name.h"

namespace skep {
namespace {

// The words of vm/context_fields.def.
enum class Accesses : uint8_t {
  kNone,
  kWord,
  kNarrow,
  kWide,
  kDouble,
  kLow,
  kPort,
  kHalves,
  kTail,
  kBpfWord,
};

// Whether a field of `size` bytes may be accessed by `bytes` bytes at `at`, both
// aligned and inside the field.
constexpr bool Allows(Accesses accesses, int size, int bytes, int at) {
  const bool whole = bytes == size;
  switch (accesses) {
    case Accesses::kNone:
      return false;
    case Accesses::kWord:
    case Accesses::kBpfWord:
    case Accesses::kDouble:
      return whole;
    case Accesses::kNarrow:
    case Accesses::kWide:
      return true;
    case Accesses::kLow:
      return at == 0;
    case Accesses::kPort:
      return at == 0 || (at == 1 && bytes == 1);
    case Accesses::kHalves:
      return bytes * 2 >= size;
    case Accesses::kTail:
      return at != 0;
  }
  return false;
}

// The bits of ContextField::loads for a field of `size` bytes.
constexpr uint32_t AccessBits(Accesses accesses, int size) {
  uint32_t bits = 0;
  for (int log2 = 0; log2 < 4; ++log2) {
    const int bytes = 1 << log2;
    for (int at = 0; at + bytes <= size; at += bytes) {
      if (Allows(accesses, size, bytes, at)) bits |= FieldAccessBit(log2, at);
    }
  }
  const bool wide = accesses == Accesses::kWide || accesses == Accesses::kDouble;
  return wide ? bits | FieldAccessBit(3, 0) : bits;
}

constexpr Rights RightsFor(Accesses accesses) {
  return accesses == Accesses::kBpfWord ? Rights::kBpf : Rights::kUnprivileged;
}

// Context layouts: a bit each, so that a field names all that have it.
using Layouts = uint64_t;
enum LayoutBit : Layouts {
  kXdp = 1u << 0,
  kXdpDevmap = 1u << 1,
  kSkbFilter = 1u << 2,
  kSkbTc = 1u << 3,
  kSkbLwt = 1u << 4,
  kSkbCgroup = 1u << 5,
  kSkbSk = 1u << 6,
  kSkbFlow = 1u << 7,
  kSockCreate = 1u << 8,
  kSockBind4 = 1u << 9,
  kSockBind6 = 1u << 10,
  kSockAddr4 = 1u << 11,
  kSockAddr6 = 1u << 12,
  kSockAddrUnix = 1u << 13,
  kSockAddrSend4 = 1u << 14,
  kSockAddrSend6 = 1u << 15,
  kSockOps = 1u << 16,
  kSkMsg = 1u << 17,
  kReuseport = 1u << 18,
  kSkLookup = 1u << 19,
  kSysctl = 1u << 20,
  kSockoptGet = 1u << 21,
  kSockoptSet = 1u << 22,
  kDevice = 1u << 23,
  kPerfEvent = 1u << 24,
  kRawWritable = 1u << 25,
  kNetfilter = 1u << 26,
  kLirc = 1u << 27,
  // Without named fields.
  kBytes = 1u << 28,
  kOfTarget = 1u << 29,
};
constexpr Layouts kXdpAny = kXdp | kXdpDevmap;
constexpr Layouts kSkb = kSkbFilter | kSkbTc | kSkbLwt | kSkbCgroup | kSkbSk;
constexpr Layouts kSkbPacket = kSkbTc | kSkbLwt | kSkbSk | kSkbFlow;
constexpr Layouts kSock = kSockCreate | kSockBind4 | kSockBind6;
constexpr Layouts kSockAddr =
    kSockAddr4 | kSockAddr6 | kSockAddrUnix | kSockAddrSend4 | kSockAddrSend6;
constexpr Layouts kSockopt = kSockoptGet | kSockoptSet;

// The table's column for what a load gives.
struct KindColumn {
  FieldKind kind;
  std::string_view structure;
  constexpr KindColumn(FieldKind k, std::string_view s = {}) : kind(k), structure(s) {}
};
constexpr KindColumn Kernel(std::string_view structure) {
  return {FieldKind::kKernelObject, structure};
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"
#define SKEP_HOST_Xdp(member) offsetof(model::XdpContext, member)
#define SKEP_HOST_Skb(member) offsetof(model::SkbContext, member)
#define SKEP_HOST_Same kSameOffset

constexpr size_t kSameOffset = 0xffff;

constexpr size_t CountFields(Layouts layout) {
  size_t n = 0;
#define SKEP_FIELD(layouts, ...) n += ((layouts)&layout) != 0 ? 1 : 0;
#include "vm/context_fields.def"
  return n;
}

template <Layouts layout>
constexpr auto MakeFields() {
  using enum FieldKind;
  std::array<ContextField, CountFields(layout)> fields{};
  size_t n = 0;
#define SKEP_FIELD(layouts, field, at, bytes, kind_column, load, store, host)           \
  if (((layouts)&layout) != 0) {                                                        \
    constexpr KindColumn kKind = kind_column;                                           \
    fields[n++] = ContextField{                                                         \
        #field,                                                                         \
        at,                                                                             \
        bytes,                                                                          \
        kKind.kind,                                                                     \
        AccessBits(Accesses::k##load, bytes),                                           \
        AccessBits(Accesses::k##store, bytes),                                          \
        static_cast<uint16_t>(SKEP_HOST_##host == kSameOffset ? at : SKEP_HOST_##host), \
        kKind.structure,                                                                \
        RightsFor(Accesses::k##load),                                                   \
        RightsFor(Accesses::k##store)};                                                 \
  }
#include "vm/context_fields.def"
  return fields;
}
#undef SKEP_HOST_Xdp
#undef SKEP_HOST_Skb
#undef SKEP_HOST_Same
#pragma GCC diagnostic pop

template <Layouts layout>
struct FieldsOf {
  static constexpr auto kList = MakeFields<layout>();
};

// The words of vm/program_types.def.
template <uint32_t... attach_types>
struct AttachTypes {
  static constexpr uint32_t kList[] = {attach_types...};
};
#define On(...) std::span<const uint32_t>(AttachTypes<__VA_ARGS__>::kList)
constexpr std::span<const uint32_t> kTheRest = {};
constexpr ReturnRange Only(int64_t min, int64_t max) {
  return {.checked = true, .min = min, .max = max};
}
constexpr ReturnRange kAnything = {};
constexpr ReturnRange kByTarget = {.by_target = true};

}  // namespace

std::span<const ProgramType> BuiltinProgramTypes() {
  static const auto kTypes = std::to_array<ProgramType>({
#define SKEP_PROGRAM_TYPE(enumerator, attach, layout, context, size, start, writable,     \
                          packet_access, ld, private_frames, sleep, needed, range, host_) \
  ProgramType{.id = ProgramTypeId::k##enumerator,                                         \
              .name = ProgramTypeName(ProgramTypeId::k##enumerator),                      \
              .attach_types = attach,                                                     \
              .context_type = context,                                                    \
              .fields = FieldsOf<k##layout>::kList,                                       \
              .context_size = size,                                                       \
              .context_start = start,                                                     \
              .context_writable = writable,                                               \
              .context_by_target = k##layout == kOfTarget,                                \
              .packet = PacketAccess::k##packet_access,                                   \
              .ld_abs = ld,                                                               \
              .private_stack = private_frames,                                            \
              .sleeping = Sleeping::k##sleep,                                             \
              .rights = Rights::k##needed,                                                \
              .returns = range,                                                           \
              .host = HostContext::k##host_},
#include "vm/program_types.def"
  });
  return kTypes;
}

Environment BuiltinEnvironment(uint32_t cpu_slots) {
  return {.program_types = BuiltinProgramTypes(), .helpers = HelperTable(), .cpu_slots = cpu_slots};
}

const ProgramType* Environment::FindProgramType(ProgramTypeId id, uint32_t attach_type) const {
  for (const ProgramType& type : program_types) {
    if (type.id != id) continue;
    if (type.attach_types.empty()) return &type;
    for (const uint32_t attach : type.attach_types) {
      if (attach == attach_type) return &type;
    }
  }
  return nullptr;
}

const ContextField* FindContextField(const ProgramType& type, uint32_t offset, uint32_t bytes,
                                     bool store) {
  if (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8) return nullptr;
  const int log2 = __builtin_ctz(bytes);
  for (const ContextField& field : type.fields) {
    if (offset < field.offset || offset >= uint32_t{field.offset} + field.size) continue;
    const uint32_t bit = FieldAccessBit(log2, static_cast<int>(offset - field.offset));
    if (offset - field.offset < 8 && ((store ? field.stores : field.loads) & bit) != 0) {
      return &field;
    }
  }
  return nullptr;
}

HostAccess LowerContextAccess(const ProgramType& type, uint32_t offset, uint32_t bytes) {
  if (type.fields.empty()) {
    return {static_cast<uint16_t>(offset), static_cast<uint8_t>(bytes)};
  }
  const ContextField* field = FindContextField(type, offset, bytes, false);
  if (field == nullptr) field = FindContextField(type, offset, bytes, true);
  SKEP_CHECK(field != nullptr);
  if (field->kind != FieldKind::kScalar) return {field->host_offset, 8};
  return {static_cast<uint16_t>(field->host_offset + (offset - field->offset)),
          static_cast<uint8_t>(bytes)};
}

}  // namespace skep
