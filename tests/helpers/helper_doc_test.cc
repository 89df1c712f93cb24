// SPDX-License-Identifier: Apache-2.0
#include "helpers/helper_doc.h"

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

namespace skep {
namespace {

TEST(HelperDoc, ThePageInTheTreeIsMadeFromTheTable) {
  const std::string path = std::string(SKEP_SOURCE_DIR) + "/docs/helpers.md";
  const char* bless = std::getenv("SKEP_BLESS");
  if (bless != nullptr && std::string(bless) == "1") std::ofstream(path) << HelpersMarkdown();
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(text.str(), HelpersMarkdown()) << "run this test with SKEP_BLESS=1";
}

}  // namespace
}  // namespace skep
