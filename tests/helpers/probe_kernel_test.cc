// SPDX-License-Identifier: Apache-2.0
// Reads at addresses that may be bad, and who runs, beside the running kernel:
// test runs happen in the address space of the test, so that both sides get the
// same addresses.
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "helpers/functions.h"
#include "tests/helpers/helper_kernel.h"

namespace skep {
namespace {

using test::HelperBesideKernel;
using test::Memory;

constexpr uint32_t kRoom = 64;

// Two pages, of which the second cannot be read.
class Pages {
 public:
  Pages() {
    base_ = static_cast<char*>(
        mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(base_ + kPage, kPage, PROT_NONE);
    std::memset(base_, 'x', kPage);
  }
  ~Pages() { munmap(base_, 2 * kPage); }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  // `text` and a NUL, the NUL `gap` bytes in front of the bad page.
  uint64_t Put(const std::string& text, size_t gap) {
    char* at = base_ + kPage - gap - text.size() - 1;
    std::memcpy(at, text.c_str(), text.size() + 1);
    return reinterpret_cast<uint64_t>(at);
  }
  uint64_t end() const { return reinterpret_cast<uint64_t>(base_ + kPage); }

 private:
  static constexpr size_t kPage = 4096;
  char* base_;
};

class ProbeBesideKernel : public HelperBesideKernel {
 protected:
  // Reads `size` bytes from `address`, here and in the kernel, over bytes of 0x55:
  // the results and all bytes must be the same.
  void Compare(int32_t id, HelperFunction ours, uint64_t address, int32_t size, uint32_t type) {
    Memory memory(8 + kRoom), result(8);
    std::memset(memory.data(), 0x55, 8 + kRoom);
    memory.Push();
    const uint64_t theirs = Run(test::Join({test::LoadMapValue(1, memory.map(), 8),
                                            test::Mov(2, size), test::LoadWide(3, address)}),
                                id, result, type);
    const uint64_t r0 =
        ours(memory.address(8), static_cast<uint64_t>(size), address, 0, 0, *context_);
    const std::string where = "helper " + std::to_string(id) + " address " +
                              std::to_string(address) + " size " + std::to_string(size);
    EXPECT_EQ(static_cast<int64_t>(r0), static_cast<int64_t>(theirs)) << where;
    EXPECT_EQ(memory.ours(), memory.Theirs()) << where;
  }
};

TEST_F(ProbeBesideKernel, ReadsOfTheProcessAreAlike) {
  const struct {
    int32_t id;
    HelperFunction function;
    uint32_t type;
  } helpers[] = {{112, helpers::ProbeReadUser, test::kSchedCls},
                 {114, helpers::ProbeReadUserStr, test::kSchedCls},
                 {4, helpers::ProbeRead, test::kRawTracepoint},
                 {45, helpers::ProbeReadStr, test::kRawTracepoint},
                 {148, helpers::CopyFromUser, test::kSyscall}};
  Pages pages;
  std::vector<uint64_t> addresses = {0,
                                     8,
                                     0x1000,
                                     pages.end(),
                                     pages.end() - 5,
                                     pages.end() - 64,
                                     0x7ffffffff000,
                                     0x0000800000000000,
                                     0x1234567800000000,
                                     ~uint64_t{0}};
  for (const std::string text :
       {"", "a", "abcdefg", "abcdefgh", "abcdefghi", "0123456789abcdef01"}) {
    for (const size_t gap : {0u, 1u, 5u, 8u}) addresses.push_back(pages.Put(text, gap));
  }
  // Put() wrote over earlier texts: all are read from where they now end.
  for (const auto& helper : helpers) {
    for (const uint64_t address : addresses) {
      for (const int32_t size : {0, 1, 2, 7, 8, 9, 16, 20, 64}) {
        Compare(helper.id, helper.function, address, size, helper.type);
      }
    }
  }
}

// There is no kernel memory in a process; what is no address at all has the
// kernel's errors.
TEST_F(ProbeBesideKernel, BadAddressesForTheKernelAreAlike) {
  constexpr uint64_t kGuardHole = 0xffff800000000000;
  for (const uint64_t address : {uint64_t{0}, uint64_t{16}, uint64_t{4095}, kGuardHole,
                                 uint64_t{0x0000900000000000}, uint64_t{0x4141414141414141}}) {
    for (const int32_t size : {1, 8, 64}) {
      Compare(113, helpers::ProbeReadKernel, address, size, test::kSchedCls);
      Compare(115, helpers::ProbeReadKernelStr, address, size, test::kSchedCls);
    }
  }
}

TEST_F(ProbeBesideKernel, NamespaceIdsAreAlike) {
  struct stat space {};
  ASSERT_EQ(stat("/proc/self/ns/pid", &space), 0);
  const std::pair<uint64_t, uint64_t> names[] = {{space.st_dev, space.st_ino},
                                                 {space.st_dev, space.st_ino + 1},
                                                 {space.st_dev + 1, space.st_ino},
                                                 {space.st_dev | uint64_t{1} << 32, space.st_ino}};
  for (const auto& [device, inode] : names) {
    for (const int32_t size : {8, 4, 16}) {
      Memory memory(24), result(8);
      std::memset(memory.data(), 0x55, 24);
      memory.Push();
      const uint64_t theirs =
          Run(test::Join({test::LoadWide(1, device), test::LoadWide(2, inode),
                          test::LoadMapValue(3, memory.map(), 8), test::Mov(4, size)}),
              120, result);
      const uint64_t ours = helpers::GetNsCurrentPidTgid(device, inode, memory.address(8),
                                                         static_cast<uint64_t>(size), 0, *context_);
      EXPECT_EQ(static_cast<int64_t>(ours), static_cast<int64_t>(theirs)) << size;
      EXPECT_EQ(memory.ours(), memory.Theirs()) << size;
    }
  }
}

}  // namespace
}  // namespace skep
