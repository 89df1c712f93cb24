// SPDX-License-Identifier: Apache-2.0
// Our maps beside the running kernel's: the same operations, the same results,
// errnos and contents.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "maps/create.h"
#include "tests/support/bpf_syscall.h"

namespace skep {
namespace {

using Bytes = std::vector<std::byte>;

MapEnvironment Environment() {
  static uint32_t id = 0;
  return {.cpu_slots = test::PossibleCpus(), .id = ++id, .epochs = std::make_shared<EpochDomain>()};
}

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

struct Case {
  std::string name;
  MapSpec spec;
  uint32_t keys;  // operations choose among so many keys
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class MapBesideKernel : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (const std::string why = test::WhyNoKernel(); !why.empty()) GTEST_SKIP() << why;
  }

  Bytes Key(uint32_t number) const {
    Bytes key(spec().key_size);
    if (spec().type == MapType::kLpmTrie) {
      // Few different bits, so that prefixes lie within each other; now and then a
      // length that is too large.
      const auto bits = static_cast<uint32_t>(key.size() - 4) * 8;
      const uint32_t length = number % (bits + 2);
      std::memcpy(key.data(), &length, sizeof length);
      for (size_t i = 4; i < key.size(); ++i) {
        key[i] = static_cast<std::byte>((number * 2654435761u >> (i % 4 * 6)) & 0xc1);
      }
      return key;
    }
    for (size_t i = 0; i < key.size(); ++i) {
      key[i] = static_cast<std::byte>(i < 4 ? number >> (8 * i) : i * 7);
    }
    return key;
  }
  Bytes Value() {
    Bytes value(host_value_size());
    if (redirects()) {
      // None, the loopback device or a queue of one, too long a queue.
      constexpr uint32_t kDevices[] = {0, 1, 1}, kQueues[] = {0, 1, 64, 16384, 16385};
      const uint32_t first = spec().type == MapType::kCpumap
                                 ? kQueues[Random(std::size(kQueues))]
                                 : kDevices[Random(std::size(kDevices))];
      std::memcpy(value.data(), &first, sizeof first);
      return value;
    }
    for (std::byte& b : value) b = static_cast<std::byte>(random_());
    return value;
  }
  bool redirects() const {
    return spec().type == MapType::kDevmap || spec().type == MapType::kDevmapHash ||
           spec().type == MapType::kCpumap;
  }
  const MapSpec& spec() const { return GetParam().spec; }
  bool per_cpu() const {
    return spec().type == MapType::kPercpuArray || spec().type == MapType::kPercpuHash ||
           spec().type == MapType::kLruPercpuHash;
  }
  uint32_t host_value_size() const {
    return per_cpu() ? (spec().value_size + 7) / 8 * 8 * test::PossibleCpus() : spec().value_size;
  }
  // What a map holds that travels: per-CPU padding does not.
  Bytes Meaning(Bytes value) const {
    if (!per_cpu()) return value;
    const uint32_t stride = (spec().value_size + 7) / 8 * 8;
    for (uint32_t i = 0; i < value.size(); ++i) {
      if (i % stride >= spec().value_size) value[i] = std::byte{0};
    }
    return value;
  }

  uint32_t Random(size_t below) { return static_cast<uint32_t>(random_() % below); }

