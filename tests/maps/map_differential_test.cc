// SPDX-License-Identifier: Apache-2.0
// Random operations of the host on maps of every type that both sides have, legal and
// illegal, beside the running kernel's: the same results, errnos and contents.
//
//   SKEP_MAP_OPERATIONS=5000000 maps_tests --gtest_filter='MapBesideKernel.*'
//   SKEP_MAP_SEED=N starts elsewhere
//
// What may differ, and is therefore not compared:
//   - which element a full LRU map drops: Linux's lists and free lists per CPU are its
//     own affair, ours is a clock; LRU maps here have more room than keys;
//   - the order of elements in hashes, and how a batch cuts them into pieces: compared
//     are the elements as a set, and that each is given once;
//   - bloom filters without BPF_F_ZERO_SEED: the seed decides what they take for
//     there; here they all have it;
//   - elements that the kernel allocates one by one (BPF_F_NO_PREALLOC) and has no memory
//     for at the moment: that map is given up, and counted;
//   - stacks of build ids (BPF_F_STACK_BUILD_ID), which this build refuses by name;
//   - devices that the kernel does not have, which its tables refuse;
//   - storage for tasks, sockets, inodes and cgroups, whose objects are the host's.
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <map>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "model/map_type_info.h"
#include "tests/maps/map_pair.h"

namespace skep::test {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  uint32_t Below(uint64_t limit) { return static_cast<uint32_t>(engine_() % limit); }
  bool OneIn(uint32_t n) { return Below(n) == 0; }
  uint64_t Word() { return engine_(); }
  template <class T, size_t n>
  T Of(const T (&choices)[n]) {
    return choices[Below(n)];
  }

 private:
  std::mt19937_64 engine_;
};

// ---- specifications ---------------------------------------------------------------

// Types and how often they are chosen: the kernel makes a thread for each entry of
// a CPUMAP.
constexpr MapType kTypes[] = {MapType::kHash,          MapType::kHash,
                              MapType::kHash,          MapType::kHash,
                              MapType::kArray,         MapType::kArray,
                              MapType::kArray,         MapType::kPercpuHash,
                              MapType::kPercpuHash,    MapType::kPercpuArray,
                              MapType::kLruHash,       MapType::kLruHash,
                              MapType::kLruPercpuHash, MapType::kLpmTrie,
                              MapType::kLpmTrie,       MapType::kLpmTrie,
                              MapType::kQueue,         MapType::kQueue,
                              MapType::kStack,         MapType::kStack,
                              MapType::kBloomFilter,   MapType::kBloomFilter,
                              MapType::kProgArray,     MapType::kPerfEventArray,
                              MapType::kArrayOfMaps,   MapType::kHashOfMaps,
                              MapType::kDevmap,        MapType::kDevmapHash,
                              MapType::kXskmap,        MapType::kSockmap,
                              MapType::kSockhash,      MapType::kReuseportSockarray,
                              MapType::kCgroupArray,   MapType::kStackTrace,
                              MapType::kRingbuf,       MapType::kUserRingbuf};
constexpr uint32_t kKeySizes[] = {1, 2, 3, 4, 4, 4, 5, 7, 8, 8, 12, 16, 16, 20, 31, 64, 260, 513};
constexpr uint32_t kValueSizes[] = {1,  2,  3,  4,  4,   7,   8,    8,   9,
                                    12, 16, 33, 64, 100, 256, 1000, 4097};
constexpr uint32_t kEntries[] = {1, 1, 2, 3, 4, 7, 8, 15, 16, 33, 64, 100, 200};

bool IsHash(MapType type) {
  return type == MapType::kHash || type == MapType::kPercpuHash || type == MapType::kLruHash ||
         type == MapType::kLruPercpuHash || type == MapType::kHashOfMaps;
}
bool IsLru(MapType type) { return type == MapType::kLruHash || type == MapType::kLruPercpuHash; }
bool HasNoKey(MapType type) {
  return type == MapType::kQueue || type == MapType::kStack || type == MapType::kBloomFilter;
}
bool IsRing(MapType type) { return type == MapType::kRingbuf || type == MapType::kUserRingbuf; }
bool IsSockets(MapType type) {
  return type == MapType::kSockmap || type == MapType::kSockhash ||
         type == MapType::kReuseportSockarray;
}
bool IsSlots(MapType type) {
  return type == MapType::kProgArray || type == MapType::kPerfEventArray ||
         type == MapType::kArrayOfMaps || type == MapType::kHashOfMaps ||
         type == MapType::kXskmap || type == MapType::kCgroupArray || IsSockets(type);
}
bool IsRedirect(MapType type) {
  return type == MapType::kDevmap || type == MapType::kDevmapHash || type == MapType::kCpumap;
}

