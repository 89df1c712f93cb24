// SPDX-License-Identifier: Apache-2.0
#include "isa/isa_doc.h"

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace skep {
namespace {

TEST(IsaDoc, ThePageInTheTreeIsMadeFromTheTable) {
  const std::string path = std::string(SKEP_SOURCE_DIR) + "/docs/isa.md";
  const char* bless = std::getenv("SKEP_BLESS");
  if (bless != nullptr && std::string_view(bless) == "1") std::ofstream(path) << IsaMarkdown();
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), IsaMarkdown()) << "run this test with SKEP_BLESS=1";
}

}  // namespace
}  // namespace skep
