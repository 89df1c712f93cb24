// SPDX-License-Identifier: Apache-2.0
// Real objects, damaged in thousands of ways from a fixed seed: each is parsed
// to an object or an error, in memory bounded by its size. Run it under the
// address sanitizer to see more.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include <gtest/gtest.h>

#include "skep/program.h"

#include "btf/btf.h"
#include "tests/loader/counted_memory.h"
#include "tests/loader/objects.h"
#include "tests/loader/visit_object.h"

namespace skep::loader {
namespace {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_ * 0x2545f4914f6cdd1d;
  }
  uint64_t Below(uint64_t limit) { return (Next() >> 11) % limit; }

 private:
  uint64_t state_;
};

// Where damage matters most: the ELF header and the section headers.
uint64_t PickOffset(const std::vector<std::byte>& bytes, Random& random) {
  uint64_t headers = 0;
  std::memcpy(&headers, bytes.data() + 40, sizeof(headers));  // e_shoff
  switch (random.Below(4)) {
    case 0:
      return random.Below(64);
    case 1:
      if (headers < bytes.size()) return headers + random.Below(bytes.size() - headers);
      [[fallthrough]];
    default:
      return random.Below(bytes.size());
  }
}

void Damage(std::vector<std::byte>& bytes, Random& random) {
  const uint64_t at = PickOffset(bytes, random);
  const uint64_t left = bytes.size() - at;
  switch (random.Below(6)) {
    case 0:
      bytes[at] ^= static_cast<std::byte>(1u << random.Below(8));
      break;
    case 1:
      bytes[at] = static_cast<std::byte>(random.Below(256));
      break;
    case 2: {
      const uint32_t values[] = {0,
                                 1,
                                 0x7fffffff,
                                 0x80000000,
                                 0xffffffff,
                                 static_cast<uint32_t>(bytes.size()),
                                 static_cast<uint32_t>(bytes.size() - at)};
      const uint32_t value = values[random.Below(std::size(values))];
      std::memcpy(bytes.data() + (at & ~uint64_t{3}), &value,
                  std::min<uint64_t>(4, bytes.size() - (at & ~uint64_t{3})));
      break;
    }
    case 3: {  // a small step in a number
      uint32_t value = 0;
      const uint64_t aligned = std::min<uint64_t>(at & ~uint64_t{3}, bytes.size() - 4);
      std::memcpy(&value, bytes.data() + aligned, 4);
      value += static_cast<uint32_t>(random.Below(17)) - 8;
      std::memcpy(bytes.data() + aligned, &value, 4);
      break;
    }
    case 4: {  // a piece from elsewhere
      const uint64_t size = std::min<uint64_t>(left, 1 + random.Below(64));
      const uint64_t from = random.Below(bytes.size() - size + 1);
      std::memmove(bytes.data() + at, bytes.data() + from, size);
      break;
    }
    default:
      bytes.resize(std::max<uint64_t>(at, 64));
  }
}

// Parses `bytes` and reads all of it. Returns whether it is an object.
bool ParseWithinBounds(const std::vector<std::byte>& bytes, const std::string& what) {
  const MemoryPeak memory;
  // A copy of the exact size, so that the sanitizer sees a read past the end.
  const std::vector<std::byte> input(bytes);
  const auto object = Object::Parse(input, "damaged.bpf.o");
  const uint64_t sum = object ? Visit(*object) : Visit(object.error().message);
  EXPECT_TRUE(object || !object.error().message.empty()) << what << sum;
  EXPECT_LE(memory.bytes(), MemoryPeak::Allowed(bytes.size())) << what;
  return object.has_value();
}

std::vector<std::string> ObjectsToDamage() {
  std::vector<std::string> paths;
  for (const std::string& path : BuiltObjects())
    if (path.find(".v3.") != std::string::npos) paths.push_back(path);
  return paths;
}

TEST(DamagedObject, IsReadOrRefusedInBoundedMemory) {
  const auto paths = ObjectsToDamage();
  if (paths.empty()) GTEST_SKIP() << "clang is missing: there are no objects";
  constexpr int kVariants = 3000;
  int read = 0;
  int refused = 0;
  for (size_t i = 0; i < paths.size(); ++i) {
    const std::vector<std::byte> whole = ReadBytes(paths[i]);
    Random random(0x9e3779b97f4a7c15 + i);
    for (int variant = 0; variant < kVariants; ++variant) {
      std::vector<std::byte> bytes = whole;
      for (uint64_t n = 1 + random.Below(4); n > 0; --n) Damage(bytes, random);
      const bool is_object =
          ParseWithinBounds(bytes, paths[i] + ", variant " + std::to_string(variant));
      ++(is_object ? read : refused);
    }
  }
  // Damage that is always noticed, or never, would test nothing.
  EXPECT_GT(read, 1000);
  EXPECT_GT(refused, 1000);
}

TEST(DamagedObject, IsRefusedWhereverItIsCutOff) {
  for (const std::string& path : ObjectsToDamage()) {
    const bool small =
        path.ends_with("minimal.v3.bpf.o") || path.ends_with("subprograms.v3.nodebug.bpf.o");
    if (!small) continue;
    const std::vector<std::byte> whole = ReadBytes(path);
    for (size_t size = 0; size < whole.size(); ++size)
      // Section headers come last in what clang writes.
      EXPECT_FALSE(ParseWithinBounds({whole.begin(), whole.begin() + static_cast<int64_t>(size)},
                                     path + " cut at " + std::to_string(size)));
    EXPECT_TRUE(ParseWithinBounds(whole, path));
  }
}

}  // namespace
}  // namespace skep::loader
