// SPDX-License-Identifier: Apache-2.0
// Reads and writes of memory that no verifier knows: probe_read and its family,
// copy_from_user, probe_write_user. In a process there is one address space: what
// Linux calls user and kernel memory is the host's memory for both.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/safe_read.h"
#include "base/word_copy.h"
#include "helpers/functions.h"
#include "helpers/registers.h"

namespace skep::helpers {
namespace {

constexpr uint64_t kUserEnd = 0x7ffffffff000;  // TASK_SIZE of x86-64
constexpr uint64_t kFirstPage = 4096;

// Linux reads kernel memory for these alone; others are -ERANGE to it. Nothing is
// ever mapped in the first page, so that a null pointer gives Linux's error.
bool MayBeAddress(uint64_t address) {
  const auto high = static_cast<int64_t>(address) >> 47;
  return (address >= kFirstPage && address < kUserEnd) || high == -1;
}

int KernelError(uint64_t address) { return MayBeAddress(address) ? -EFAULT : -ERANGE; }
int AnyError(uint64_t address) { return address < kUserEnd ? -EFAULT : KernelError(address); }

// `bad`: whether Linux refuses the address before it looks at the size.
uint64_t Read(uint64_t to, uint64_t size, uint64_t address, int error, bool bad) {
  const auto bytes = static_cast<uint32_t>(size);
  if (bytes == 0) return bad ? FromResult(error) : 0;
  if (SafeRead(address, AsBytes(to), bytes) == bytes) return 0;
  ZeroWords(AsBytes(to), bytes);
  return FromResult(error);
}

// Returns the length with the NUL. Linux's reads of user memory go by words, and
// leave zeros behind the NUL as far as the last word that fits.
uint64_t ReadString(uint64_t to, uint64_t size, uint64_t address, int error, bool by_words) {
  const auto room = static_cast<uint32_t>(size);
  if (room == 0) return 0;
  std::byte* out = AsBytes(to);
  const SafeText text = SafeReadText(address, reinterpret_cast<char*>(out), room);
  if (text.bad) {
    ZeroWords(out, room);
    return FromResult(error);
  }
  if (!text.terminated) {
    out[room - 1] = std::byte{0};
    return room;
  }
  // Where a word cannot be read as a whole, Linux goes on by bytes.
  const size_t word = text.length / 8 * 8;
  uint64_t whole = 0;
  const bool padded =
      by_words && word + 8 <= room && SafeRead(address + word, &whole, sizeof whole) == 8;
  const size_t end = padded ? word + 8 : text.length + 1;
  ZeroWords(out + text.length, end - text.length);
  return text.length + 1;
}

}  // namespace

uint64_t ProbeRead(uint64_t to, uint64_t size, uint64_t address, uint64_t, uint64_t,
                   ExecutionContext&) noexcept {
  return Read(to, size, address, AnyError(address), address >= kUserEnd && !MayBeAddress(address));
}

uint64_t ProbeReadUser(uint64_t to, uint64_t size, uint64_t address, uint64_t, uint64_t,
                       ExecutionContext&) noexcept {
  return Read(to, size, address, -EFAULT, address > kUserEnd);
}

uint64_t ProbeReadKernel(uint64_t to, uint64_t size, uint64_t address, uint64_t, uint64_t,
                         ExecutionContext&) noexcept {
  return Read(to, size, address, KernelError(address), !MayBeAddress(address));
}

uint64_t ProbeReadStr(uint64_t to, uint64_t size, uint64_t address, uint64_t, uint64_t,
                      ExecutionContext&) noexcept {
  return ReadString(to, size, address, AnyError(address), address < kUserEnd);
}

uint64_t ProbeReadUserStr(uint64_t to, uint64_t size, uint64_t address, uint64_t, uint64_t,
                          ExecutionContext&) noexcept {
  return ReadString(to, size, address, -EFAULT, true);
}

uint64_t ProbeReadKernelStr(uint64_t to, uint64_t size, uint64_t address, uint64_t, uint64_t,
                            ExecutionContext&) noexcept {
  return ReadString(to, size, address, KernelError(address), false);
}

uint64_t CopyFromUser(uint64_t to, uint64_t size, uint64_t address, uint64_t, uint64_t,
                      ExecutionContext&) noexcept {
  return Read(to, size, address, -EFAULT, false);
}

uint64_t CopyFromUserTask(uint64_t to, uint64_t size, uint64_t address, uint64_t task,
                          uint64_t flags, ExecutionContext& context) noexcept {
  const auto bytes = static_cast<uint32_t>(size);
  if (flags != 0) return FromResult(-EINVAL);
  if (bytes == 0) return 0;
  int error = -EFAULT;
  if (const auto& hook = context.hooks().task_memory; hook != nullptr) {
    error = hook(task, address, {AsBytes(to), bytes});
  } else if (task == GetCurrentTask(0, 0, 0, 0, 0, context)) {
    return Read(to, size, address, -EFAULT, false);
  }
  if (error != 0) ZeroWords(AsBytes(to), bytes);
  return FromResult(error);
}

uint64_t ProbeWriteUser(uint64_t address, uint64_t from, uint64_t size, uint64_t, uint64_t,
                        ExecutionContext& context) noexcept {
  const auto& hook = context.hooks().write_memory;
  if (hook == nullptr) return FromResult(-EPERM);
  return FromResult(hook(address, {AsBytes(from), static_cast<uint32_t>(size)}));
}

}  // namespace skep::helpers
