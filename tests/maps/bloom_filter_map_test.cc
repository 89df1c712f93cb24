// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <cstring>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "maps/create.h"
#include "tests/support/bpf_syscall.h"
#include "tests/support/kernel_oracle.h"

namespace skep {
namespace {

using Bytes = std::vector<std::byte>;

MapSpec Filter(uint32_t value_size, uint32_t entries, uint64_t functions) {
  MapSpec spec;
  spec.name = "filter";
  spec.type = MapType::kBloomFilter;
  spec.value_size = value_size;
  spec.max_entries = entries;
  spec.map_extra = functions;
  spec.flags = kMapZeroSeed;
  return spec;
}

std::shared_ptr<Map> Make(const MapSpec& spec) {
  auto made = CreateMap(spec, {.cpu_slots = 1, .id = 1, .epochs = std::make_shared<EpochDomain>()});
  EXPECT_TRUE(made) << made.error().message;
  return made ? *made : nullptr;
}

TEST(BloomFilter, FindsAllThatWasPushed) {
  const auto map = Make(Filter(16, 500, 3));
  std::mt19937_64 random(1);
  std::vector<Bytes> members;
  for (int i = 0; i < 500; ++i) {
    Bytes value(16);
    for (std::byte& b : value) b = static_cast<std::byte>(random());
    ASSERT_EQ(map->Push(value.data(), 0), 0);
    members.push_back(value);
  }
  for (Bytes& value : members) EXPECT_EQ(map->Peek(value.data()), 0);
  EXPECT_EQ(map->Push(members[0].data(), 1), -EINVAL);
  EXPECT_EQ(map->Pop(members[0].data()), -EOPNOTSUPP);
}

// One hash gives all bits where the seed is random; it is as good as five.
TEST(BloomFilter, TakesFewOthersForMembers) {
  constexpr uint64_t kMembers = 1000, kOthers = 20'000;
  for (const uint32_t flags : {0u, static_cast<uint32_t>(kMapZeroSeed)}) {
    for (const uint32_t size : {8u, 12u}) {
      MapSpec spec = Filter(size, kMembers, 5);
      spec.flags = flags;
      const auto map = Make(spec);
      uint64_t value[2] = {};
      auto* const bytes = reinterpret_cast<std::byte*>(value);
      for (value[0] = 0; value[0] < kMembers; ++value[0]) ASSERT_EQ(map->Push(bytes, 0), 0);
      for (value[0] = 0; value[0] < kMembers; ++value[0]) ASSERT_EQ(map->Peek(bytes), 0);
      uint64_t taken = 0;
      for (; value[0] < kMembers + kOthers; ++value[0]) taken += map->Peek(bytes) == 0 ? 1u : 0u;
      // 8192 bits: (1 - exp(-5000 / 8192)) ^ 5 is 0.020.
      EXPECT_GT(taken, kOthers / 100) << flags << " " << size;
      EXPECT_LT(taken, kOthers / 25) << flags << " " << size;
    }
  }
}

TEST(BloomFilter, TakesTheSameValuesForMembersAsTheKernelDoes) {
  if (const std::string why = test::WhyNoKernel(); !why.empty()) GTEST_SKIP() << why;
  std::mt19937_64 random(2);
  for (const uint32_t size : {1u, 3u, 4u, 8u, 11u, 12u, 13u, 16u, 24u, 25u, 37u, 64u}) {
    for (const uint64_t functions : {0u, 1u, 4u, 15u}) {
      const MapSpec spec = Filter(size, 40, functions);
      const auto ours = Make(spec);
      const test::Fd theirs = test::KernelMapCreate(spec);
      ASSERT_TRUE(theirs.ok()) << theirs.get();
      int members = 0;
      for (int step = 0; step < 400; ++step) {
        // Few bytes, so that values come again.
        Bytes value(size);
        for (std::byte& b : value) b = static_cast<std::byte>(random() & 1);
        if (step % 8 == 0) {
          ASSERT_EQ(ours->HostUpdate(nullptr, value.data()),
                    test::KernelMapUpdate(theirs, nullptr, value.data(), 0));
        }
        const int answer = ours->HostLookup(nullptr, value.data());
        ASSERT_EQ(answer, test::KernelMapLookup(theirs, nullptr, value.data(), 0))
            << size << " " << functions << " " << step;
        members += answer == 0;
      }
      EXPECT_GT(members, 0);
      std::byte out[64];
      EXPECT_EQ(ours->HostDelete(nullptr), test::KernelMapDelete(theirs, nullptr));
      EXPECT_EQ(ours->NextKey(nullptr, out), test::KernelMapNextKey(theirs, nullptr, out));
      EXPECT_EQ(ours->HostLookupAndDelete(nullptr, out),
                test::KernelMapLookupAndDelete(theirs, nullptr, out));
    }
  }
}

}  // namespace
}  // namespace skep
