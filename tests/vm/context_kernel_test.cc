// SPDX-License-Identifier: Apache-2.0
// Programs over contexts beside the running kernel: BPF_PROG_TEST_RUN where it
// takes a context, and fentry and fexit on the functions that it calls.
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "btf/btf.h"
#include "tests/support/bpf_syscall.h"
#include "tests/vm/engine_fixture.h"
#include "vm/program_types.h"

namespace skep {
namespace {

using test::Fd;
using test::ProgramFromText;
using Bytes = std::vector<std::byte>;

constexpr const char* kKernelBtf = "/sys/kernel/btf/vmlinux";

std::shared_ptr<const btf::Btf> KernelTypes() {
  static const std::shared_ptr<const btf::Btf> kTypes = [] {
    std::ifstream file(kKernelBtf, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    auto parsed = btf::Btf::Parse(std::as_bytes(std::span(bytes)), btf::Origin::kKernel);
    return parsed ? *parsed : nullptr;
  }();
  return kTypes;
}

class ContextBesideKernel : public test::EngineTest {
 protected:
  void SetUp() override {
    if (const std::string why = test::WhyNoKernel(); !why.empty()) GTEST_SKIP() << why;
  }
  std::shared_ptr<Executable> LoadHere(const Program& program) {
    auto instance = MapsOf(program);
    return Load(*instance, program);
  }
  static Fd LoadThere(const Program& program, test::LoadOptions options = {}) {
    std::string log;
    options.attach_type = program.data().expected_attach_type;
    Fd fd = test::KernelProgramLoad(static_cast<uint32_t>(program.type()), program.insns(), &log,
                                    options);
    EXPECT_TRUE(fd.ok()) << fd.get() << "\n" << log;
    return fd;
  }
};

// A bit of what an access of `size` bytes gives, spread by a multiplier.
std::string OneBit(int offset, int size, uint32_t multiplier) {
  return "r0 = *(u" + std::to_string(size * 8) + " *)(r1 + " + std::to_string(offset) +
         ")\nr0 *= " + std::to_string(multiplier) + "\nr0 >>= 29\nr0 &= 1\nexit\n";
}

TEST_P(ContextBesideKernel, SkLookupFields) {
  if (!test::KernelIsAtLeast(5, 15)) GTEST_SKIP() << "the kernel has no test run of sk_lookup";
  // struct bpf_sk_lookup of both families; the port of the peer is in network
  // order in the low half, and the test run takes no interface.
  const uint32_t words[2][15] = {
      {2, 6, 0x0100007f, 0, 0, 0, 0, 0x3412, 0x0200007f, 0, 0, 0, 0, 4242, 0},
      {10, 17, 0, 1, 2, 3, 4, 0x3412, 0, 5, 6, 7, 8, 4242, 0}};
  const ProgramType* type = BuiltinEnvironment(1).FindProgramType(ProgramTypeId::kSkLookup, 36);
  ASSERT_NE(type, nullptr);
  for (const ContextField& field : type->fields) {
    if (field.kind != FieldKind::kScalar) continue;
    for (const int size : {1, 2, 4}) {
      // Parts that do not start a field are the kernel's own bytes beside it.
      for (int at = 0; at < 1; ++at) {
        if (FindContextField(*type, static_cast<uint32_t>(field.offset + at),
                             static_cast<uint32_t>(size), false) == nullptr) {
          continue;
        }
        for (const uint32_t multiplier : {0x20000001u, 0x10345671u, 0x0fedcba9u}) {
          const Program program = ProgramFromText("-- type\nsk_lookup attach=36\n-- asm\n" +
                                                  OneBit(field.offset + at, size, multiplier));
          const Fd fd = LoadThere(program);
          const auto executable = LoadHere(program);
          ASSERT_NE(executable, nullptr);
          for (const auto& family : words) {
            Bytes context(72);
            std::memcpy(context.data() + 8, family, sizeof family);
            uint32_t theirs = 0;
            ASSERT_EQ(test::KernelProgramRun(fd, {.context = context}, &theirs), 0);
            const RunResult r = executable->RunBytes(*context_, context);
            ASSERT_TRUE(r.ok()) << context_->trap_detail();
            EXPECT_EQ(r.value, theirs) << field.name << " + " << at << ", " << size << " bytes";
          }
        }
      }
    }
  }
}

TEST_P(ContextBesideKernel, SkAssignOfNoSocket) {
  if (!test::KernelIsAtLeast(5, 15)) GTEST_SKIP() << "the kernel has no test run of sk_lookup";
  Bytes context(72);
  const uint32_t words[] = {2, 6};
  std::memcpy(context.data() + 8, words, sizeof words);
  for (const int flags : {0, 1, 2, 3, 4, -1}) {
    const Program program = ProgramFromText(
        "-- type\nsk_lookup attach=36\n-- asm\nr2 = 0\nr3 = " + std::to_string(flags) +
        "\ncall sk_assign\nr0 *= -1\nr0 &= 1\nexit\n");
    const Fd fd = LoadThere(program);
    const auto executable = LoadHere(program);
    ASSERT_NE(executable, nullptr);
    uint32_t theirs = 0;
    ASSERT_EQ(test::KernelProgramRun(fd, {.context = context}, &theirs), 0);
    Bytes ours = context;
    EXPECT_EQ(executable->RunBytes(*context_, ours).value, theirs) << flags;
  }
}

TEST_P(ContextBesideKernel, RawTracepointArguments) {
  Bytes context(96);
  std::mt19937 random(7);
  for (std::byte& b : context) b = static_cast<std::byte>(random());
  for (const int offset : {0, 8, 40, 88}) {
    for (const int size : {4, 8}) {
      const Program program =
          ProgramFromText("-- type\nraw_tracepoint\n-- asm\nr0 = *(u" + std::to_string(size * 8) +
                          " *)(r1 + " + std::to_string(offset) + ")\nexit\n");
      const Fd fd = LoadThere(program);
      const auto executable = LoadHere(program);
      uint32_t theirs = 0;
      ASSERT_EQ(test::KernelProgramRun(fd, {.context = context}, &theirs), 0);
      Bytes ours = context;
      EXPECT_EQ(static_cast<uint32_t>(executable->RunBytes(*context_, ours).value), theirs);
      uint64_t arguments[12];
      std::memcpy(arguments, context.data(), sizeof arguments);
      EXPECT_EQ(static_cast<uint32_t>(executable->RunCall(*context_, arguments).value), theirs);
    }
  }
}

TEST_P(ContextBesideKernel, FlowDissectorsFindTheSameKeys) {
  // Copies bytes of the frame into keys, and sets offsets that may lie outside.
  const auto text = [](int offset) {
    return "-- type\nflow_dissector attach=17\n-- asm\n"
           "r2 = *(u32 *)(r1 + 76)\nr3 = *(u32 *)(r1 + 80)\nr4 = *(u64 *)(r1 + 144)\nr5 = r2\n"
           "r5 += 38\nr0 = 2\nif r5 > r3 goto +10\nr5 = *(u8 *)(r2 + 23)\n*(u8 *)(r4 + 9) = r5\n"
           "r5 = *(u64 *)(r2 + 26)\n*(u64 *)(r4 + 16) = r5\nr5 = *(u16 *)(r4 + 10)\n"
           "*(u16 *)(r4 + 14) = r5\nr5 = " +
           std::to_string(offset) +
           "\n*(u16 *)(r4 + 2) = r5\n*(u16 *)(r4 + 0) = r5\nr0 = 0\nexit\n";
  };
  std::mt19937 random(5);
  for (const int offset : {0, 14, 20, 63, 64, 65, 60000}) {
    const Program program = ProgramFromText(text(offset));
    const Fd fd = LoadThere(program);
    const auto executable = LoadHere(program);
    ASSERT_NE(executable, nullptr);
    for (const size_t size : {size_t{14}, size_t{37}, size_t{38}, size_t{64}, size_t{1500}}) {
      Bytes frame(size);
      for (std::byte& b : frame) b = static_cast<std::byte>(random());
      FlowKeys ours, theirs;
      uint32_t result = 0;
      ASSERT_EQ(test::KernelProgramRun(
                    fd, {.data = frame, .data_out = std::as_writable_bytes(std::span(&theirs, 1))},
                    &result),
                0);
      const RunResult r = executable->RunFlowDissector(*context_, frame, ours);
      ASSERT_TRUE(r.ok()) << context_->trap_detail();
      EXPECT_EQ(r.value, result) << size;
      EXPECT_EQ(std::memcmp(&ours, &theirs, sizeof ours), 0)
          << "offset " << offset << " size " << size;
    }
  }
}

TEST_P(ContextBesideKernel, NetfilterVerdicts) {
  if (!test::KernelIsAtLeast(6, 5)) GTEST_SKIP() << "the kernel has no test run of netfilter";
  if (KernelTypes() == nullptr) GTEST_SKIP() << kKernelBtf << " cannot be read";
  for (const int verdict : {0, 1}) {
    const auto file =
        ParseTestFile("-- type\nnetfilter attach=45\n-- asm\nr2 = *(u64 *)(r1 + 8)\nr0 = " +
                          std::to_string(verdict) + "\nexit\n",
                      "verdict.ebpf");
    ASSERT_TRUE(file) << file.error().message;
    ProgramData data = file->program;
    data.name = "verdict";
    data.target_btf = KernelTypes();
    const Program program = *Program::Create(data);
    const Fd fd = LoadThere(program);
    const auto executable = LoadHere(program);
    ASSERT_NE(executable, nullptr);
    Bytes packet(64);
    packet[12] = std::byte{8};
    packet[14] = std::byte{0x45};
    uint32_t theirs = 0;
    ASSERT_EQ(test::KernelProgramRun(fd, {.data = packet}, &theirs), 0);
    const RunResult r = executable->RunPacket(*context_, {.data = packet});
    ASSERT_TRUE(r.ok()) << context_->trap_detail();
    EXPECT_EQ(r.value, theirs);
  }
}

// ---- functions ------------------------------------------------------------------

struct TestFunction {
  const char* name;
  std::vector<uint64_t> arguments;
};

// What BPF_PROG_TEST_RUN of a tracing program calls (net/bpf/test_run.c). Each
// returns the sum of its arguments, the first their successor.
const TestFunction kFunctions[] = {
    {"bpf_fentry_test1", {1}},
    {"bpf_fentry_test2", {2, 3}},
    {"bpf_fentry_test3", {4, 5, 6}},
    {"bpf_fentry_test4", {7, 8, 9, 10}},
    {"bpf_fentry_test5", {11, 12, 13, 14, 15}},
    {"bpf_fentry_test6", {16, 17, 18, 19, 20, 21}},
};

// Writes into the map what the context and the helpers say: words 0 .. 5 the
// arguments in the context, 6 the result there, 7 and 8 what get_func_ret says,
// 9 the count, 10 and 11 an argument too many, 12 and 13 the last argument.
std::string Recorder(size_t count, bool with_result) {
  std::string code = "r6 = r1\nr7 = map[0][0] ll\n";
  const size_t words = count + (with_result ? 1 : 0);
  for (size_t i = 0; i < words; ++i) {
    // Of what is narrower than a register, the rest is not said: take 8 bits.
    const std::string at = std::to_string(i == count ? 48 : 8 * i);
    code += "r2 = *(u64 *)(r6 + " + std::to_string(8 * i) + ")\nr2 &= 255\n*(u64 *)(r7 + " + at +
            ") = r2\n";
  }
  const auto call = [&](const std::string& before, const std::string& name, int status) {
    code += "r1 = r6\n" + before + "call " + name + "\n*(u64 *)(r7 + " + std::to_string(status) +
            ") = r0\n";
  };
  const auto out = [](const char* reg, int at) {
    return std::string(reg) + " = r7\n" + reg + " += " + std::to_string(at) + "\n";
  };
  if (with_result) call(out("r2", 64), "get_func_ret", 56);
  call("", "get_func_arg_cnt", 72);
  call("r2 = " + std::to_string(count) + "\n" + out("r3", 88), "get_func_arg", 80);
  call("r2 = " + std::to_string(count - 1) + "\n" + out("r3", 104), "get_func_arg", 96);
  return code + "r0 = 0\nexit\n";
}

TEST_P(ContextBesideKernel, FentryAndFexitSeeTheSameCalls) {
  bool refused = false;
  if (KernelTypes() == nullptr) GTEST_SKIP() << kKernelBtf << " cannot be read";
  for (const TestFunction& function : kFunctions) {
    for (const uint32_t attach : {24u, 25u}) {
      const bool exit = attach == 25;
      const auto file =
          ParseTestFile("-- type\ntracing attach=" + std::to_string(attach) +
                            "\n-- maps\nseen array key=4 value=112 entries=1\n-- asm\n" +
                            Recorder(function.arguments.size(), exit),
                        "recorder.ebpf");
      ASSERT_TRUE(file) << file.error().message;
      ProgramData data = file->program;
      data.name = "recorder";
      data.license = "GPL";
      data.target_btf = KernelTypes();
      data.attach_btf_id = KernelTypes()->Find(function.name, btf::Kind::kFunc);
      if (data.attach_btf_id == 0) GTEST_SKIP() << function.name << " is not in this kernel";
      const Program program = *Program::Create(data);
      auto instance = MapsOf(program);
      const auto executable = Load(*instance, program);
      ASSERT_NE(executable, nullptr);
      uint64_t sum = function.arguments.size() == 1 ? 1 : 0;
      for (const uint64_t argument : function.arguments) sum += argument;
      const RunResult r = executable->RunCall(*context_, function.arguments,
                                              exit ? std::optional(sum) : std::nullopt);
      ASSERT_TRUE(r.ok()) << context_->trap_detail();

      const uint32_t key = 0;
      uint64_t theirs[14] = {}, ours[14] = {};
      ASSERT_EQ(instance->FindMap("seen")->HostLookup(reinterpret_cast<const std::byte*>(&key),
                                                      reinterpret_cast<std::byte*>(ours)),
                0);
      for (size_t i = 0; i < function.arguments.size(); ++i) {
        EXPECT_EQ(ours[i], function.arguments[i]);
      }
      EXPECT_EQ(ours[6], exit ? sum : 0);
      EXPECT_EQ(ours[7], 0u);
      EXPECT_EQ(ours[8], exit ? sum : 0);
      EXPECT_EQ(ours[9], function.arguments.size());
      EXPECT_EQ(static_cast<int64_t>(ours[10]), -EINVAL);
      EXPECT_EQ(ours[12], 0u);
      EXPECT_EQ(ours[13], function.arguments.back());

      const Fd map = test::KernelMapCreate(program.maps()[0]);
      const int maps[] = {map.get()};
      std::string log;
      const Fd fd = test::KernelProgramLoad(
          static_cast<uint32_t>(program.type()), program.insns(), &log,
          {.attach_type = attach, .fd_array = maps, .attach_btf_id = data.attach_btf_id});
      if (fd.get() == -EPERM) {
        refused = true;
        continue;
      }
      ASSERT_TRUE(fd.ok()) << fd.get() << "\n" << log;
      const Fd link = test::KernelAttachTracing(fd);
      ASSERT_TRUE(link.ok()) << link.get();
      uint32_t unused = 0;
      ASSERT_EQ(test::KernelProgramRun(fd, test::RunInput{}, &unused), 0);
      ASSERT_EQ(test::KernelMapLookup(map, &key, theirs), 0);
      // Of arguments that are narrower than a register the kernel leaves the rest.
      ours[13] &= 0xff;
      theirs[13] &= 0xff;
      for (size_t i = 0; i < std::size(ours); ++i) {
        EXPECT_EQ(ours[i], theirs[i]) << function.name << " attach " << attach << " word " << i;
      }
    }
  }
  if (refused) GTEST_SKIP() << "this kernel lets nobody trace functions: only our side was checked";
}

// Nothing in Linux runs them by hand; this is what their arguments mean.
TEST_P(ContextBesideKernel, CallsLsmProgramsAsFunctions) {
  if (KernelTypes() == nullptr) GTEST_SKIP() << kKernelBtf << " cannot be read";
  const auto file = ParseTestFile(
      "-- type\nlsm attach=27\n-- asm\nr2 = *(u64 *)(r1 + 8)\nr0 = 0\nif r2 != 4 goto +1\n"
      "r0 = -1\nexit\n",
      "hook.ebpf");
  ASSERT_TRUE(file) << file.error().message;
  ProgramData data = file->program;
  data.name = "hook";
  data.license = "GPL";
  data.target_btf = KernelTypes();
  data.attach_btf_id = KernelTypes()->Find("bpf_lsm_file_mprotect", btf::Kind::kFunc);
  if (data.attach_btf_id == 0) GTEST_SKIP() << "the kernel has no LSM hooks";
  const auto executable = LoadHere(*Program::Create(data));
  ASSERT_NE(executable, nullptr);
  const auto decide = [&](uint64_t protection) {
    const uint64_t arguments[] = {0x1000, protection, 0};
    return static_cast<int32_t>(executable->RunCall(*context_, arguments).value);
  };
  EXPECT_EQ(decide(4), -1);
  EXPECT_EQ(decide(5), 0);
}

INSTANTIATE_TEST_SUITE_P(Engines, ContextBesideKernel,
                         testing::Values(Engine::kInterp, Engine::kChecked, Engine::kBaseline,
                                         Engine::kJit),
                         test::EngineParamName);

}  // namespace
}  // namespace skep
