// SPDX-License-Identifier: Apache-2.0
// Helpers of syscall programs that reach out of the run: all are the host's to
// grant (ExecutionHooks).
#include <cerrno>
#include <string_view>

#include "helpers/functions.h"
#include "helpers/registers.h"

namespace skep::helpers {
namespace {

// A name with its NUL, in so many bytes; false if it is none.
bool NameOf(uint64_t address, uint64_t size, std::string_view* name) {
  const auto bytes = static_cast<uint32_t>(size);
  const auto* text = reinterpret_cast<const char*>(address);
  if (bytes <= 1 || text[bytes - 1] != '\0') return false;
  *name = std::string_view(text, bytes - 1);
  *name = name->substr(0, name->find('\0'));
  return true;
}

}  // namespace

uint64_t SysBpf(uint64_t command, uint64_t attributes, uint64_t size, uint64_t, uint64_t,
                ExecutionContext& context) noexcept {
  const auto& hook = context.hooks().sys_bpf;
  if (hook == nullptr) return FromResult(-EPERM);
  return FromResult(
      hook(static_cast<uint32_t>(command), {AsBytes(attributes), static_cast<uint32_t>(size)}));
}

uint64_t SysClose(uint64_t fd, uint64_t, uint64_t, uint64_t, uint64_t,
                  ExecutionContext& context) noexcept {
  const auto& hook = context.hooks().sys_close;
  return FromResult(hook == nullptr ? -EPERM : hook(static_cast<int>(fd)));
}

uint64_t BtfFindByNameKind(uint64_t name, uint64_t size, uint64_t kind, uint64_t flags, uint64_t,
                           ExecutionContext& context) noexcept {
  std::string_view text;
  if (flags != 0 || !NameOf(name, size, &text)) return FromResult(-EINVAL);
  const auto& hook = context.hooks().find_type;
  return FromResult(hook == nullptr ? -ENOENT : hook(text, static_cast<uint32_t>(kind)));
}

uint64_t KallsymsLookupName(uint64_t name, uint64_t size, uint64_t flags, uint64_t result, uint64_t,
                            ExecutionContext& context) noexcept {
  auto* out = reinterpret_cast<uint64_t*>(result);
  *out = 0;
  std::string_view text;
  if (flags != 0 || !NameOf(name, size, &text)) return FromResult(-EINVAL);
  const auto& hook = context.hooks().find_symbol;
  return FromResult(hook == nullptr ? -EPERM : hook(text, *out));
}

}  // namespace skep::helpers
