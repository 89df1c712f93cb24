// SPDX-License-Identifier: Apache-2.0
#include "loader/attach_target.h"

#include <cerrno>
#include <string>

#include <fmt/format.h>

namespace skep::loader {
namespace {

// Linux's enum bpf_attach_type.
constexpr uint32_t kRawTracepoint = 23, kLsmMac = 27, kIterator = 28, kLsmCgroup = 43;

// How the kernel's BTF calls what a target's name means.
struct Naming {
  std::string_view prefix;
  btf::Kind kind = btf::Kind::kFunc;
};
Naming NamingOf(uint32_t attach_type) {
  switch (attach_type) {
    case kRawTracepoint:
      return {"btf_trace_", btf::Kind::kTypedef};
    case kLsmMac:
    case kLsmCgroup:
      return {"bpf_lsm_", btf::Kind::kFunc};
    case kIterator:
      return {"bpf_iter_", btf::Kind::kFunc};
    default:  // a number of Linux's, no enum of ours
      return {"", btf::Kind::kFunc};
  }
}

Error Unresolved(std::string message, int sys_errno) {
  return {ErrorCode::kUnresolved, std::move(message), sys_errno};
}

}  // namespace

Result<uint32_t> FindAttachTarget(const SectionMeaning& meaning, const btf::Btf* target) {
  if (meaning.rule == nullptr || !meaning.rule->needs_target) return 0u;
  if (meaning.rule->type == ProgramTypeId::kExt) {
    return Error{ErrorCode::kUnsupported,
                 fmt::format("section {}: the program to be replaced was not given", meaning.name),
                 EINVAL};
  }
  std::string_view name = meaning.target;
  if (name.empty()) {
    return Unresolved(
        fmt::format("section {} names no target, need {}/NAME", meaning.name, meaning.rule->name),
        EINVAL);
  }
  if (const size_t colon = name.find(':'); colon != std::string_view::npos) {
    const std::string_view module = name.substr(0, colon);
    name = name.substr(colon + 1);
    if (module != "vmlinux") {
      return Error{ErrorCode::kUnsupported,
                   fmt::format("section {}: the types of kernel module '{}' were not given",
                               meaning.name, module),
                   ESRCH};
    }
  }
  if (target == nullptr) {
    return Unresolved(fmt::format("section {}: '{}' is looked up in the kernel's types (BTF), "
                                  "which were not given",
                                  meaning.name, name),
                      ESRCH);
  }
  const Naming naming = NamingOf(meaning.rule->attach_type);
  const uint32_t id = target->Find(std::string(naming.prefix) += name, naming.kind);
  if (id == 0) {
    return Unresolved(
        fmt::format("section {}: the kernel has no {} '{}{}'", meaning.name,
                    naming.kind == btf::Kind::kFunc ? "function" : "type", naming.prefix, name),
        ESRCH);
  }
  return id;
}

}  // namespace skep::loader
