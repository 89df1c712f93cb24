// SPDX-License-Identifier: Apache-2.0
// The running kernel as the oracle of Btf::Parse(kKernel): BTF damaged from a
// fixed seed is taken by both or refused by both, with the same errno.
#include <cerrno>
#include <cstring>

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/btf/builder.h"

namespace skep::btf {
namespace {

// BPF_BTF_LOAD of bpf(2), in the first fields of union bpf_attr.
struct LoadAttr {
  uint64_t btf;
  uint64_t log_buffer;
  uint32_t btf_size;
  uint32_t log_size;
  uint32_t log_level;
  uint32_t log_true_size;
};

// Returns 0 or the errno.
int LoadIntoLinux(const std::vector<std::byte>& bytes, std::string& log) {
  constexpr int kBtfLoad = 18;
  log.assign(4096, '\0');
  LoadAttr attr{};
  attr.btf = reinterpret_cast<uint64_t>(bytes.data());  // the kernel takes addresses as numbers
  attr.btf_size = static_cast<uint32_t>(bytes.size());
  attr.log_buffer = reinterpret_cast<uint64_t>(log.data());
  attr.log_size = static_cast<uint32_t>(log.size());
  attr.log_level = 1;
  const long fd = syscall(SYS_bpf, kBtfLoad, &attr, sizeof(attr));
  const int code = errno;
  log.resize(std::strlen(log.c_str()));
  if (fd < 0) return code;
  close(static_cast<int>(fd));
  return 0;
}

// Some of everything.
std::vector<std::byte> Sample() {
  Builder b;
  const uint32_t int_id = b.Int("int", 4, 1);
  b.Int("unsigned char", 1);
  const uint32_t pointer = b.Pointer(int_id);
  const uint32_t array = b.Add("", Kind::kArray, 0, 0, {pointer, int_id, 5});
  const uint32_t pair =
      b.Add("pair", Kind::kStruct, 3, 56,
            {b.Name("a"), int_id, 0, b.Name("b"), pointer, 64, b.Name("c"), array, 128});
  b.Add("bits", Kind::kStruct, 2, 4,
        {b.Name("low"), int_id, 3u << 24, b.Name("high"), int_id, 29u << 24 | 3}, true);
  b.Add("either", Kind::kUnion, 2, 8, {b.Name("x"), int_id, 0, b.Name("y"), pointer, 0});
  b.Add("colour", Kind::kEnum, 2, 4, {b.Name("RED"), 1, b.Name("BLUE"), 7});
  b.Add("big", Kind::kEnum64, 1, 8, {b.Name("HUGE"), 1, 2});
  b.Add("later", Kind::kFwd, 0, 0);
  const uint32_t alias = b.Add("alias", Kind::kTypedef, 0, pair);
  const uint32_t constant = b.Add("", Kind::kConst, 0, alias);
  b.Pointer(b.Add("user", Kind::kTypeTag, 0, constant));
  b.Add("", Kind::kVolatile, 0, b.Add("", Kind::kRestrict, 0, pointer));
  const uint32_t proto =
      b.Add("", Kind::kFuncProto, 2, int_id, {b.Name("p"), pointer, b.Name("q"), alias});
  b.Add("work", Kind::kFunc, 1, proto);
  const uint32_t variable = b.Add("counter", Kind::kVar, 0, int_id, {1});
  const uint32_t second = b.Add("second", Kind::kVar, 0, pair, {0});
  b.Add(".data", Kind::kDatasec, 2, 64, {variable, 0, 4, second, 8, 56});
  b.Add("double", Kind::kFloat, 0, 8);
  b.Add("note", Kind::kDeclTag, 0, pair, {1});
  return b.Bytes();
}

TEST(AgainstLinux, RefusesDamagedBtfForTheSameReasons) {
  const std::vector<std::byte> whole = Sample();
  std::string log;
  if (const int code = LoadIntoLinux(whole, log); code == EPERM || code == ENOSYS)
    GTEST_SKIP() << "bpf(2) is refused here: " << std::strerror(code);
  else
    ASSERT_EQ(code, 0) << log;
  uint64_t state = 88172645463325252;
  const auto random = [&state](uint64_t limit) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (state >> 11) % limit;
  };
  int taken = 0;
  int differ = 0;
  int other_reason = 0;
  constexpr int kVariants = 4000;
  for (int variant = 0; variant < kVariants && differ < 20; ++variant) {
    std::vector<std::byte> bytes = whole;
    const size_t words = bytes.size() / 4;
    const uint64_t at = random(words) * 4;
    uint32_t word = 0;
    std::memcpy(&word, bytes.data() + at, 4);
    switch (random(4)) {
      case 0:
        word ^= 1u << random(32);
        break;
      case 1:
        word = static_cast<uint32_t>(random(32));
        break;
      case 2:
        word += static_cast<uint32_t>(random(9)) - 4;
        break;
      default:
        std::memcpy(&word, bytes.data() + 24 + random(words - 6) * 4, 4);
        break;
    }
    std::memcpy(bytes.data() + at, &word, 4);
    const int theirs = LoadIntoLinux(bytes, log);
    const auto ours = Btf::Parse(bytes, Origin::kKernel);
    const int mine = ours ? 0 : ours.error().sys_errno;
    taken += theirs == 0;
    if (mine == theirs) continue;
    // One wrong number may break two rules; which is met first is no contract.
    if (mine != 0 && theirs != 0 && ++other_reason <= kVariants / 200) continue;
    ++differ;
    ADD_FAILURE() << "variant " << variant << ", word " << at / 4 << " = " << word << ": Linux "
                  << theirs << ", ours " << mine << " " << (ours ? "" : ours.error().message)
                  << "\n"
                  << log.substr(log.rfind('\n', log.size() - 2) + 1);
  }
  EXPECT_GT(taken, kVariants / 10);
}

}  // namespace
}  // namespace skep::btf
