// SPDX-License-Identifier: Apache-2.0
// Values beside objects of the host: task_storage, sk_storage, inode_storage and
// cgrp_storage. What the object is does not matter; its address names it.
#include <cerrno>

#include "helpers/functions.h"
#include "helpers/registers.h"

namespace skep::helpers {
namespace {

const std::byte* AddressOf(const uint64_t& object) {
  return reinterpret_cast<const std::byte*>(&object);
}

}  // namespace

uint64_t ObjectStorageGet(uint64_t map, uint64_t object, uint64_t value, uint64_t flags, uint64_t,
                          ExecutionContext& context) noexcept {
  constexpr uint64_t kCreate = 1;
  if (object == 0 || (flags & ~kCreate) != 0) return 0;
  Map& values = AsMap(map);
  const std::byte* key = AddressOf(object);
  std::byte* found = values.Lookup(key, context.cpu());
  if (found != nullptr || (flags & kCreate) == 0) return FromAddress(found);
  const int made = values.Update(key, AsBytes(value), kUpdateNoExist, context.cpu());
  return made == 0 || made == -EEXIST ? FromAddress(values.Lookup(key, context.cpu())) : 0;
}

uint64_t ObjectStorageDelete(uint64_t map, uint64_t object, uint64_t, uint64_t, uint64_t,
                             ExecutionContext& context) noexcept {
  if (object == 0) return FromResult(-EINVAL);
  return FromResult(AsMap(map).Delete(AddressOf(object), context.cpu()));
}

}  // namespace skep::helpers
