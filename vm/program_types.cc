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

enum class Accesses : uint8_t { kNone, kWord, kNarrow, kWide };

// The bits of ContextField::loads for a field of `size` bytes.
constexpr uint32_t AccessBits(Accesses accesses, int size) {
  uint32_t bits = 0;
  for (int log2 = 0; log2 < 4; ++log2) {
    const int bytes = 1 << log2;
    for (int at = 0; at + bytes <= size; at += bytes) {
      const bool whole = bytes == size;
      const bool part = accesses == Accesses::kNarrow || accesses == Accesses::kWide;
      if (accesses != Accesses::kNone && (whole || part)) bits |= FieldAccessBit(log2, at);
    }
  }
  if (accesses == Accesses::kWide) bits |= FieldAccessBit(3, 0);
  return bits;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"
using XdpHost = model::XdpContext;
using XdpDevmapHost = model::XdpContext;
using SkbFilterHost = model::SkbContext;
using SkbTcHost = model::SkbContext;

enum class Layout : uint8_t { kBytes, kXdp, kXdpDevmap, kSkbFilter, kSkbTc };

constexpr size_t CountFields(Layout layout) {
  size_t n = 0;
#define SKEP_FIELD(layout_name, ...) n += layout == Layout::k##layout_name ? 1 : 0;
#include "vm/context_fields.def"
  return n;
}

template <Layout layout>
constexpr auto MakeFields() {
  std::array<ContextField, CountFields(layout)> fields{};
  size_t n = 0;
#define SKEP_FIELD(layout_name, field, at, bytes, field_kind, load, store, member)          \
  if (layout == Layout::k##layout_name) {                                                   \
    fields[n++] = ContextField{#field,                                                      \
                               at,                                                          \
                               bytes,                                                       \
                               FieldKind::k##field_kind,                                    \
                               AccessBits(Accesses::k##load, bytes),                        \
                               AccessBits(Accesses::k##store, bytes),                       \
                               static_cast<uint16_t>(offsetof(layout_name##Host, member))}; \
  }
#include "vm/context_fields.def"
  return fields;
}
#pragma GCC diagnostic pop

template <Layout layout>
std::span<const ContextField> Fields() {
  if constexpr (layout == Layout::kBytes) {
    return {};
  } else {
    static constexpr auto kFields = MakeFields<layout>();
    return kFields;
  }
}

// Linux's enum bpf_attach_type.
constexpr uint32_t kAttachXdpDevmap[] = {33};
constexpr std::span<const uint32_t> kForAny = {};
constexpr std::span<const uint32_t> kForXdpDevmap = kAttachXdpDevmap;

}  // namespace

std::span<const ProgramType> BuiltinProgramTypes() {
  static const auto kTypes = std::to_array<ProgramType>({
#define SKEP_PROGRAM_TYPE(enumerator, layout, size, start, writable, packet_access, ld, \
                          private_frames, sleepable, attach)                            \
  ProgramType{.id = ProgramTypeId::k##enumerator,                                       \
              .name = ProgramTypeName(ProgramTypeId::k##enumerator),                    \
              .attach_types = kFor##attach,                                             \
              .fields = Fields<Layout::k##layout>(),                                    \
              .context_size = size,                                                     \
              .context_start = start,                                                   \
              .context_writable = writable,                                             \
              .packet = PacketAccess::k##packet_access,                                 \
              .ld_abs = ld,                                                             \
              .private_stack = private_frames,                                          \
              .sleepable_only = sleepable,                                              \
              .returns = {}},
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
    return ((store ? field.stores : field.loads) & bit) != 0 ? &field : nullptr;
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
