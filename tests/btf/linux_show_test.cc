// SPDX-License-Identifier: Apache-2.0
// Values printed as Linux prints them, beside the running kernel's
// bpf_snprintf_btf: types of /sys/kernel/btf/vmlinux over random bytes.
#include "btf/linux_show.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>

#include <gtest/gtest.h>

#include "tests/btf/builder.h"
#include "tests/support/bpf_syscall.h"

namespace skep::btf {
namespace {

constexpr uint32_t kSchedCls = 3;
constexpr uint32_t kTextSize = 1u << 16, kObjectSize = 1u << 14;

// What the program and this test share, as one element of an array map.
struct Shared {
  char text[kTextSize];
  uint8_t object[kObjectSize];
  uint64_t flags;
  uint32_t type_id;
  uint32_t unused;
};

Insn Load(int dst, int base, int32_t offset, uint8_t code) {
  Insn insn{};
  insn.code = code;
  insn.dst = dst & 15;
  insn.src = base & 15;
  insn.off = static_cast<int16_t>(offset);
  return insn;
}

// Prints the shared object into the shared text.
class KernelShow {
 public:
  KernelShow() : map_(test::KernelMapCreate(Spec())), program_(Program()) {}
  bool ok() const { return program_.ok(); }
  const std::string& log() const { return log_; }

  int Run(uint32_t id, std::span<const uint8_t> object, uint64_t flags, std::string* text) {
    auto shared = std::make_unique<Shared>();
    std::memcpy(shared->object, object.data(), object.size());
    shared->flags = flags;
    shared->type_id = id;
    const uint32_t key = 0;
    EXPECT_EQ(test::KernelMapUpdate(map_, &key, shared.get()), 0);
    uint32_t result = 0;
    EXPECT_EQ(test::KernelProgramRun(program_, &result), 0);
    EXPECT_EQ(test::KernelMapLookup(map_, &key, shared.get()), 0);
    *text = std::string(shared->text, strnlen(shared->text, kTextSize));
    return static_cast<int>(result);
  }

 private:
  static MapSpec Spec() {
    MapSpec spec;
    spec.type = MapType::kArray;
    spec.key_size = 4;
    spec.value_size = sizeof(Shared);
    spec.max_entries = 1;
    return spec;
  }
  test::Fd Program() {
    constexpr uint8_t kLoad32 = 0x61, kLoad64 = 0x79, kStore32 = 0x63;
    // r6: flags and type id; r7: object; r1: text.
    const test::Insns insns = test::Join({test::LoadMapValue(6, map_, offsetof(Shared, flags)),
                                          test::LoadMapValue(7, map_, offsetof(Shared, object)),
                                          test::StoreReg(10, -16, 7),
                                          {Load(1, 6, 8, kLoad32)},
                                          {Load(10, 1, -8, kStore32)},
                                          test::Mov(1, 0),
                                          {Load(10, 1, -4, kStore32)},
                                          test::LoadMapValue(1, map_, 0),
                                          test::Mov(2, kTextSize),
                                          test::MovReg(3, 10),
                                          test::AddImm(3, -16),
                                          test::Mov(4, 16),
                                          {Load(5, 6, 0, kLoad64)},
                                          test::CallHelper(149),
                                          test::Exit()});
    return test::KernelProgramLoad(kSchedCls, insns, &log_);
  }