void ChooseSizes(MapSpec& spec, Random& random) {
  spec.key_size = 4;
  spec.value_size = random.Of(kValueSizes);
  spec.max_entries = random.Of(kEntries);
  const MapType type = spec.type;
  if (IsHash(type)) spec.key_size = random.Of(kKeySizes);
  if (HasNoKey(type) || IsRing(type)) spec.key_size = 0;
  if (IsSlots(type)) spec.value_size = 4;
  if (type == MapType::kSockhash) spec.key_size = random.Of(kKeySizes);
  if (IsRedirect(type) || IsSockets(type)) spec.value_size = random.OneIn(2) ? 4 : 8;
  if (IsLru(type)) spec.max_entries = 1500;
  if (type == MapType::kCpumap) spec.max_entries = 3;
  if (type == MapType::kLpmTrie) {
    constexpr uint32_t kLpmKeys[] = {5, 6, 8, 8, 9, 12, 20, 20, 36, 260};
    spec.key_size = random.Of(kLpmKeys);
  }
  if (IsRing(type)) {
    spec.value_size = 0;
    spec.max_entries = 4096u << random.Below(4);
  }
  if (type == MapType::kStackTrace) spec.value_size = 8 * (1 + random.Below(127));
}

MapSpec LegalSpec(Random& random) {
  MapSpec spec;
  spec.name = "m";
  spec.type = random.OneIn(300) ? MapType::kCpumap : random.Of(kTypes);
  ChooseSizes(spec, random);
  const uint32_t known = model::FindMapType(spec.type)->flags;
  constexpr uint32_t kOptional = kMapNoPrealloc | kMapNoCommonLru | kMapZeroSeed | kMapRdonlyProg |
                                 kMapMmapable | kMapPreserveElems | kMapInnerMap;
  spec.flags = static_cast<uint32_t>(random.Word()) & known & kOptional;
  if (random.OneIn(12)) spec.flags |= (random.OneIn(2) ? kMapRdonly : kMapWronly) & known;
  if (IsLru(spec.type)) spec.flags &= ~uint32_t{kMapNoPrealloc};
  if (spec.type == MapType::kLpmTrie) spec.flags |= kMapNoPrealloc;
  if (spec.type == MapType::kBloomFilter) {
    spec.flags |= kMapZeroSeed;
    spec.map_extra = random.Below(16);
  }
  return spec;
}

// One thing in it is changed, often to what is not allowed.
void Spoil(MapSpec& spec, Random& random) {
  constexpr uint32_t kSizes[] = {0, 1, 4, 5, 8, 260, 261, 512, 4096, 32768, 32769, 1u << 20};
  switch (random.Below(5)) {
    case 0:
      spec.key_size = random.Of(kSizes);
      break;
    case 1:
      spec.value_size = random.Of(kSizes);
      break;
    case 2:
      spec.max_entries = random.Of(kSizes);
      break;
    case 3:
      spec.flags ^= 1u << random.Below(20);
      spec.flags &= ~(1u << 16);  // BPF_F_TOKEN_FD: is about the caller, not the map
      break;
    default:
      spec.map_extra = random.Below(20);
  }
  if (spec.type == MapType::kCpumap) spec.max_entries = std::min(spec.max_entries, 4u);
  if (spec.type == MapType::kBloomFilter) spec.flags |= kMapZeroSeed;
  if (IsLru(spec.type) && spec.max_entries != 0)
    spec.max_entries = std::max(spec.max_entries, 1500u);
}

// ---- operations -------------------------------------------------------------------

class Session {
 public:
  Session(MapPair& pair, Random& random, bool locked)
      : pair_(pair), spec_(pair.spec()), random_(random), locked_(locked) {
    keys_ = IsLru(spec_.type) ? 60 : spec_.max_entries + spec_.max_entries / 2 + 2;
    if (IsRing(spec_.type)) keys_ = 1;
  }

