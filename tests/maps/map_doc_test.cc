// SPDX-License-Identifier: Apache-2.0
#include "maps/map_doc.h"

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

namespace skep {
namespace {

TEST(MapDoc, ThePageInTheTreeIsMadeFromTheTable) {
  const std::string path = std::string(SKEP_SOURCE_DIR) + "/docs/maps.md";
  const char* bless = std::getenv("SKEP_BLESS");
  if (bless != nullptr && std::string(bless) == "1") std::ofstream(path) << MapsMarkdown();
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(text.str(), MapsMarkdown()) << "run this test with SKEP_BLESS=1";
}

}  // namespace
}  // namespace skep