  test::Fd map_;
  std::string log_;
  test::Fd program_;
};

std::shared_ptr<const Btf> KernelTypes() {
  std::ifstream file("/sys/kernel/btf/vmlinux", std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  auto btf = Btf::Parse(std::as_bytes(std::span(bytes)), Origin::kKernel);
  return btf ? *btf : nullptr;
}

// Mostly zeros, so that whole members are left out, with small numbers, letters
// and anything.
std::vector<uint8_t> RandomObject(uint32_t size, std::mt19937_64& random) {
  std::vector<uint8_t> object(size);
  const uint32_t density = static_cast<uint32_t>(random() % 5);  // out of 4
  for (size_t i = 0; i < size; i += 8) {
    if (random() % 4 >= density) continue;
    const uint64_t kind = random() % 4;
    for (size_t j = i; j < std::min<size_t>(i + 8, size); ++j) {
      const auto byte = static_cast<uint8_t>(random());
      object[j] = kind == 0            ? byte
                  : kind == 1          ? 'a' + byte % 26
                  : kind == 2 && j > i ? 0
                                       : byte % 8;
    }
  }
  return object;
}

TEST(ShowAsLinux, PrintsTypesOfTheKernelAlike) {
  if (const std::string why = test::WhyNoKernel(); !why.empty()) GTEST_SKIP() << why;
  const std::shared_ptr<const Btf> btf = KernelTypes();
  if (btf == nullptr) GTEST_SKIP() << "/sys/kernel/btf/vmlinux cannot be read";
  KernelShow kernel;
  if (!kernel.ok()) GTEST_SKIP() << "the kernel refuses bpf_snprintf_btf: " << kernel.log();
  const char* count = std::getenv("SKEP_SHOW_COUNT");
  const int wanted = count == nullptr ? 3000 : std::atoi(count);
  std::mt19937_64 random(7);
  int differing = 0;
  for (int done = 0; done < wanted && differing < 5;) {
    const auto id = static_cast<uint32_t>(1 + random() % (btf->type_count() - 1));
    const Kind kind = btf->kind(btf->SkipModifiers(id));
    const std::optional<uint32_t> size = btf->SizeOf(id);
    if (!size || *size > kObjectSize || kind == Kind::kVar || kind == Kind::kDatasec) continue;
    ++done;
    const std::vector<uint8_t> object = RandomObject(*size, random);
    const uint64_t flags = (random() % 16) | kShowPtrRaw;
    std::string theirs;
    const int their_length = kernel.Run(id, object, flags, &theirs);
    std::vector<char> ours(kTextSize);
    const int length =
        SnprintfAsLinux(*btf, id, std::as_bytes(std::span(object)), flags, nullptr, ours);
    if (length == their_length && ours.data() == theirs) continue;
    ++differing;
    ADD_FAILURE() << KindName(btf->kind(id)) << " " << btf->name(id) << " [" << id << "], flags "
                  << flags << ": Linux " << their_length << "\n"
                  << theirs.substr(0, 3000) << "\nwe " << length << "\n"
                  << std::string(ours.data()).substr(0, 3000);
  }
}

TEST(ShowAsLinux, CutsTheTextAndCountsAllOfIt) {
  Builder b;
  const uint32_t number = b.Int("int", 4, 1);
  const uint32_t pair =
      b.Add("pair", Kind::kStruct, 2, 8, {b.Name("a"), number, 0, b.Name("b"), number, 32});
  const auto btf = b.Parse();
  ASSERT_TRUE(btf);
  const int32_t object[] = {1, -2};
  const auto bytes = std::as_bytes(std::span(object));
  char text[16];
  EXPECT_EQ(SnprintfAsLinux(**btf, pair, bytes, kShowCompact, nullptr, text), 40);
  EXPECT_STREQ(text, "(struct pair){.");
  EXPECT_EQ(SnprintfAsLinux(**btf, pair, bytes, kShowCompact, nullptr, {}), 40);
  std::string whole;
  EXPECT_EQ(ShowAsLinux(**btf, pair, bytes, kShowCompact, nullptr, whole), 0);
  EXPECT_EQ(whole, "(struct pair){.a = (int)1,.b = (int)-2,}");
}

TEST(ShowAsLinux, RefusesWhatHasNoObject) {
  Builder b;
  const uint32_t number = b.Int("int", 4, 1);
  const uint32_t nothing = b.Add("", Kind::kConst, 0, 0);
  const uint32_t many =
      b.Add("", Kind::kArray, 0, 0, {b.Add("e", Kind::kStruct, 0, 0), number, ~0u});
  const auto btf = b.Parse();
  ASSERT_TRUE(btf);
  std::string text;
  EXPECT_EQ(ShowAsLinux(**btf, number, {}, 0, nullptr, text), -EFAULT);
  const uint32_t zero = 0;
  const auto bytes = std::as_bytes(std::span(&zero, 1));
  EXPECT_EQ(ShowAsLinux(**btf, number, bytes, 16, nullptr, text), -EINVAL);
  EXPECT_EQ(ShowAsLinux(**btf, nothing, bytes, 0, nullptr, text), -EINVAL);
  EXPECT_EQ(ShowAsLinux(**btf, many, bytes, 0, nullptr, text), -E2BIG);
  EXPECT_EQ(ShowAsLinux(**btf, number, bytes, 0, nullptr, text = ""), 0);
  EXPECT_EQ(text, "(int)0\n");
}

TEST(ShowAsLinux, ConcealsAddressesAsAsked) {
  Builder b;
  const uint32_t pointer = b.Pointer(b.Int("int", 4, 1));
  const auto btf = b.Parse();
  ASSERT_TRUE(btf);
  const auto show = [&](uint64_t address, uint64_t flags) {
    std::string text;
    EXPECT_EQ(ShowAsLinux(
                  **btf, pointer, std::as_bytes(std::span(&address, 1)), flags,
                  [](uint64_t) { return uint64_t{0xbee}; }, text),
              0);
    return text;
  };
  EXPECT_EQ(show(0x1234, 0), "(int *)0x0000000000000bee\n");
  EXPECT_EQ(show(0x1234, kShowPtrRaw), "(int *)0x0000000000001234\n");
  EXPECT_EQ(show(0, 0), "(int *)0x0000000000000000\n");
  EXPECT_EQ(show(~uint64_t{0}, 0), "(int *)0xffffffffffffffff\n");
}

}  // namespace
}  // namespace skep::btf