  void Step() {
    if (random_.OneIn(4000)) return pair_.Freeze();
    if (random_.OneIn(150) && !HasNoKey(spec_.type)) return pair_.CompareContents();
    if (HasNoKey(spec_.type)) return KeylessStep();
    if (IsSlots(spec_.type) && random_.OneIn(3)) return Put();
    const Bytes key = Key();
    switch (random_.Below(12)) {
      case 0:
      case 1:
        return pair_.Lookup(&key, Value(), LookupFlags());
      case 2:
      case 3:
      case 4:
      case 5:
        return pair_.Update(&key, Value(), UpdateFlags());
      case 6:
      case 7:
        return pair_.Delete(&key);
      case 8:
        return pair_.LookupAndDelete(&key, Value(), LookupFlags());
      case 9:
        return pair_.NextKey(random_.OneIn(4) ? nullptr : &key);
      default:
        return Batch();
    }
  }

  void End() {
    if (!HasNoKey(spec_.type)) return pair_.CompareContents();
    for (uint32_t i = 0; i <= spec_.max_entries; ++i) pair_.LookupAndDelete(nullptr, Value(), 0);
  }

 private:
  void KeylessStep() {
    const Bytes key = Value();
    const Bytes* maybe = random_.OneIn(50) ? &key : nullptr;
    switch (random_.Below(7)) {
      case 0:
        return pair_.Lookup(maybe, Value(), LookupFlags());
      case 1:
      case 2:
      case 3:
        return pair_.Update(maybe, Value(), UpdateFlags());
      case 4:
        if (random_.OneIn(20)) return pair_.Delete(maybe);
        if (random_.OneIn(20)) return pair_.NextKey(maybe);
        if (random_.OneIn(20)) return Batch();
        [[fallthrough]];
      default:
        return pair_.LookupAndDelete(maybe, Value(), LookupFlags());
    }
  }

  void Put() { pair_.Put(Key(), random_.Below(8), random_.OneIn(3) ? UpdateFlags() : 0); }

  void Batch() {
    const uint64_t flags = random_.OneIn(8) ? LookupFlags() : 0;
    const uint32_t count = random_.OneIn(10) ? 0 : random_.Below(random_.OneIn(4) ? 40 : 5) + 1;
    switch (random_.Below(5)) {
      case 0:
      case 1: {
        Bytes keys, values;
        for (uint32_t i = 0; i <= count; ++i) {
          const Bytes key = Key(), value = Value();
          keys.insert(keys.end(), key.begin(), key.end());
          values.insert(values.end(), value.begin(), value.end());
        }
        return pair_.UpdateBatch(keys, values, count, flags);
      }
      case 2: {
        Bytes keys;
        for (uint32_t i = 0; i <= count; ++i) {
          const Bytes key = Key();
          keys.insert(keys.end(), key.begin(), key.end());
        }
        return pair_.DeleteBatch(keys, count, flags);
      }
      default:
        if (!random_.OneIn(8)) return pair_.UpdateBatch(Key(), Value(), 1, flags);
        return pair_.ReadBatches(count, random_.OneIn(4), flags);
    }
  }

  Bytes Key() {
    Bytes key(spec_.key_size);
    const uint32_t number = random_.Below(keys_);
    if (spec_.type == MapType::kLpmTrie) {
      // Few different bits, so that prefixes lie within each other; now and then a
      // length that is too large.
      const auto bits = static_cast<uint32_t>(key.size() - 4) * 8;
      const uint32_t length = random_.OneIn(3) ? bits : random_.Below(bits + 2);
      std::memcpy(key.data(), &length, sizeof length);
      for (size_t i = 4; i < key.size(); ++i) {
        key[i] = static_cast<std::byte>((number * 2654435761u >> (i % 4 * 6)) & 0xc1);
      }
      return key;
    }
    for (size_t i = 0; i < key.size(); ++i) {
      key[i] = static_cast<std::byte>(i < 4 ? number >> (8 * i) : i * 7);
    }
    if (random_.OneIn(200) && !key.empty()) key.back() = std::byte{0xff};
    return key;
  }

  Bytes Value() {
    Bytes value(pair_.host_value_size());
    if (IsSlots(spec_.type)) {
      const uint32_t no_descriptor = random_.OneIn(2) ? 0xfffffff0 : 1000000000;
      std::memcpy(value.data(), &no_descriptor, sizeof no_descriptor);
      return value;
    }
    if (IsRedirect(spec_.type)) {
      // None, the loopback device or a queue of one, too long a queue.
      constexpr uint32_t kDevices[] = {0, 1, 1}, kQueues[] = {0, 1, 64, 16384, 16385};
      const uint32_t first =
          spec_.type == MapType::kCpumap ? random_.Of(kQueues) : random_.Of(kDevices);
      std::memcpy(value.data(), &first, sizeof first);
      return value;
    }
    // A few values only where a filter is to find them again.
    const uint64_t word =
        spec_.type == MapType::kBloomFilter ? random_.Below(spec_.max_entries * 3) : random_.Word();
    for (size_t i = 0; i < value.size(); ++i) {
      value[i] = static_cast<std::byte>(word >> (i % 8 * 8) ^ i / 8);
    }
    return value;
  }

