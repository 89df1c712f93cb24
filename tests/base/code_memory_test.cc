// SPDX-License-Identifier: Apache-2.0
#include "base/code_memory.h"

#include <csignal>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace skep {
namespace {

// A function that returns 42.
#if defined(__x86_64__)
constexpr uint8_t kReturn42[] = {0xb8, 0x2a, 0x00, 0x00, 0x00, 0xc3};
#else
constexpr uint8_t kReturn42[] = {0x40, 0x05, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6};
#endif

std::span<const std::byte> Return42() { return std::as_bytes(std::span(kReturn42)); }

int CallCode(const CodeMemory& code) {
  int (*function)();
  const std::byte* address = code.address();
  std::memcpy(&function, &address, sizeof function);
  return function();
}

// The permissions of the page that holds `address`, as "r-xp", from the system.
// Empty if nothing is mapped there.
std::string Permissions(const std::byte* address) {
  std::ifstream maps("/proc/self/maps");
  const auto wanted = reinterpret_cast<uintptr_t>(address);
  for (std::string line; std::getline(maps, line);) {
    uintptr_t begin = 0, end = 0;
    char dash = 0;
    std::string permissions;
    std::istringstream(line) >> std::hex >> begin >> dash >> end >> permissions;
    if (begin <= wanted && wanted < end) return permissions;
  }
  return {};
}

TEST(CodeMemory, RunsTheCodeItWasGiven) {
  auto code = CodeMemory::Create(Return42());
  ASSERT_TRUE(code) << code.error().message;
  EXPECT_EQ(code->size(), sizeof kReturn42);
  EXPECT_EQ(CallCode(*code), 42);
}

TEST(CodeMemory, IsWritableThenExecutableAndNeverBoth) {
  auto room = WritableCode::Allocate(sizeof kReturn42);
  ASSERT_TRUE(room) << room.error().message;
  const std::byte* address = room->bytes().data();
  EXPECT_EQ(Permissions(address), "rw-p");
  std::memcpy(room->bytes().data(), kReturn42, sizeof kReturn42);

  auto code = std::move(*room).Seal();
  ASSERT_TRUE(code) << code.error().message;
  EXPECT_EQ(code->address(), address);
  EXPECT_EQ(Permissions(address), "r-xp");
  EXPECT_EQ(CallCode(*code), 42);
}

TEST(CodeMemory, HasPagesWithoutAccessOnBothSides) {
  for (size_t size : {size_t{1}, size_t{4096}, size_t{4097}, size_t{1} << 20}) {
    auto room = WritableCode::Allocate(size);
    ASSERT_TRUE(room) << room.error().message;
    ASSERT_EQ(room->bytes().size(), size);
    auto code = std::move(*room).Seal();
    ASSERT_TRUE(code);
    const std::byte* end = code->address() + (size + 4095) / 4096 * 4096;
    EXPECT_EQ(Permissions(code->address() - 1), "---p") << size;
    EXPECT_EQ(Permissions(end - 1), "r-xp") << size;
    EXPECT_EQ(Permissions(end), "---p") << size;
  }
}

TEST(CodeMemory, LeavesNoMappingBehind) {
  const std::byte* address = nullptr;
  {
    auto code = CodeMemory::Create(Return42());
    ASSERT_TRUE(code);
    address = code->address();
    CodeMemory moved = std::move(*code);
    EXPECT_EQ(code->address(), nullptr);
    EXPECT_EQ(Permissions(address), "r-xp");
    EXPECT_EQ(CallCode(moved), 42);
  }
  EXPECT_EQ(Permissions(address), "");
}

TEST(CodeMemory, LiesNearTheGivenPlace) {
  const auto near = reinterpret_cast<uintptr_t>(&CallCode);
  std::vector<WritableCode> all;
  for (int i = 0; i < 20; ++i) {
    auto code = WritableCode::Allocate(5000, reinterpret_cast<const void*>(near));
    ASSERT_TRUE(bool(code));
    const auto at = reinterpret_cast<uintptr_t>(code->bytes().data());
    EXPECT_LT(at > near ? at - near : near - at, uintptr_t{1} << 31);
    all.push_back(*std::move(code));
  }
}

TEST(CodeMemory, RefusesSizesThatMakeNoSense) {
  EXPECT_EQ(WritableCode::Allocate(0).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeMemory::Create({}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(WritableCode::Allocate(kMaxCodeSize + 1).error().code, ErrorCode::kResourceLimit);
}

#if defined(__x86_64__)
TEST(CodeMemory, TrapsWhereNoCodeWasWritten) {
  auto room = WritableCode::Allocate(64);
  ASSERT_TRUE(room);
  auto code = std::move(*room).Seal();
  ASSERT_TRUE(code);
  EXPECT_EXIT(CallCode(*code), testing::KilledBySignal(SIGTRAP), "");
}
#endif

}  // namespace
}  // namespace skep
