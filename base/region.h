// SPDX-License-Identifier: Apache-2.0
// Region: one run of zeroed memory pages, faulted in when first touched, so
// that a large region costs address space alone. Maps live in one each.
//
// Threads: a value owned by one thread; the memory is anyone's. Lifetime: owns
// its pages.

#ifndef SKEP_BASE_REGION_H_
#define SKEP_BASE_REGION_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "skep/result.h"

namespace skep {

// Sections of a region that are meant to be large start at such a boundary, so
// that the system can back them with huge pages.
inline constexpr size_t kHugePage = size_t{2} << 20;

constexpr uint64_t RoundUp(uint64_t value, uint64_t to) { return (value + to - 1) / to * to; }

// Asks for huge pages in a part of a region that will be touched at random. A hint.
void PreferHugePages(std::byte* begin, uint64_t bytes) noexcept;

class Region {
 public:
  Region() = default;
  Region(Region&& other) noexcept { *this = std::move(other); }
  Region& operator=(Region&& other) noexcept;
  ~Region();

  // Fails with kSystem (sys_errno ENOMEM) if there is no such address space.
  static Result<Region> Anonymous(uint64_t bytes);
  // `head` bytes, then `ring` bytes, then the same `ring` bytes again: what is
  // written at one place is read at the other, so that a record of at most
  // `ring` bytes never wraps. REQUIRES: both are multiples of the page size.
  static Result<Region> Mirrored(uint64_t head, uint64_t ring);
  // `bytes` of a file from `offset` on, shared with whoever maps them too.
  // REQUIRES: offset is a multiple of the page size, and the file is as long.
  static Result<Region> OfFile(int fd, uint64_t offset, uint64_t bytes);
  // As Mirrored, over a file: `own` bytes of private memory, then `head` bytes of
  // the file from `offset` on, then its `ring` bytes behind those, twice.
  static Result<Region> MirroredFile(int fd, uint64_t offset, uint64_t own, uint64_t head,
                                     uint64_t ring);

  void PreferHugePages(uint64_t offset, uint64_t bytes) noexcept {
    skep::PreferHugePages(base_ + offset, bytes);
  }

  std::byte* base() const { return base_; }
  uint64_t size() const { return size_; }
  bool Contains(const std::byte* address) const {
    return address >= base_ && address < base_ + size_;
  }

 private:
  Region(std::byte* base, uint64_t size) : base_(base), size_(size) {}

  std::byte* base_ = nullptr;
  uint64_t size_ = 0;
};

uint64_t PageBytes();

}  // namespace skep

#endif  // SKEP_BASE_REGION_H_
