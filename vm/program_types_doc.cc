// SPDX-License-Identifier: Apache-2.0
#include "vm/program_types_doc.h"

#include <string_view>
#include <vector>

#include "skep/program_type.h"

#include "vm/program_types.h"

namespace skep {
namespace {

constexpr std::string_view kIntro =
    "# Program types\n\n"
    "What programs of each type see and may do, as Linux 6.18 has it. The tests load programs of\n"
    "every type into the running kernel, one for each access to each byte of the context, and\n"
    "compare. Programs of types without a host context are verified; nothing in a process can run\n"
    "them.\n\n"
    "This page is made from `vm/program_types.def` and `vm/context_fields.def`; a test fails when "
    "it\n"
    "is out of date.\n\n"
    "| type | attach types | context | returns | packet | sleeps | rights | runs |\n"
    "|---|---|---|---|---|---|---|---|\n";

std::string AttachText(const ProgramType& type) {
  if (type.attach_types.empty()) return "any";
  std::string out;
  for (const uint32_t attach : type.attach_types) {
    if (!out.empty()) out += ", ";
    out += std::to_string(attach);
  }
  return out;
}

std::string ContextText(const ProgramType& type) {
  if (type.context_by_target) return "arguments of the attach target";
  const std::string size = std::to_string(type.context_size) + " bytes";
  if (type.id == ProgramTypeId::kMemory) return "memory and its length";
  if (type.fields.empty()) return size + (type.context_writable ? ", writable" : "");
  return "`" + std::string(type.context_type) + "`, " + size;
}

std::string ReturnText(const ReturnRange& range) {
  if (range.by_target) return "as the target";
  if (!range.checked) return "any value";
  return std::to_string(range.min) + " to " + std::to_string(range.max);
}

std::string_view PacketText(PacketAccess access) {
  switch (access) {
    case PacketAccess::kNone:
      return "";
    case PacketAccess::kReadDirectly:
      return "read, not by helpers";
    case PacketAccess::kRead:
      return "read";
    case PacketAccess::kReadWrite:
      return "read, write";
    case PacketAccess::kReadWriteAny:
      return "read, write, any helper";
  }
  return "";
}

std::string_view SleepText(Sleeping sleeping) {
  switch (sleeping) {
    case Sleeping::kNever:
      return "";
    case Sleeping::kMay:
      return "may";
    case Sleeping::kMust:
      return "always";
  }
  return "";
}

std::string_view RightsText(Rights rights) {
  switch (rights) {
    case Rights::kUnprivileged:
      return "";
    case Rights::kBpf:
      return "CAP_BPF";
    case Rights::kRoot:
      return "CAP_PERFMON";
  }
  return "";
}

std::string_view KindText(FieldKind kind) {
  switch (kind) {
    case FieldKind::kScalar:
      return "number";
    case FieldKind::kPacketData:
      return "packet";
    case FieldKind::kPacketEnd:
      return "packet end";
    case FieldKind::kPacketMeta:
      return "packet metadata";
    case FieldKind::kSocket:
      return "socket";
    case FieldKind::kSocketOrNull:
      return "socket or null";
    case FieldKind::kSockCommonOrNull:
      return "sock_common or null";
    case FieldKind::kFlowKeys:
      return "flow keys";
    case FieldKind::kTracepointBuffer:
      return "tracepoint's buffer";
    case FieldKind::kKernelObject:
      return "kernel object";
  }
  return "";
}

// "1, 2, 4": sizes of accesses that some byte of the field allows.
std::string SizesText(uint32_t accesses) {
  std::string out;
  for (int log2 = 0; log2 < 4; ++log2) {
    if ((accesses >> (log2 * 8) & 0xff) == 0) continue;
    if (!out.empty()) out += ", ";
    out += std::to_string(1 << log2);
  }
  return out;
}

// Types with one layout share a table.
void AddLayouts(std::string& out) {
  std::vector<const ContextField*> done;
  for (const ProgramType& type : BuiltinProgramTypes()) {
    const ContextField* first = type.fields.data();
    if (type.fields.empty()) continue;
    bool seen = false;
    for (const ContextField* other : done) seen |= other == first;
    if (seen) continue;
    done.push_back(first);
    std::string users;
    for (const ProgramType& user : BuiltinProgramTypes()) {
      if (user.fields.data() != first) continue;
      if (!users.empty()) users += "; ";
      users += std::string(user.name);
      if (!user.attach_types.empty()) users += " " + AttachText(user);
    }
    out += "\n## " + users +
           "\n\n| field | offset | size | loads give | load sizes | store sizes |\n" +
           "|---|---|---|---|---|---|\n";
    for (const ContextField& field : type.fields) {
      out += "| " + std::string(field.name) + " | " + std::to_string(field.offset) + " | " +
             std::to_string(field.size) + " | " + std::string(KindText(field.kind)) +
             (field.structure.empty() ? "" : " " + std::string(field.structure)) + " | " +
             SizesText(field.loads) + (field.load_rights == Rights::kBpf ? " (CAP_BPF)" : "") +
             " | " + SizesText(field.stores) +
             (field.store_rights == Rights::kBpf ? " (CAP_BPF)" : "") + " |\n";
    }
  }
}

}  // namespace

std::string ProgramTypesMarkdown() {
  std::string out(kIntro);
  for (const ProgramType& type : BuiltinProgramTypes()) {
    out += "| " + std::string(type.name) + " | " + AttachText(type) + " | " + ContextText(type) +
           " | " + ReturnText(type.returns) + " | " + std::string(PacketText(type.packet)) + " | " +
           std::string(SleepText(type.sleeping)) + " | " + std::string(RightsText(type.rights)) +
           " | " + (type.host == HostContext::kNone ? "no" : "yes") + " |\n";
  }
  AddLayouts(out);
  return out;
}

}  // namespace skep
