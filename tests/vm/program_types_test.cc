// SPDX-License-Identifier: Apache-2.0
// The table of program types against the running kernel: every access to every
// context, every attach type, what may be returned, packets, sleeping.

#include "vm/program_types.h"

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "skep/program_type.h"
#include "skep/verify.h"

#include "tests/support/bpf_syscall.h"
#include "vm/program_types_doc.h"

namespace skep {
namespace {

constexpr uint32_t kSleepable = 1u << 4;  // BPF_F_SLEEPABLE
constexpr uint32_t kAttachTypes = 58;     // Linux 6.18's __MAX_BPF_ATTACH_TYPE

// BPF_SIZE bits by log2 of the bytes.
constexpr uint8_t kSizeBits[] = {0x10, 0x08, 0x00, 0x18};

enum class How : uint8_t { kLoad, kLoadSigned, kStore, kStoreImmediate };
constexpr How kWays[] = {How::kLoad, How::kLoadSigned, How::kStore, How::kStoreImmediate};

bool IsStore(How how) { return how == How::kStore || how == How::kStoreImmediate; }

const char* Text(How how) {
  switch (how) {
    case How::kLoad:
      return "load";
    case How::kLoadSigned:
      return "signed load";
    case How::kStore:
      return "store";
    case How::kStoreImmediate:
      return "store of a constant";
  }
  return "?";
}

// r2 is what loads give and what is stored.
Insn AccessOf(uint32_t offset, int log2, How how) {
  constexpr uint8_t kLdxMem = 0x61, kLdxMemSigned = 0x81, kStMem = 0x62, kStxMem = 0x63;
  Insn access{.off = static_cast<int16_t>(offset)};
  switch (how) {
    case How::kLoad:
      access.code = kLdxMem;
      break;
    case How::kLoadSigned:
      access.code = kLdxMemSigned;
      break;
    case How::kStore:
      access.code = kStxMem;
      break;
    case How::kStoreImmediate:
      access.code = kStMem;
      break;
  }
  access.code = static_cast<uint8_t>(access.code & ~0x18) | kSizeBits[log2];
  access.dst = IsStore(how) ? 1 : 2;
  access.src = how == How::kStoreImmediate ? 0 : IsStore(how) ? 2 : 1;
  return access;
}

uint32_t FlagsFor(const ProgramType& type) {
  return type.sleeping == Sleeping::kMust ? kSleepable : 0;
}

test::Fd LoadInto(const ProgramType& type, uint32_t attach_type, const test::Insns& insns,
                  std::string* log = nullptr) {
  return test::KernelProgramLoad(static_cast<uint32_t>(type.id), insns, log,
                                 {.attach_type = attach_type, .flags = FlagsFor(type)});
}

// A program of the type that does nothing.
test::Insns Nothing(const ProgramType& type) {
  return test::Join({test::Mov(0, static_cast<int32_t>(type.returns.min)), test::Exit()});
}

bool KernelAllows(const ProgramType& type, uint32_t attach_type, uint32_t offset, int log2,
                  How how) {
  return LoadInto(type, attach_type,
                  test::Join({test::Mov(2, 0), {AccessOf(offset, log2, how)}, Nothing(type)}))
      .ok();
}

bool TableAllows(const ProgramType& type, uint32_t offset, int log2, How how) {
  if (how == How::kLoadSigned && log2 == 3) return false;  // no such instruction
  const ContextField* field = FindContextField(type, offset, 1u << log2, IsStore(how));
  return field != nullptr && (how != How::kLoadSigned || field->kind == FieldKind::kScalar);
}

// The expected attach types that a row is checked with: its own, or none.
std::vector<uint32_t> AttachTypesOf(const ProgramType& type) {
  if (type.attach_types.empty()) return {0};
  return {type.attach_types.begin(), type.attach_types.end()};
}

// Types whose programs this process can load without a BTF target.
bool IsPlain(const ProgramType& type) {
  return type.id != ProgramTypeId::kMemory && !type.context_by_target;
}

struct Row {
  const ProgramType* type;
  uint32_t attach_type;
  std::string Name() const {
    return std::string(type->name) + " attach type " + std::to_string(attach_type);
  }
};

// The rows that the running kernel was built with, for each attach type.
std::vector<Row> RowsOfTheKernel() {
  std::vector<Row> rows;
  for (const ProgramType& type : BuiltinProgramTypes()) {
    if (!IsPlain(type)) continue;
    for (const uint32_t attach : AttachTypesOf(type)) {
      const bool known = LoadInto(type, attach, Nothing(type)).ok();
      // The only type that kernels are built without (CONFIG_BPF_LIRC_MODE2).
      EXPECT_TRUE(known || type.id == ProgramTypeId::kLircMode2) << type.name << " " << attach;
      if (known) rows.push_back({&type, attach});
    }
  }
  return rows;
}

class ProgramTypes : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = test::WhyNoKernel(); !why.empty()) GTEST_SKIP() << why;
    if (!test::KernelIsAtLeast(6, 18)) GTEST_SKIP() << "the table is Linux 6.18's";
  }
};

