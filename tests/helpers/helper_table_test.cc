// SPDX-License-Identifier: Apache-2.0
#include "helpers/helper_table.h"

#include <algorithm>
#include <bit>
#include <set>

#include <gtest/gtest.h>

namespace skep {
namespace {

constexpr uint32_t kLastLinuxHelper = 211;

TEST(HelperTable, HasEveryHelperOfLinuxInOrder) {
  std::set<uint32_t> ids;
  uint32_t previous = 0;
  for (const HelperSpec& spec : HelperTable()) {
    EXPECT_GE(spec.id, previous) << spec.name;
    previous = spec.id;
    ids.insert(spec.id);
    EXPECT_FALSE(spec.name.empty());
  }
  EXPECT_EQ(ids.size(), kLastLinuxHelper);
  EXPECT_EQ(*ids.begin(), 1u);
  EXPECT_EQ(*ids.rbegin(), kLastLinuxHelper);
}

TEST(HelperTable, GivesEachProgramClassOnePrototypeAtMost) {
  const auto table = HelperTable();
  for (size_t i = 0; i < table.size(); ++i) {
    EXPECT_NE(table[i].programs, 0u) << table[i].name;
    EXPECT_EQ(table[i].refused_programs & ~table[i].programs, 0u) << table[i].name;
    for (size_t j = i + 1; j < table.size() && table[j].id == table[i].id; ++j) {
      EXPECT_EQ(table[i].programs & table[j].programs, 0u) << table[i].name;
      EXPECT_EQ(table[i].name, table[j].name);
    }
  }
}

TEST(HelperTable, PairsEverySizeWithTheMemoryBeforeIt) {
  for (const HelperSpec& spec : HelperTable()) {
    int raw = 0;
    for (size_t i = 0; i < spec.args.size(); ++i) {
      const ArgSpec& arg = spec.args[i];
      const bool is_size = arg.kind == ArgKind::kConstSize || arg.kind == ArgKind::kConstSizeOrZero;
      if (is_size) {
        ASSERT_GT(i, 0u) << spec.name;
        EXPECT_EQ(spec.args[i - 1].kind, ArgKind::kMem) << spec.name;
        EXPECT_EQ(spec.args[i - 1].size, 0u) << spec.name;
      }
      if (arg.kind == ArgKind::kMem && arg.size == 0) {
        ASSERT_LT(i + 1, spec.args.size()) << spec.name;
        EXPECT_TRUE(spec.args[i + 1].kind == ArgKind::kConstSize ||
                    spec.args[i + 1].kind == ArgKind::kConstSizeOrZero)
            << spec.name;
      }
      if ((arg.flags & kArgUninit) != 0 && arg.kind == ArgKind::kMem) ++raw;
      // No argument after the last one.
      if (i > 0 && spec.args[i - 1].kind == ArgKind::kNone) {
        EXPECT_EQ(arg.kind, ArgKind::kNone) << spec.name;
      }
    }
    EXPECT_LE(raw, 1) << spec.name;
  }
}

TEST(FindHelper, ChoosesTheVariantOfTheProgramClass) {
  const auto table = HelperTable();
  const HelperSpec* slow = FindHelper(table, 8, ProgramClass::kSocketFilter);
  const HelperSpec* fast = FindHelper(table, 8, ProgramClass::kXdp);
  ASSERT_NE(slow, nullptr);
  ASSERT_NE(fast, nullptr);
  EXPECT_EQ(slow->flags & kHelperFastcall, 0);
  EXPECT_NE(fast->flags & kHelperFastcall, 0);
  EXPECT_EQ(FindHelper(table, 44, ProgramClass::kSchedCls), nullptr);
  EXPECT_EQ(FindHelper(table, 44, ProgramClass::kXdp)->name, "xdp_adjust_head");
  EXPECT_EQ(FindHelper(table, 0, ProgramClass::kXdp), nullptr);
  EXPECT_EQ(FindHelper(table, 212, ProgramClass::kXdp), nullptr);
  EXPECT_EQ(FindHelper(table, 1, ProgramClass::kNone), nullptr);
}

TEST(HelpersOf, ListsWhatFindHelperFinds) {
  const struct {
    ProgramTypeId type;
    uint32_t attach;
  } programs[] = {{ProgramTypeId::kXdp, 0},
                  {ProgramTypeId::kKprobe, 42},
                  {ProgramTypeId::kTracing, 28},
                  {ProgramTypeId::kCgroupSockAddr, 10},
                  {ProgramTypeId::kCgroupSockopt, 22},
                  {ProgramTypeId::kMemory, 0},
                  {ProgramTypeId{kFirstHostProgramType}, 0}};
  for (const auto& p : programs) {
    const auto ids = HelpersOf(p.type, p.attach);
    EXPECT_TRUE(std::ranges::is_sorted(ids));
    EXPECT_EQ(std::ranges::adjacent_find(ids), ids.end());
    const ProgramClass c = ProgramClassOf(p.type, p.attach);
    for (uint32_t id = 1; id <= kLastLinuxHelper; ++id) {
      EXPECT_EQ(std::ranges::binary_search(ids, id), FindHelper(HelperTable(), id, c) != nullptr)
          << "helper " << id << ", class " << static_cast<int>(c);
    }
  }
  EXPECT_TRUE(HelpersOf(ProgramTypeId::kUnspec).empty());
}

}  // namespace
}  // namespace skep
