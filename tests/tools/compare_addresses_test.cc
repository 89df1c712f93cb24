// SPDX-License-Identifier: Apache-2.0
#include "tools/compare_addresses.h"

#include <gtest/gtest.h>

namespace skep::tools {
namespace {

TEST(CompareAddresses, TellsUpperHalvesFromNumbers) {
  EXPECT_TRUE(AreUpperHalves(0xffffc900, 0x7ffe));
  EXPECT_TRUE(AreUpperHalves(0xffff8880, 0));
  EXPECT_FALSE(AreUpperHalves(0xffffffea, 0)) << "-EINVAL";
  EXPECT_FALSE(AreUpperHalves(0xfffff001, 0)) << "the last errno";
  EXPECT_FALSE(AreUpperHalves(0xffffc900, 0xffffc901)) << "no address of a process";
  EXPECT_FALSE(AreUpperHalves(0x7ffe, 0xffffc900)) << "the other way round";
  EXPECT_FALSE(AreUpperHalves(5, 6));
}

TEST(CompareAddresses, FindsWordsThatAreAddresses) {
  const char* kernel = "00112233445566770040f48900c9ffff";
  EXPECT_TRUE(DifferInAddresses(kernel, "001122334455667700a01234fe7f0000"));
  EXPECT_TRUE(DifferInAddresses(kernel, kernel));
  EXPECT_FALSE(DifferInAddresses(kernel, "101122334455667700a01234fe7f0000"))
      << "another word differs, too";
  EXPECT_FALSE(DifferInAddresses(kernel, "00112233445566770000000000000000")) << "null";
  EXPECT_FALSE(DifferInAddresses(kernel, "001122334455667700a01234fe7f00"));
  EXPECT_FALSE(DifferInAddresses("eaffffffffffffff", "00a01234fe7f0000")) << "-EINVAL";
  EXPECT_FALSE(DifferInAddresses("00c9ffff", "fe7f0000")) << "half a word";
}

}  // namespace
}  // namespace skep::tools
