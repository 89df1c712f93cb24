// SPDX-License-Identifier: Apache-2.0
// What maps are made, and what is refused with which errno, beside the running
// kernel.
#include <cerrno>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "maps/create.h"
#include "tests/support/bpf_syscall.h"

namespace skep {
namespace {

MapSpec Spec(MapType type, uint32_t key, uint32_t value, uint32_t entries, uint32_t flags = 0) {
  MapSpec spec;
  spec.name = "m";
  spec.type = type;
  spec.key_size = key;
  spec.value_size = value;
  spec.max_entries = entries;
  spec.flags = flags;
  return spec;
}

// What is compared: 0, or the errno.
int OurVerdict(const MapSpec& spec) {
  const auto checked = CheckMapSpec(spec);
  return checked ? 0 : -checked.error().sys_errno;
}

TEST(CheckMapSpec, RefusesWhatTheKernelRefusesWithItsErrno) {
  if (const std::string why = test::WhyNoKernel(); !why.empty()) GTEST_SKIP() << why;
  MapSpec inner_spec = Spec(MapType::kArray, 4, 8, 4);
  const test::Fd inner = test::KernelMapCreate(inner_spec);
  ASSERT_TRUE(inner.ok());

  constexpr MapType kTypes[] = {
      MapType::kHash,           MapType::kArray,         MapType::kProgArray,
      MapType::kPerfEventArray, MapType::kPercpuHash,    MapType::kPercpuArray,
      MapType::kLruHash,        MapType::kLruPercpuHash, MapType::kLpmTrie,
      MapType::kArrayOfMaps,    MapType::kHashOfMaps,    MapType::kQueue,
      MapType::kStack,          MapType::kRingbuf,       MapType::kBloomFilter,
      MapType::kUserRingbuf,    MapType::kStackTrace,    MapType::kDevmap,
      MapType::kDevmapHash,     MapType::kCpumap,        MapType::kXskmap,
      MapType::kSockmap,        MapType::kSockhash,      MapType::kReuseportSockarray,
      MapType::kCgroupArray};
  constexpr uint32_t kKeys[] = {0, 1, 4, 4, 4, 5, 8, 16, 260, 261, 4194240, 4194300};
  constexpr uint32_t kValues[] = {0,       1,       4,          4,         8,
                                  32768,   32769,   4193000,    4194239,   4194240,
                                  4194304, 4194305, 0x7fffffff, 0x80000000};
  constexpr uint32_t kEntries[] = {
      0, 1, 3, 16, 4096, 4097, 8192, 12288, 1u << 27, (1u << 27) + 1, 0xffffffff};
  std::mt19937 random(7);
  int refused = 0, accepted = 0;
  for (int i = 0; i < 15000; ++i) {
    // One by one: compilers evaluate arguments in different orders.
    MapSpec spec = Spec(kTypes[random() % std::size(kTypes)], 0, 0, 0);
    spec.key_size = kKeys[random() % std::size(kKeys)];
    spec.value_size = kValues[random() % std::size(kValues)];
    spec.max_entries = kEntries[random() % std::size(kEntries)];
    if (random() % 2 == 0) spec.flags = 1u << random() % 14;
    if (random() % 4 == 0) spec.flags |= 1u << random() % 20;
    spec.flags &= ~(1u << 16);  // BPF_F_TOKEN_FD: is about the caller, not the map
    if (spec.type == MapType::kLpmTrie && random() % 4 != 0) spec.flags |= kMapNoPrealloc;
    if (random() % 8 == 0) spec.map_extra = random() % 2 == 0 ? random() % 20 : 1ull << 40;
    // How many CPUs a kernel can have is its configuration's affair.
    if (spec.type == MapType::kCpumap) spec.max_entries %= 64;
    const bool of_maps = spec.type == MapType::kArrayOfMaps || spec.type == MapType::kHashOfMaps;
    if (of_maps) spec.inner = std::make_shared<MapSpec>(inner_spec);

    const int verdict = OurVerdict(spec);
    // Where only memory can refuse a large map, the kernel is not asked for it;
    // nor where we might be wrong and it would make one.
    const uint64_t bytes = (uint64_t{spec.value_size} + spec.key_size + 64) * spec.max_entries;
    const bool too_many = verdict == -E2BIG && spec.max_entries > (1u << 27);
    if (bytes > (16u << 20) && !too_many) continue;
    const test::Fd theirs = test::KernelMapCreate(spec, of_maps ? inner.get() : 0);
    ASSERT_EQ(verdict, theirs.ok() ? 0 : theirs.get())
        << "type " << static_cast<uint32_t>(spec.type) << " key " << spec.key_size << " value "
        << spec.value_size << " entries " << spec.max_entries << " flags " << spec.flags
        << " extra " << spec.map_extra << ": "
        << (verdict == 0 ? "" : CheckMapSpec(spec).error().message);
    ++(verdict == 0 ? accepted : refused);
  }
  EXPECT_GT(accepted, 100);
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace skep
