// SPDX-License-Identifier: Apache-2.0
#include "base/code_memory.h"

#include <cerrno>
#include <cstring>
#include <string>

#include <sys/mman.h>
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

Result<WritableCode> WritableCode::Allocate(size_t size) {
  if (size == 0)
    return Error{ErrorCode::kInvalidArgument, "code memory: size is 0, need at least 1"};
  if (size > kMaxCodeSize) {
    return Error{ErrorCode::kResourceLimit, "code memory: " + std::to_string(size) +
                                                " bytes asked for, at most " +
                                                std::to_string(kMaxCodeSize) + " are possible"};
  }
  const size_t page = PageSize();
  const size_t bytes = (size + page - 1) / page * page;
  void* base = mmap(nullptr, bytes + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
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
