// SPDX-License-Identifier: Apache-2.0
#include "vm/program_types.h"

#include <cstdint>

#include <gtest/gtest.h>

#include "skep/program_type.h"

#include "tests/support/bpf_syscall.h"

namespace skep {
namespace {

constexpr uint32_t kNoSleep = 0;

// BPF_SIZE bits by log2 of the bytes.
constexpr uint8_t kSizeBits[] = {0x10, 0x08, 0x00, 0x18};

bool KernelAllows(const ProgramType& type, uint32_t offset, int log2, bool store) {
  constexpr uint8_t kLdxMem = 0x61, kStMem = 0x62;
  Insn access{.off = static_cast<int16_t>(offset)};
  if (store) {
    access.code = kStMem | kSizeBits[log2];
    access.dst = 1;
  } else {
    access.code = kLdxMem | kSizeBits[log2];
    access.src = 1;
  }
  const uint32_t attach = type.attach_types.empty() ? kNoSleep : type.attach_types[0];
  const test::Fd fd = test::KernelProgramLoad(static_cast<uint32_t>(type.id),
                                              test::Join({{access}, test::Mov(0, 0), test::Exit()}),
                                              nullptr, {.attach_type = attach});
  return fd.ok();
}

bool HasFields(const ProgramType& type) { return !type.fields.empty(); }

TEST(ProgramTypes, AllowTheContextAccessesThatLinuxAllows) {
  if (const std::string why = test::WhyNoKernel(); !why.empty()) GTEST_SKIP() << why;
  int compared = 0;
  for (const ProgramType& type : BuiltinProgramTypes()) {
    if (!HasFields(type)) continue;
    for (uint32_t offset = 0; offset < type.context_size + 8; ++offset) {
      for (int log2 = 0; log2 < 4; ++log2) {
        for (const bool store : {false, true}) {
          const bool ours = FindContextField(type, offset, 1u << log2, store) != nullptr;
          EXPECT_EQ(KernelAllows(type, offset, log2, store), ours)
              << type.name << " offset " << offset << (store ? " store of " : " load of ")
              << (1 << log2) << " bytes";
          ++compared;
        }
      }
    }
  }
  EXPECT_GT(compared, 5000);
}

TEST(ProgramTypes, AllowPlainContextBytesAsLinuxDoes) {
  if (const std::string why = test::WhyNoKernel(); !why.empty()) GTEST_SKIP() << why;
  for (const ProgramType& type : BuiltinProgramTypes()) {
    const bool sleepable = type.sleepable_only;
    if (HasFields(type) || sleepable || type.id == ProgramTypeId::kMemory) continue;
    const uint32_t size = type.context_size;
    for (const uint32_t offset : {0u, 4u, 7u, 8u, 16u, size - 8, size - 4, size - 1, size}) {
      for (int log2 = 0; log2 < 4; ++log2) {
        const uint32_t bytes = 1u << log2;
        const bool inside = offset >= type.context_start && offset + bytes <= size;
        EXPECT_EQ(KernelAllows(type, offset, log2, false), inside && offset % bytes == 0)
            << type.name << " offset " << offset << " load of " << bytes << " bytes";
      }
    }
    EXPECT_EQ(KernelAllows(type, 8, 3, true), type.context_writable) << type.name;
  }
}

TEST(ProgramTypes, LowerNarrowAccessesIntoTheHostField) {
  const Environment environment = BuiltinEnvironment(1);
  const ProgramType* tc = environment.FindProgramType(ProgramTypeId::kSchedCls, 0);
  ASSERT_NE(tc, nullptr);
  const HostAccess whole = LowerContextAccess(*tc, 8, 4);  // mark
  const HostAccess byte = LowerContextAccess(*tc, 10, 1);  // its third byte
  EXPECT_EQ(whole.bytes, 4);
  EXPECT_EQ(byte.bytes, 1);
  EXPECT_EQ(byte.offset, whole.offset + 2);
  EXPECT_EQ(LowerContextAccess(*tc, 76, 4).bytes, 8) << "data is a pointer in the host";
}

TEST(ProgramTypes, ChooseTheRowOfTheAttachType) {
  const Environment environment = BuiltinEnvironment(1);
  constexpr uint32_t kDevmap = 33;
  const ProgramType* plain = environment.FindProgramType(ProgramTypeId::kXdp, 37);
  const ProgramType* devmap = environment.FindProgramType(ProgramTypeId::kXdp, kDevmap);
  ASSERT_NE(plain, nullptr);
  ASSERT_NE(devmap, nullptr);
  EXPECT_EQ(FindContextField(*plain, 20, 4, false), nullptr);
  EXPECT_NE(FindContextField(*devmap, 20, 4, false), nullptr);
  EXPECT_EQ(environment.FindProgramType(ProgramTypeId::kUnspec, 0), nullptr);
}

}  // namespace
}  // namespace skep
