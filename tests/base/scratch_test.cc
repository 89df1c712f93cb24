// SPDX-License-Identifier: Apache-2.0
#include "base/scratch.h"

#include <cstdint>
#include <cstring>
#include <vector>

#include <gtest/gtest.h>

namespace skep::base {
namespace {

TEST(Scratch, GivesAlignedMemoryThatDoesNotOverlap) {
  Scratch scratch;
  struct Piece {
    std::byte* start;
    size_t size;
  };
  std::vector<Piece> pieces;
  size_t size = 1;
  for (int i = 0; i < 2000; ++i) {
    size = size * 7919 % 9973 + 1;
    auto* start = static_cast<std::byte*>(scratch.Take(size));
    ASSERT_EQ(reinterpret_cast<uintptr_t>(start) % Scratch::kAlignment, 0u);
    std::memset(start, i & 0xff, size);
    pieces.push_back({start, size});
  }
  for (size_t i = 0; i < pieces.size(); ++i) {
    const auto expected = static_cast<std::byte>(i & 0xff);
    ASSERT_EQ(pieces[i].start[0], expected) << i;
    ASSERT_EQ(pieces[i].start[pieces[i].size - 1], expected) << i;
  }
}

TEST(Scratch, GivesMoreThanAHugePageAtOnce) {
  Scratch scratch;
  constexpr size_t kSize = size_t{5} << 20;
  auto* start = static_cast<std::byte*>(scratch.Take(kSize));
  std::memset(start, 1, kSize);
  auto* behind = static_cast<std::byte*>(scratch.Take(16));
  EXPECT_TRUE(behind >= start + kSize || behind < start);
}

TEST(Scratch, IsMemoryOfContainers) {
  Scratch scratch;
  std::pmr::vector<uint64_t> numbers(&scratch);
  for (uint64_t i = 0; i < 300'000; ++i) numbers.push_back(i);
  for (uint64_t i = 0; i < 300'000; ++i) ASSERT_EQ(numbers[i], i);
}

}  // namespace
}  // namespace skep::base
