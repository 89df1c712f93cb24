// SPDX-License-Identifier: Apache-2.0
// Where linked instructions point, by what BTF says about the variables: the
// part of linking that an expected text cannot show.
#include <set>

#include <gtest/gtest.h>

#include "skep/program.h"

#include "btf/btf.h"
#include "tests/loader/objects.h"

namespace skep::loader {
namespace {

// The map and offset of every reference into a data map.
std::set<std::pair<std::string, int32_t>> References(const Program& program) {
  std::set<std::pair<std::string, int32_t>> references;
  const auto insns = program.insns();
  for (size_t i = 0; i < insns.size(); ++i) {
    if (insns[i].code != 0x18) continue;
    if (insns[i].src == kPseudoMapValue)
      references.emplace(program.maps()[static_cast<size_t>(insns[i].imm)].name, insns[i + 1].imm);
    ++i;
  }
  return references;
}

int32_t OffsetOf(const btf::Btf& btf, std::string_view section, std::string_view variable) {
  const uint32_t id = btf.Find(section, btf::Kind::kDatasec);
  for (uint32_t i = 0; i < btf.type(id).vlen; ++i) {
    const btf::SectionVariable v = btf.section_variable(id, i);
    if (btf.name(v.type) == variable) return static_cast<int32_t>(v.offset);
  }
  return -1;
}

TEST(Link, PointsDataReferencesAtTheirVariables) {
  size_t checked = 0;
  for (const std::string& path : BuiltObjects()) {
    if (SourceName(path) != "globals" || path.find(".nodebug.") != std::string::npos) continue;
    const auto object = Object::Open(path);
    ASSERT_TRUE(object) << object.error().message;
    const auto program = object->FindProgram("count");
    ASSERT_TRUE(program) << program.error().message;
    const btf::Btf& btf = *object->btf();
    const auto references = References(*program);
    const auto refers_to = [&](const char* map, const char* section, const char* variable) {
      const int32_t offset = OffsetOf(btf, section, variable);
      EXPECT_GE(offset, 0) << path << ": " << variable;
      EXPECT_TRUE(references.contains({map, offset})) << path << ": " << variable;
    };
    refers_to("globals.bss", ".bss", "total");
    refers_to("globals.bss", ".bss", "histogram");
    refers_to("globals.bss", ".bss", "calls");
    refers_to("globals.data", ".data", "threshold");
    refers_to("globals.data", ".data", "state");
    refers_to("globals.rodata", ".rodata", "limit");
    refers_to("globals.rodata", ".rodata", "greeting");
    refers_to(".data.tuning", ".data.tuning", "tuned");
    ++checked;
  }
  if (checked == 0) GTEST_SKIP() << "clang is missing: there are no objects";
}

}  // namespace
}  // namespace skep::loader
