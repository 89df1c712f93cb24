// SPDX-License-Identifier: Apache-2.0
#include "base/byte_reader.h"

#include <gtest/gtest.h>

namespace skep {
namespace {

std::vector<std::byte> Bytes(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

TEST(ByteReader, ReadsLittleEndianNumbersAtAnyOffset) {
  const auto bytes = Bytes("\x01\x02\x03\x04\x05");
  const ByteReader reader(bytes);
  EXPECT_EQ(reader.Read<uint32_t>(1), 0x05040302u);
  EXPECT_EQ(reader.Read<uint8_t>(4), 5);
}

TEST(ByteReader, ReturnsNothingBeyondTheEnd) {
  const auto bytes = Bytes("abcd");
  const ByteReader reader(bytes);
  EXPECT_EQ(reader.Read<uint32_t>(1), std::nullopt);
  EXPECT_EQ(reader.Read<uint8_t>(4), std::nullopt);
  EXPECT_EQ(reader.Read<uint8_t>(UINT64_MAX), std::nullopt);
  EXPECT_EQ(ByteReader().Read<uint8_t>(0), std::nullopt);
}

TEST(ByteReader, ChecksSlicesWithoutOverflow) {
  const auto bytes = Bytes("abcd");
  const ByteReader reader(bytes);
  EXPECT_EQ(reader.Slice(1, 3)->size(), 3u);
  EXPECT_EQ(reader.Slice(4, 0)->size(), 0u);
  EXPECT_EQ(reader.Slice(2, 3), std::nullopt);
  EXPECT_EQ(reader.Slice(5, 0), std::nullopt);
  EXPECT_EQ(reader.Slice(2, UINT64_MAX), std::nullopt);
  EXPECT_EQ(reader.Slice(UINT64_MAX, 2), std::nullopt);
}

TEST(ByteReader, FindsStringsThatEndInside) {
  const std::string text("one\0two\0open", 12);
  const auto bytes = Bytes(text);
  const ByteReader reader(bytes);
  EXPECT_EQ(reader.String(0, 100), "one");
  EXPECT_EQ(reader.String(3, 100), "");
  EXPECT_EQ(reader.String(4, 100), "two");
  EXPECT_EQ(reader.String(8, 100), std::nullopt);
  EXPECT_EQ(reader.String(12, 100), std::nullopt);
  EXPECT_EQ(reader.String(UINT64_MAX, 100), std::nullopt);
}

TEST(ByteReader, RefusesStringsOverTheLimit) {
  const std::string text("four\0", 5);
  const auto bytes = Bytes(text);
  const ByteReader reader(bytes);
  EXPECT_EQ(reader.String(0, 4), "four");
  EXPECT_EQ(reader.String(0, 3), std::nullopt);
  EXPECT_EQ(reader.String(4, 0), "");
}

}  // namespace
}  // namespace skep
