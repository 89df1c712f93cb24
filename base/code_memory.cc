// SPDX-License-Identifier: Apache-2.0
#include "base/code_memory.h"

#include <cerrno>
#include <cstring>
#include <string>

#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

namespace skep {
namespace {

size_t PageSize() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

// A byte that, repeated, is an instruction that traps: int3 on x64, udf on arm64.
#if defined(__x86_64__)
constexpr int kTrapByte = 0xcc;
#else
constexpr int kTrapByte = 0x00;
#endif

Error SystemError(const char* what, int error) {
  return {ErrorCode::kSystem, std::string(what) + ": " + std::strerror(error), error};
}

// Maps `bytes` without access, less than 1 GiB below `near` if there is room.
// The place is random: the next free one would be easy to guess, and to miss
// for the next program.
void* Reserve(size_t bytes, const void* near) {
  constexpr uintptr_t kReach = uintptr_t{1} << 30;
  constexpr int kAttempts = 4;
  const auto target = reinterpret_cast<uintptr_t>(near);
  for (int i = 0; i < kAttempts && target > 2 * kReach && bytes < kReach / 2; ++i) {
    uintptr_t offset = 0;
    if (getrandom(&offset, sizeof offset, GRND_NONBLOCK) != sizeof offset) break;
    offset = bytes + offset % (kReach - bytes);
    const uintptr_t hint = (target - offset) / PageSize() * PageSize();
    // Number to address: a hint, which the kernel may ignore.
    void* base =
        mmap(reinterpret_cast<void*>(hint), bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED || reinterpret_cast<uintptr_t>(base) == hint) return base;
    munmap(base, bytes);
  }
  return mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

}  // namespace

CodePages& CodePages::operator=(CodePages&& other) noexcept {
  if (this != &other) {
    Release();
    begin_ = std::exchange(other.begin_, nullptr);
    size_ = std::exchange(other.size_, 0);
    page_bytes_ = std::exchange(other.page_bytes_, 0);
  }
  return *this;
}

void CodePages::Release() noexcept {
  if (begin_ == nullptr) return;
  const size_t page = PageSize();
  munmap(begin_ - page, page_bytes_ + 2 * page);
  begin_ = nullptr;
}

Result<WritableCode> WritableCode::Allocate(size_t size, const void* near) {
  if (size == 0)
    return Error{ErrorCode::kInvalidArgument, "code memory: size is 0, need at least 1"};
  if (size > kMaxCodeSize) {
    return Error{ErrorCode::kResourceLimit, "code memory: " + std::to_string(size) +
                                                " bytes asked for, at most " +
                                                std::to_string(kMaxCodeSize) + " are possible"};
  }
  const size_t page = PageSize();
  const size_t bytes = (size + page - 1) / page * page;
  void* base = Reserve(bytes + 2 * page, near);
  if (base == MAP_FAILED) return SystemError("code memory: mmap", errno);

  CodePages pages;
  pages.begin_ = static_cast<std::byte*>(base) + page;
  pages.size_ = size;
  pages.page_bytes_ = bytes;
  if (mprotect(pages.begin_, bytes, PROT_READ | PROT_WRITE) != 0) {
    return SystemError("code memory: mprotect to read-write", errno);
  }
  std::memset(pages.begin_, kTrapByte, bytes);
  return WritableCode(std::move(pages));
}

Result<CodeMemory> WritableCode::Seal() && {
  std::byte* begin = pages_.begin();
  if (mprotect(begin, pages_.page_bytes(), PROT_READ | PROT_EXEC) != 0) {
    return SystemError("code memory: mprotect to read-execute", errno);
  }
  // Nothing on x64; arm64 has instruction caches that do not see data writes.
  __builtin___clear_cache(reinterpret_cast<char*>(begin),  // the builtin wants char*
                          reinterpret_cast<char*>(begin + pages_.size()));
  return CodeMemory(std::move(pages_));
}

Result<CodeMemory> CodeMemory::Create(std::span<const std::byte> code) {
  SKEP_TRY(WritableCode room, WritableCode::Allocate(code.size()));
  std::memcpy(room.bytes().data(), code.data(), code.size());
  return std::move(room).Seal();
}

}  // namespace skep