  std::mt19937 random_{1};
};

TEST_P(MapBesideKernel, AnswersRandomOperationsAlike) {
  const test::Fd theirs = test::KernelMapCreate(spec());
  ASSERT_TRUE(theirs.ok()) << theirs.get();
  const auto made = CreateMap(spec(), Environment());
  ASSERT_TRUE(made) << made.error().message;
  Map& ours = **made;
  ASSERT_EQ(ours.host_value_size(), host_value_size());

  constexpr uint64_t kFlags[] = {0, 0, 0, 1, 2, 3, 4, 8, uint64_t{1} << 32};
  constexpr uint64_t kLookupFlags[] = {0, 0, 0, 1, 4, 8};
  for (int step = 0; step < 20000; ++step) {
    const Bytes key = Key(Random(GetParam().keys));
    Bytes a(host_value_size()), b(host_value_size());
    const std::string where = "step " + std::to_string(step);
    switch (Random(5)) {
      case 0: {
        const uint64_t flags = kLookupFlags[Random(std::size(kLookupFlags))];
        ASSERT_EQ(ours.HostLookup(key.data(), a.data(), flags),
                  test::KernelMapLookup(theirs, key.data(), b.data(), flags))
            << where << " lookup " << flags;
        ASSERT_EQ(Meaning(a), Meaning(b)) << where;
        break;
      }
      case 1:
      case 2: {
        const Bytes value = Value();
        const uint64_t flags = kFlags[Random(std::size(kFlags))];
        ASSERT_EQ(ours.HostUpdate(key.data(), value.data(), flags),
                  test::KernelMapUpdate(theirs, key.data(), value.data(), flags))
            << where << " update " << flags;
        break;
      }
      case 3:
        ASSERT_EQ(ours.HostDelete(key.data()), test::KernelMapDelete(theirs, key.data())) << where;
        break;
      default:
        ASSERT_EQ(ours.HostLookupAndDelete(key.data(), a.data()),
                  test::KernelMapLookupAndDelete(theirs, key.data(), b.data()))
            << where << " lookup and delete";
        ASSERT_EQ(Meaning(a), Meaning(b)) << where;
    }
  }

  // Iteration visits every key once; hash order is each side's own affair.
  std::vector<Bytes> our_keys, their_keys;
  Bytes key(spec().key_size);
  for (const std::byte* at = nullptr; ours.NextKey(at, key.data()) == 0; at = key.data()) {
    our_keys.push_back(key);
    ASSERT_LE(our_keys.size(), spec().max_entries);
  }
  EXPECT_EQ(ours.NextKey(key.data(), key.data()), -ENOENT);
  for (const std::byte* at = nullptr; test::KernelMapNextKey(theirs, at, key.data()) == 0;
       at = key.data()) {
    their_keys.push_back(key);
  }
  const bool ordered = spec().type == MapType::kArray || spec().type == MapType::kPercpuArray ||
                       spec().type == MapType::kLpmTrie || spec().type == MapType::kDevmap ||
                       spec().type == MapType::kCpumap;
  if (!ordered) {
    std::sort(our_keys.begin(), our_keys.end());
    std::sort(their_keys.begin(), their_keys.end());
  }
  EXPECT_EQ(our_keys, their_keys);
}

TEST_P(MapBesideKernel, FreezesAlike) {
  const test::Fd theirs = test::KernelMapCreate(spec());
  ASSERT_TRUE(theirs.ok());
  const auto made = CreateMap(spec(), Environment());
  ASSERT_TRUE(made);
  Map& ours = **made;
  const Bytes key = Key(1), value = Value();
  EXPECT_EQ(ours.HostUpdate(key.data(), value.data()),
            test::KernelMapUpdate(theirs, key.data(), value.data()));
  EXPECT_EQ(ours.Freeze(), test::KernelMapFreeze(theirs));
  EXPECT_EQ(ours.Freeze(), test::KernelMapFreeze(theirs));
  EXPECT_EQ(ours.HostUpdate(key.data(), value.data()),
            test::KernelMapUpdate(theirs, key.data(), value.data()));
  EXPECT_EQ(ours.HostDelete(key.data()), test::KernelMapDelete(theirs, key.data()));
  Bytes a(host_value_size()), b(host_value_size());
  EXPECT_EQ(ours.HostLookup(key.data(), a.data()),
            test::KernelMapLookup(theirs, key.data(), b.data()));
  EXPECT_EQ(Meaning(a), Meaning(b));
}

TEST_P(MapBesideKernel, ChecksPermissionsAlike) {
  for (const uint32_t flag : {kMapRdonly, kMapWronly}) {
    MapSpec limited = spec();
    limited.flags |= flag;
    const test::Fd theirs = test::KernelMapCreate(limited);
    const auto made = CreateMap(limited, Environment());
    ASSERT_EQ(theirs.ok(), made.has_value());
    if (!made) continue;  // CPUMAP knows no such flag
    Map& ours = **made;
    const Bytes key = Key(0), value = Value();
    Bytes out(host_value_size()), next(spec().key_size);
    EXPECT_EQ(ours.HostUpdate(key.data(), value.data(), 4),
              test::KernelMapUpdate(theirs, key.data(), value.data(), 4));
    EXPECT_EQ(ours.HostUpdate(key.data(), value.data()),
              test::KernelMapUpdate(theirs, key.data(), value.data()));
    EXPECT_EQ(ours.HostLookup(key.data(), out.data()),
              test::KernelMapLookup(theirs, key.data(), out.data()));
    EXPECT_EQ(ours.HostLookupAndDelete(key.data(), out.data()),
              test::KernelMapLookupAndDelete(theirs, key.data(), out.data()));
    EXPECT_EQ(ours.NextKey(nullptr, next.data()),
              test::KernelMapNextKey(theirs, nullptr, next.data()));
    EXPECT_EQ(ours.HostDelete(key.data()), test::KernelMapDelete(theirs, key.data()));
    EXPECT_EQ(ours.Freeze(), test::KernelMapFreeze(theirs));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Types, MapBesideKernel,
    testing::Values(Case{"hash_4", Spec(MapType::kHash, 4, 8, 20), 40},
                    Case{"hash_8", Spec(MapType::kHash, 8, 12, 50), 60},
                    Case{"hash_16", Spec(MapType::kHash, 16, 1, 64), 100},
                    Case{"hash_7", Spec(MapType::kHash, 7, 33, 200), 300},
                    Case{"hash_1", Spec(MapType::kHash, 1, 3, 300), 256},
                    Case{"hash_one_entry", Spec(MapType::kHash, 4, 4, 1), 3},
                    Case{"hash_no_prealloc", Spec(MapType::kHash, 64, 100, 30, kMapNoPrealloc), 60},
                    Case{"hash_zero_seed", Spec(MapType::kHash, 8, 8, 30, kMapZeroSeed), 60},
                    Case{"percpu_hash", Spec(MapType::kPercpuHash, 4, 12, 20), 40},
                    Case{"percpu_hash_odd", Spec(MapType::kPercpuHash, 5, 3, 20), 40},
                    // Enough room: which keys go when there is none is each side's own affair.
                    Case{"lru_hash", Spec(MapType::kLruHash, 8, 12, 4000), 60},
                    Case{"lru_hash_odd", Spec(MapType::kLruHash, 5, 3, 4000), 60},
                    Case{"lru_percpu_hash", Spec(MapType::kLruPercpuHash, 4, 12, 4000), 40},
                    Case{"lpm_4", Spec(MapType::kLpmTrie, 8, 8, 20, kMapNoPrealloc), 300},
                    Case{"lpm_1", Spec(MapType::kLpmTrie, 5, 3, 200, kMapNoPrealloc), 200},
                    Case{"lpm_16", Spec(MapType::kLpmTrie, 20, 40, 100, kMapNoPrealloc), 400},
                    Case{"lpm_9", Spec(MapType::kLpmTrie, 13, 1, 30, kMapNoPrealloc), 100},
                    Case{"lpm_one_entry", Spec(MapType::kLpmTrie, 8, 4, 1, kMapNoPrealloc), 5},
                    Case{"devmap", Spec(MapType::kDevmap, 4, 4, 10), 14},
                    Case{"devmap_val", Spec(MapType::kDevmap, 4, 8, 10), 14},
                    Case{"devmap_hash", Spec(MapType::kDevmapHash, 4, 8, 10), 30},
                    Case{"cpumap", Spec(MapType::kCpumap, 4, 8, 4), 6},
                    Case{"array", Spec(MapType::kArray, 4, 8, 20), 25},
                    Case{"array_odd", Spec(MapType::kArray, 4, 13, 7), 9},
                    Case{"percpu_array", Spec(MapType::kPercpuArray, 4, 20, 10), 12}),
    [](const auto& instance) { return instance.param.name; });

// ---- creation -----------------------------------------------------------------

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
      MapType::kHash,       MapType::kArray,       MapType::kProgArray,   MapType::kPerfEventArray,
      MapType::kPercpuHash, MapType::kPercpuArray, MapType::kLruHash,     MapType::kLruPercpuHash,
      MapType::kLpmTrie,    MapType::kArrayOfMaps, MapType::kHashOfMaps,  MapType::kQueue,
      MapType::kStack,      MapType::kRingbuf,     MapType::kBloomFilter, MapType::kUserRingbuf,
      MapType::kStackTrace, MapType::kDevmap,      MapType::kDevmapHash,  MapType::kCpumap,
      MapType::kXskmap};
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
