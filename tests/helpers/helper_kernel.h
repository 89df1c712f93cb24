// SPDX-License-Identifier: Apache-2.0
// A helper in the running kernel: a small program calls it over the bytes of a
// map, and says what it returned.

#ifndef SKEP_TESTS_HELPERS_HELPER_KERNEL_H_
#define SKEP_TESTS_HELPERS_HELPER_KERNEL_H_

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/epoch.h"
#include "model/execution_layout.h"
#include "tests/support/bpf_syscall.h"

namespace skep::test {

inline constexpr uint32_t kSchedCls = 3, kRawTracepoint = 17, kSyscall = 31;

inline std::unique_ptr<ExecutionContext> Context(EpochDomain& domain) {
  return model::ExecutionLayout::Create(0, domain, [] {});
}

// One element of bytes, in the kernel and here.
class Memory {
 public:
  explicit Memory(uint32_t size, bool frozen = false, std::string_view text = {})
      : bytes_(size), map_(KernelMapCreate(Spec(size, frozen))) {
    if (!text.empty()) std::memcpy(bytes_.data(), text.data(), text.size());
    if (!text.empty() || frozen) Push();
    if (frozen) {
      EXPECT_EQ(KernelMapFreeze(map_), 0);
    }
  }
  void Push() {
    const uint32_t key = 0;
    EXPECT_EQ(KernelMapUpdate(map_, &key, bytes_.data()), 0);
  }
  std::vector<std::byte> Theirs() const {
    const uint32_t key = 0;
    std::vector<std::byte> out(bytes_.size());
    EXPECT_EQ(KernelMapLookup(map_, &key, out.data()), 0);
    return out;
  }
  const std::vector<std::byte>& ours() const { return bytes_; }
  std::byte* data() { return bytes_.data(); }
  uint64_t address(uint32_t offset = 0) const {
    return reinterpret_cast<uint64_t>(bytes_.data() + offset);
  }
  const Fd& map() const { return map_; }

 private:
  static MapSpec Spec(uint32_t size, bool frozen) {
    MapSpec spec;
    spec.type = MapType::kArray;
    spec.key_size = 4;
    spec.value_size = size;
    spec.max_entries = 1;
    spec.flags = frozen ? uint32_t{kMapRdonlyProg} : 0;
    return spec;
  }
  std::vector<std::byte> bytes_;
  Fd map_;
};

class HelperBesideKernel : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = WhyNoKernel(); !why.empty()) GTEST_SKIP() << why;
  }

  // Runs the instructions; the program stores the helper's r0 at offset 0 of
  // `result`, which is returned.
  static uint64_t Run(const Insns& before, int32_t helper, const Memory& result,
                      uint32_t type = kSchedCls) {
    const Insns program = Join({before, CallHelper(helper), LoadMapValue(1, result.map(), 0),
                                StoreReg(1, 0, 0), Mov(0, 0), Exit()});
    std::string log;
    constexpr uint32_t kSleepable = 1u << 4;
    const Fd fd =
        KernelProgramLoad(type, program, &log, {.flags = type == kSyscall ? kSleepable : 0});
    EXPECT_TRUE(fd.ok()) << fd.get() << log;
    uint32_t r0 = 0;
    const int error =
        type == kSchedCls ? KernelProgramRun(fd, &r0) : KernelProgramRun(fd, RunInput{}, &r0);
    EXPECT_EQ(error, 0);
    uint64_t value = 0;
    std::memcpy(&value, result.Theirs().data(), sizeof value);
    return value;
  }

  EpochDomain domain_;
  std::unique_ptr<ExecutionContext> context_ = Context(domain_);
};

}  // namespace skep::test

#endif  // SKEP_TESTS_HELPERS_HELPER_KERNEL_H_
