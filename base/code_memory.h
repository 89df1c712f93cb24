// SPDX-License-Identifier: Apache-2.0
// Machine code pages under W^X: first writable and not executable, then
// executable and not writable, and no second mapping of them at any time.
//
//   WritableCode  room for code at the address where it will run
//   CodeMemory    the finished code, read and execute only
//
// Pages that may not be touched lie in front of and behind the code, and what
// is left of its last page traps when run.
//
// Threads: values owned by one thread; finished code may run on any number of
// threads. Lifetime: both own their pages; code must not run after its
// CodeMemory is gone.

#ifndef SKEP_BASE_CODE_MEMORY_H_
#define SKEP_BASE_CODE_MEMORY_H_

#include <cstddef>
#include <span>
#include <utility>

#include "skep/result.h"

namespace skep {

inline constexpr size_t kMaxCodeSize = size_t{1} << 30;

// A reservation of whole pages with a guard page at each end.
class CodePages {
 public:
  CodePages() = default;
  CodePages(CodePages&& other) noexcept { *this = std::move(other); }
  CodePages& operator=(CodePages&& other) noexcept;
  ~CodePages() { Release(); }

  std::byte* begin() const { return begin_; }
  size_t size() const { return size_; }              // as asked for
  size_t page_bytes() const { return page_bytes_; }  // rounded up to pages

 private:
  friend class WritableCode;
  void Release() noexcept;

  std::byte* begin_ = nullptr;
  size_t size_ = 0;
  size_t page_bytes_ = 0;
};

class CodeMemory {
 public:
  CodeMemory() = default;  // no code: address() is null, size() is 0

  // Copies `code` to pages of its own. For code that does not depend on its
  // address. Fails as WritableCode::Allocate and Seal.
  static Result<CodeMemory> Create(std::span<const std::byte> code);

  const std::byte* address() const { return pages_.begin(); }
  size_t size() const { return pages_.size(); }

 private:
  friend class WritableCode;
  explicit CodeMemory(CodePages pages) : pages_(std::move(pages)) {}

  CodePages pages_;
};

class WritableCode {
 public:
  // Returns `size` bytes that can be written, filled with trapping
  // instructions. Their address is the final one. Fails with kInvalidArgument
  // if size is 0, kResourceLimit above kMaxCodeSize, kSystem if there is no
  // memory. Where there is room, the code lies less than 2 GiB from `near`
  // (null: anywhere): direct calls reach that far, and CPUs predict far ones
  // worse.
  static Result<WritableCode> Allocate(size_t size, const void* near = nullptr);

  std::span<std::byte> bytes() const { return {pages_.begin(), pages_.size()}; }

  // Makes the pages executable and no longer writable. Fails with kSystem if
  // the system forbids it; the code is then gone.
  Result<CodeMemory> Seal() &&;

 private:
  explicit WritableCode(CodePages pages) : pages_(std::move(pages)) {}

  CodePages pages_;
};

}  // namespace skep

#endif  // SKEP_BASE_CODE_MEMORY_H_
