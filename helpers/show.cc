// SPDX-License-Identifier: Apache-2.0
// bpf_snprintf_btf: a value of the host's memory printed by its type.
#include <cerrno>
#include <vector>

#include "base/safe_read.h"
#include "btf/linux_show.h"
#include "helpers/functions.h"
#include "helpers/registers.h"

namespace skep::helpers {
namespace {

// struct btf_ptr.
struct TypedPointer {
  uint64_t address;
  uint32_t type_id;
  uint32_t flags;  // Linux has no use for them yet
};

constexpr uint32_t kMaxValue = 1u << 20;  // bytes of a value; the largest of Linux's has 200 KiB

}  // namespace

// Addresses inside of the value are shown as they are: they are the host's own.
uint64_t SnprintfBtf(uint64_t out, uint64_t out_size, uint64_t pointer, uint64_t pointer_size,
                     uint64_t flags, ExecutionContext& context) noexcept {
  const auto& types = context.hooks().types;
  const bool bad = (flags & ~btf::kShowAll) != 0 ||
                   static_cast<uint32_t>(pointer_size) != sizeof(TypedPointer) || types == nullptr;
  if (bad) return FromResult(-EINVAL);
  const auto& of = *reinterpret_cast<const TypedPointer*>(pointer);
  if (static_cast<int32_t>(of.type_id) <= 0) return FromResult(-EINVAL);
  if (of.type_id >= types->type_count()) return FromResult(-ENOENT);
  const uint32_t size = types->SizeOf(of.type_id).value_or(0);
  if (size > kMaxValue) return FromResult(-E2BIG);
  std::vector<std::byte> value(size);
  value.resize(SafeRead(of.address, value.data(), size));
  const std::span<char> room(reinterpret_cast<char*>(out), static_cast<uint32_t>(out_size));
  return FromResult(btf::SnprintfAsLinux(*types, of.type_id, value, flags, nullptr, room));
}

}  // namespace skep::helpers