  uint64_t UpdateFlags() {
    constexpr uint64_t kFlags[] = {0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 3, 4, 8, uint64_t{1} << 32};
    constexpr uint64_t kLocked[] = {0, 0, 1, 2, 4, 4, 4, 5, 6, 7, 8, uint64_t{1} << 32 | 4};
    return locked_ ? random_.Of(kLocked) : random_.Of(kFlags);
  }
  uint64_t LookupFlags() {
    constexpr uint64_t kFlags[] = {0, 0, 0, 0, 0, 0, 0, 1, 4, 8};
    constexpr uint64_t kLocked[] = {0, 0, 0, 4, 4, 4, 4, 5, 8};
    return locked_ ? random_.Of(kLocked) : random_.Of(kFlags);
  }

  MapPair& pair_;
  const MapSpec& spec_;
  Random& random_;
  const bool locked_;
  uint32_t keys_ = 0;
};

TEST(MapBesideKernel, AnswersRandomOperationsAlike) {
  if (const std::string why = WhyNoKernel(); !why.empty()) GTEST_SKIP() << why;
  const uint64_t wanted = FromEnvironment("SKEP_MAP_OPERATIONS", 200000);
  const uint64_t seed = FromEnvironment("SKEP_MAP_SEED", 1);
  MapGuests guests;
  ASSERT_TRUE(guests.btf.ok()) << guests.btf.get();
  std::map<std::string, uint64_t> done;
  uint64_t operations = 0, refused = 0, abandoned = 0, different = 0;
  for (uint64_t round = 0; operations < wanted && different < 10; ++round) {
    Random random(seed * 1000003 + round);
    MapSpec spec = LegalSpec(random);
    const bool locked =
        (spec.type == MapType::kHash || spec.type == MapType::kArray) && random.OneIn(4);
    if (locked) {
      spec.key_size = 4;
      spec.value_size = MapGuests::kLockedSize;
      spec.btf_key_type_id = MapGuests::kKeyType;
      spec.btf_value_type_id = MapGuests::kValueType;
    } else if (random.OneIn(5)) {
      Spoil(spec, random);
    }
    const bool of_maps = spec.type == MapType::kArrayOfMaps || spec.type == MapType::kHashOfMaps;
    if (of_maps) spec.inner = std::make_shared<MapSpec>(guests.inners[0].ours->spec());
    const std::string name(model::FindMapType(spec.type)->name);
    const std::string where = "SKEP_MAP_SEED " + std::to_string(seed) + " round " +
                              std::to_string(round) + " " + Describe(spec) +
                              (locked ? " with a lock" : "") + "\n";
    // Where only memory can refuse a large map, the kernel is not asked for it.
    const uint64_t bytes = (uint64_t{spec.value_size} + spec.key_size + 64) * spec.max_entries;
    if (OurMapVerdict(spec) == 0 && bytes > (4u << 20)) continue;
    const bool of_build_ids = (spec.flags & kMapStackBuildId) != 0;
    if (spec.type == MapType::kStackTrace && of_build_ids) continue;
    MapPair pair(spec, guests, locked);
    ++operations;
    if (pair.ok() && pair.refused()) {
      ++refused;
      continue;
    }
    Session session(pair, random, locked);
    const auto goes_on = [&] { return pair.ok() && !pair.abandoned(); };
    for (int step = 0; step < 300 && goes_on(); ++step, ++operations) session.Step();
    if (goes_on()) session.End();
    if (pair.abandoned()) ++abandoned;
    EXPECT_TRUE(pair.ok()) << where << pair.difference();
    if (!pair.ok()) ++different;
    done[name] += 300;
  }
  EXPECT_LE(abandoned, operations / 20000 + 1);
  std::cout << operations << " operations, " << refused << " maps refused alike, " << abandoned
            << " given up for want of memory, " << different << " differences";
  for (const auto& [name, count] : done) std::cout << ", " << name << " " << count;
  std::cout << "\n";
}

}  // namespace
}  // namespace skep::test
