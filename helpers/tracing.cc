// SPDX-License-Identifier: Apache-2.0
// What programs ask about the place they were called at: arguments and result of
// the function, its address, the cookie, the stack, counters of perf events. The
// host tells them (Invocation, ExecutionHooks, Executable::RunCall).
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/word_copy.h"
#include "helpers/functions.h"
#include "helpers/registers.h"
#include "model/execution_layout.h"

namespace skep::helpers {
namespace {

const model::CalledFunction* Called(ExecutionContext& context) {
  return model::ExecutionLayout::extras(context).called;
}

void Store(uint64_t address, uint64_t value) { CopyWords(AsBytes(address), &value, sizeof value); }

}  // namespace

uint64_t GetFuncArg(uint64_t, uint64_t number, uint64_t value, uint64_t, uint64_t,
                    ExecutionContext& context) noexcept {
  const model::CalledFunction* called = Called(context);
  const auto index = static_cast<uint32_t>(number);
  if (called == nullptr || index >= called->count) return FromResult(-EINVAL);
  Store(value, called->arguments[index]);
  return 0;
}

uint64_t GetFuncRet(uint64_t, uint64_t value, uint64_t, uint64_t, uint64_t,
                    ExecutionContext& context) noexcept {
  const model::CalledFunction* called = Called(context);
  if (called == nullptr || called->result == nullptr) return FromResult(-EOPNOTSUPP);
  Store(value, *called->result);
  return 0;
}

uint64_t GetFuncArgCnt(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                       ExecutionContext& context) noexcept {
  const model::CalledFunction* called = Called(context);
  return called == nullptr ? 0 : called->count;
}

uint64_t GetFuncIp(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                   ExecutionContext& context) noexcept {
  return context.invocation().ip;
}

uint64_t GetAttachCookie(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                         ExecutionContext& context) noexcept {
  return context.invocation().cookie;
}

uint64_t GetRetval(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                   ExecutionContext& context) noexcept {
  return FromResult(context.invocation().retval);
}

uint64_t SetRetval(uint64_t value, uint64_t, uint64_t, uint64_t, uint64_t,
                   ExecutionContext& context) noexcept {
  context.invocation().retval = static_cast<int32_t>(value);
  return 0;
}

uint64_t OverrideReturn(uint64_t, uint64_t value, uint64_t, uint64_t, uint64_t,
                        ExecutionContext& context) noexcept {
  context.invocation().override_return = value;
  return 0;
}

// ---- stacks -------------------------------------------------------------------

namespace {

constexpr uint64_t kSkipMask = 0xff, kUserStack = 1u << 8;
constexpr size_t kMaxDepth = 127;  // kernel.perf_event_max_stack
using Addresses = std::array<uint64_t, kMaxDepth + kSkipMask>;

// Up to `most` return addresses, or -errno.
int64_t TakeStack(ExecutionContext& context, uint64_t flags, size_t most, Addresses& out) {
  const auto& hook = context.hooks().stack;
  if (hook == nullptr) return -EFAULT;
  most = std::min(most, out.size());
  const int found = hook(std::span(out).first(most), (flags & kUserStack) != 0);
  return std::min<int64_t>(found, static_cast<int64_t>(most));
}

}  // namespace

uint64_t GetStackid(uint64_t, uint64_t map, uint64_t flags, uint64_t, uint64_t,
                    ExecutionContext& context) noexcept {
  constexpr uint64_t kCompareHashes = 1u << 9, kReuse = 1u << 10;
  if ((flags & ~(kSkipMask | kUserStack | kCompareHashes | kReuse)) != 0) {
    return FromResult(-EINVAL);
  }
  Map& traces = AsMap(map);
  const size_t skip = flags & kSkipMask;
  Addresses addresses{};
  const size_t most = traces.spec().value_size / sizeof(uint64_t) + skip;
  const int64_t found = TakeStack(context, flags, std::min(most, kMaxDepth), addresses);
  if (found < 0) return FromResult(found);
  const auto count = static_cast<size_t>(found);
  if (count <= skip) return FromResult(-EFAULT);
  return FromResult(traces.StackId(std::span(addresses).subspan(skip, count - skip), flags));
}

uint64_t GetStack(uint64_t, uint64_t buffer, uint64_t size, uint64_t flags, uint64_t,
                  ExecutionContext& context) noexcept {
  const auto bytes = static_cast<uint32_t>(size);
  const size_t skip = flags & kSkipMask;
  const auto fail = [&](int error) {
    ZeroWords(AsBytes(buffer), bytes);
    return FromResult(error);
  };
  // Build ids (BPF_F_USER_BUILD_ID) are not modelled.
  if ((flags & ~(kSkipMask | kUserStack)) != 0 || bytes % sizeof(uint64_t) != 0) {
    return fail(-EINVAL);
  }
  Addresses addresses{};
  const size_t room = std::min<size_t>(bytes / sizeof(uint64_t), kMaxDepth);
  const int64_t found = TakeStack(context, flags, skip + room, addresses);
  if (found < 0) return fail(static_cast<int>(found));
  const auto count = static_cast<size_t>(found);
  if (count < skip) return fail(-EFAULT);
  const size_t copied = (count - skip) * sizeof(uint64_t);
  CopyWords(AsBytes(buffer), &addresses[skip], copied);
  ZeroWords(AsBytes(buffer) + copied, bytes - copied);
  return copied;
}

// ---- perf events --------------------------------------------------------------

namespace {

int ReadEvent(Map& map, uint64_t flags, ExecutionContext& context, PerfValue& value) {
  constexpr uint64_t kIndexMask = 0xffffffff;
  if ((flags & ~kIndexMask) != 0) return -EINVAL;
  const uint64_t index = flags == kIndexMask ? context.cpu() : flags;
  if (index >= map.spec().max_entries) return -E2BIG;
  const auto& hook = context.hooks().perf_read;
  return hook == nullptr ? -ENOENT : hook(map.spec().name, index, value);
}

uint64_t StoreValue(uint64_t buffer, uint32_t size, int error, const PerfValue& value) {
  if (error != 0) {
    ZeroWords(AsBytes(buffer), size);
    return FromResult(error);
  }
  CopyWords(AsBytes(buffer), &value, sizeof value);
  return 0;
}

}  // namespace

uint64_t PerfEventRead(uint64_t map, uint64_t flags, uint64_t, uint64_t, uint64_t,
                       ExecutionContext& context) noexcept {
  PerfValue value;
  const int error = ReadEvent(AsMap(map), flags, context, value);
  return error != 0 ? FromResult(error) : value.counter;
}

uint64_t PerfEventReadValue(uint64_t map, uint64_t flags, uint64_t buffer, uint64_t size, uint64_t,
                            ExecutionContext& context) noexcept {
  const auto bytes = static_cast<uint32_t>(size);
  PerfValue value;
  const int error = bytes != sizeof value ? -EINVAL : ReadEvent(AsMap(map), flags, context, value);
  return StoreValue(buffer, bytes, error, value);
}

uint64_t PerfProgReadValue(uint64_t, uint64_t buffer, uint64_t size, uint64_t, uint64_t,
                           ExecutionContext& context) noexcept {
  const auto bytes = static_cast<uint32_t>(size);
  PerfValue value;
  const auto& hook = context.hooks().perf_self;
  const int error = bytes != sizeof value || hook == nullptr ? -EINVAL : hook(value);
  return StoreValue(buffer, bytes, error, value);
}

uint64_t ReadBranchRecords(uint64_t, uint64_t buffer, uint64_t size, uint64_t flags, uint64_t,
                           ExecutionContext& context) noexcept {
  constexpr uint64_t kSizeAlone = 1;
  constexpr uint32_t kRecord = 24;  // struct perf_branch_entry
  const auto bytes = static_cast<uint32_t>(size);
  if ((flags & ~kSizeAlone) != 0) return FromResult(-EINVAL);
  const auto& hook = context.hooks().branches;
  if (hook == nullptr) return FromResult(-ENOENT);
  if ((flags & kSizeAlone) != 0) return FromResult(hook({}));
  if (buffer == 0 || bytes % kRecord != 0) return FromResult(-EINVAL);
  const int found = hook({AsBytes(buffer), bytes});
  return FromResult(std::min<int64_t>(found, bytes));
}

}  // namespace skep::helpers