TEST_F(ProgramTypes, AllowTheContextAccessesThatLinuxAllows) {
  int compared = 0;
  for (const Row& row : RowsOfTheKernel()) {
    const ProgramType& type = *row.type;
    if (type.fields.empty()) continue;
    for (uint32_t offset = 0; offset < type.context_size + 8; ++offset) {
      for (int log2 = 0; log2 < 4; ++log2) {
        for (const How how : kWays) {
          EXPECT_EQ(KernelAllows(type, row.attach_type, offset, log2, how),
                    TableAllows(type, offset, log2, how))
              << row.Name() << " offset " << offset << " " << Text(how) << " of " << (1 << log2)
              << " bytes";
          ++compared;
        }
      }
    }
  }
  EXPECT_GT(compared, 60'000);
}

TEST_F(ProgramTypes, AllowPlainContextBytesAsLinuxDoes) {
  for (const Row& row : RowsOfTheKernel()) {
    const ProgramType& type = *row.type;
    if (!type.fields.empty()) continue;
    const uint32_t size = std::min(type.context_size, 0x7fffu - 8);
    for (const uint32_t offset : {0u, 4u, 7u, 8u, 16u, size - 8, size - 4, size - 1, size}) {
      for (int log2 = 0; log2 < 4; ++log2) {
        for (const How how : kWays) {
          const uint32_t bytes = 1u << log2;
          const bool inside = offset >= type.context_start && offset + bytes <= type.context_size;
          const bool exists = how != How::kLoadSigned || log2 < 3;
          const bool allowed = !IsStore(how) || type.context_writable;
          EXPECT_EQ(KernelAllows(type, row.attach_type, offset, log2, how),
                    inside && exists && allowed && offset % bytes == 0)
              << row.Name() << " offset " << offset << " " << Text(how) << " of " << bytes
              << " bytes";
        }
      }
    }
  }
}

TEST_F(ProgramTypes, TakeTheAttachTypesThatLinuxTakes) {
  const Environment environment = BuiltinEnvironment(1);
  for (const ProgramType& type : BuiltinProgramTypes()) {
    if (!IsPlain(type) || type.id == ProgramTypeId::kLircMode2) continue;
    for (uint32_t attach = 0; attach <= kAttachTypes; ++attach) {
      const ProgramType* row = environment.FindProgramType(type.id, attach);
      const ProgramType& base = row != nullptr ? *row : type;
      EXPECT_EQ(LoadInto(base, attach, Nothing(base)).ok(), row != nullptr)
          << type.name << " attach type " << attach;
    }
  }
}

// A program that is judged by Linux and by the verifier.
struct Sample {
  std::string name;
  test::Insns insns;
};

VerifierReport Judge(const Row& row, const test::Insns& insns, bool sleepable) {
  ProgramData data;
  data.name = "sample";
  data.type = row.type->id;
  data.expected_attach_type = row.attach_type;
  data.sleepable = sleepable;
  data.license = "GPL";
  data.insns = insns;
  data.subprograms = {{"sample", 0, static_cast<uint32_t>(insns.size()), false, 0}};
  const Result<Program> program = Program::Create(data);
  EXPECT_TRUE(program.has_value());
  VerifyOptions options;
  options.rights = Rights::kRoot;
  options.log_level = 1;
  return Verify(*program, BuiltinEnvironment(1), options).report;
}

void CompareWithLinux(const Row& row, const Sample& sample) {
  std::string log;
  const bool kernel = LoadInto(*row.type, row.attach_type, sample.insns, &log).ok();
  const VerifierReport ours = Judge(row, sample.insns, row.type->sleeping == Sleeping::kMust);
  EXPECT_EQ(ours.accepted, kernel) << row.Name() << ": " << sample.name << "\n"
                                   << log << "\nours:\n"
                                   << ours.log;
  if (ours.accepted || kernel) return;
  EXPECT_NE(log.find(ours.findings.at(0).message), std::string::npos)
      << row.Name() << ": " << sample.name << "\n"
      << log << "\nours:\n"
      << ours.log;
}

TEST_F(ProgramTypes, ReturnWhatLinuxLetsThemReturn) {
  constexpr int32_t kRandom = 7;
  std::vector<Sample> samples;
  for (const int32_t value : {-4096, -4095, -2, -1, 0, 1, 2, 3, 4, 0x7fffffff}) {
    samples.push_back({std::to_string(value), test::Join({test::Mov(0, value), test::Exit()})});
  }
  samples.push_back({"any u32", test::Join({test::CallHelper(kRandom), test::Exit()})});
  samples.push_back({"any number", test::Join({test::CallHelper(5), test::Exit()})});
  samples.push_back({"the context", test::Join({test::MovReg(0, 1), test::Exit()})});
  samples.push_back({"the frame", test::Join({test::MovReg(0, 10), test::Exit()})});
  samples.push_back({"nothing", test::Exit()});
  for (const Row& row : RowsOfTheKernel()) {
    for (const Sample& sample : samples) CompareWithLinux(row, sample);
  }
}

TEST_F(ProgramTypes, LoadPacketBytesAsLinuxLetsThem) {
  const Insn load{.code = 0x20};  // BPF_LD | BPF_ABS | BPF_W
  for (const Row& row : RowsOfTheKernel()) {
    CompareWithLinux(row, {"LD_ABS", test::Join({test::MovReg(6, 1), {load}, Nothing(*row.type)})});
  }
}

// What a program does with packet memory at r2, 8 bytes of it.
std::vector<Sample> PacketUses(const ProgramType& type) {
  const test::Insns end = Nothing(type);
  const Insn load{.code = 0x79, .dst = 0, .src = 2};
  const Insn store{.code = 0x7a, .dst = 2};
  constexpr int32_t kCsumDiff = 28, kStrtol = 105;
  const auto args = [](std::initializer_list<test::Insns> parts) { return test::Join(parts); };
  return {
      {"packet load", args({{load}, end})},
      {"packet store", args({{store}, end})},
      {"packet memory to csum_diff",
       args({test::MovReg(1, 2), test::Mov(2, 8), test::Mov(3, 0), test::Mov(4, 0), test::Mov(5, 0),
             test::CallHelper(kCsumDiff), end})},
      {"packet memory to strtol",
       args({test::MovReg(1, 2), test::Mov(2, 8), test::Mov(3, 0), test::MovReg(4, 10),
             test::AddImm(4, -8), test::CallHelper(kStrtol), end})},
  };
}

TEST_F(ProgramTypes, UsePacketMemoryAsLinuxLetsThem) {
  int compared = 0;
  for (const Row& row : RowsOfTheKernel()) {
    const ContextField *data = nullptr, *last = nullptr;
    for (const ContextField& field : row.type->fields) {
      if (field.kind == FieldKind::kPacketData) data = &field;
      if (field.kind == FieldKind::kPacketEnd) last = &field;
    }
    if (data == nullptr) continue;
    ASSERT_NE(last, nullptr);
    const auto load = [](int dst, const ContextField& field) {
      Insn insn = AccessOf(field.offset, field.size == 8 ? 3 : 2, How::kLoad);
      insn.dst = static_cast<uint8_t>(dst) & 0xf;
      return test::Insns{insn};
    };
    for (Sample& sample : PacketUses(*row.type)) {
      // if r4 > r3, go to the end
      const auto skip = static_cast<int16_t>(sample.insns.size() - 2);
      const Insn check{.code = 0x2d, .dst = 4, .src = 3, .off = skip};
      sample.insns = test::Join({load(2, *data),
                                 load(3, *last),
                                 test::MovReg(4, 2),
                                 test::AddImm(4, 8),
                                 {check},
                                 sample.insns});
      CompareWithLinux(row, sample);
      ++compared;
    }
  }
  EXPECT_GT(compared, 50);
}

TEST_F(ProgramTypes, SleepWhereLinuxLetsThem) {
  for (const Row& row : RowsOfTheKernel()) {
    for (const bool sleepable : {false, true}) {
      std::string log;
      const bool kernel = test::KernelProgramLoad(
                              static_cast<uint32_t>(row.type->id), Nothing(*row.type), &log,
                              {.attach_type = row.attach_type, .flags = sleepable ? kSleepable : 0})
                              .ok();
      const VerifierReport ours = Judge(row, Nothing(*row.type), sleepable);
      EXPECT_EQ(ours.accepted, kernel) << row.Name() << " sleepable " << sleepable << log;
      if (!ours.accepted && !kernel) {
        EXPECT_NE(log.find(ours.findings.at(0).message), std::string::npos) << log;
      }
    }
  }
}

TEST(ProgramTypeTable, LowersNarrowAccessesIntoTheHostField) {
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

TEST(ProgramTypeTable, HasARowForEachOfLinuxTypes) {
  const Environment environment = BuiltinEnvironment(1);
  for (uint32_t id = 1; id <= 32; ++id) {
    bool found = false;
    for (const ProgramType& type : environment.program_types) {
      found |= static_cast<uint32_t>(type.id) == id;
    }
    EXPECT_TRUE(found) << id;
  }
  EXPECT_EQ(environment.FindProgramType(ProgramTypeId::kUnspec, 0), nullptr);
}

TEST(ProgramTypesDoc, ThePageInTheTreeIsMadeFromTheTable) {
  const std::string path = std::string(SKEP_SOURCE_DIR) + "/docs/program-types.md";
  const char* bless = std::getenv("SKEP_BLESS");
  if (bless != nullptr && std::string_view(bless) == "1") {
    std::ofstream(path) << ProgramTypesMarkdown();
  }
  std::stringstream page;
  page << std::ifstream(path).rdbuf();
  EXPECT_EQ(page.str(), ProgramTypesMarkdown()) << "run this test with SKEP_BLESS=1";
}

TEST(ProgramTypeTable, ChoosesTheRowOfTheAttachType) {
  const Environment environment = BuiltinEnvironment(1);
  constexpr uint32_t kDevmap = 33;
  const ProgramType* plain = environment.FindProgramType(ProgramTypeId::kXdp, 37);
  const ProgramType* devmap = environment.FindProgramType(ProgramTypeId::kXdp, kDevmap);
  ASSERT_NE(plain, nullptr);
  ASSERT_NE(devmap, nullptr);
  EXPECT_EQ(FindContextField(*plain, 20, 4, false), nullptr);
  EXPECT_NE(FindContextField(*devmap, 20, 4, false), nullptr);
}

}  // namespace
}  // namespace skep
