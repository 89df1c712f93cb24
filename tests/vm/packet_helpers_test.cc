// SPDX-License-Identifier: Apache-2.0
// Packet helpers against the running kernel's BPF_PROG_TEST_RUN. A program is a
// random sequence of helper calls; the arguments lie in a map, so that a program
// is loaded once and run over many packets with many arguments. Compared are all
// results, what the helpers wrote, the fields and ends of the packet afterwards,
// the return value, the packet and the context that come out.
//
//   SKEP_PACKET_PROGRAMS=2000   programs for each type
//   SKEP_PACKET_SEED=N          the first seed; a failure names its own
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "skep/test_run.h"

#include "helpers/helper_table.h"
#include "model/program_type_name.h"
#include "tests/support/bpf_syscall.h"
#include "tests/support/kernel_test_run.h"
#include "tests/support/packet_generator.h"
#include "tests/vm/engine_fixture.h"

namespace skep {
namespace {

using test::Fd;

// Where a step of the program keeps what is its own, in the map's value.
constexpr uint32_t kStepBytes = 256;
constexpr uint32_t kResult = 40;
constexpr uint32_t kMemory = 48;
constexpr uint32_t kMemoryBytes = 128;
constexpr uint32_t kHeader = 176;
constexpr uint32_t kMaxSteps = 4;
constexpr uint32_t kFields = kMaxSteps * kStepBytes;
constexpr uint32_t kValueBytes = kFields + 256;

// A helper call, a letter for each argument:
//   c context  m memory  h header (40 bytes)  s size of m, at least 1  z may be 0
//   v any number  o offset or length  d change of a length  f few flags
//   k size of a tunnel key  t flags of one
//   F flags of adjust_room  e EtherType  n small number  i index of a device,
//   but not the loopback device's
struct Step {
  uint32_t id;
  const char* arguments;
};

constexpr Step kSteps[] = {
    {9, "comsf"}, {10, "covvf"}, {11, "covvf"}, {13, "cif"},   {17, "c"},     {18, "cev"},
    {19, "c"},    {20, "cmkt"},  {21, "cmkt"},  {29, "cms"},   {30, "cmk"},   {23, "if"},
    {24, "c"},    {26, "coms"},  {31, "cef"},   {32, "cn"},    {34, "c"},     {38, "cof"},
    {39, "co"},   {40, "cv"},    {41, "c"},     {43, "cof"},   {44, "cd"},    {47, "c"},
    {48, "cv"},   {50, "cdnF"},  {54, "cd"},    {65, "cd"},    {68, "comsn"}, {69, "cmsf"},
    {97, "c"},    {135, "cn"},   {151, "c"},    {152, "imzf"}, {155, "if"},   {163, "cnmdf"},
    {188, "c"},   {189, "coms"}, {190, "coms"}, {192, "cvn"},  {204, "hmz"},  {205, "hmz"},
    {206, "hm"},  {207, "hm"},
};

constexpr uint32_t kHashRecalc = 34, kCsumUpdate = 40, kGenerate4 = 204, kGenerate6 = 205;

// What the two sides may say differently is taken out of a result.
std::string Normalize(uint32_t id) {
  switch (id) {
    case kHashRecalc:  // another key
      return "if r0 == 0 goto +1\nr0 = 1\n";
    case kCsumUpdate: {  // other sums of the same bytes are as good
      std::string text = "if r0 s< 0 goto +10\n";
      for (int i = 0; i < 2; ++i) text += "r1 = r0\nr1 >>= 16\nr0 &= 0xffff\nr0 += r1\n";
      return text + "if r0 != 0xffff goto +1\nr0 = 0\n";
    }
    case kGenerate4:  // the segment size, not the cookie
    case kGenerate6:
      return "r0 >>= 32\n";
    default:
      return {};
  }
}

std::string Number(uint32_t n) { return std::to_string(n); }

std::string Call(const Step& step, uint32_t index) {
  std::string text = "r7 = map[0][" + Number(index * kStepBytes) + "] ll\n";
  uint32_t number = 0;
  for (const char* letter = step.arguments; *letter != '\0'; ++letter, ++number) {
    const std::string reg = "r" + Number(number + 1);
    const std::string load = reg + " = *(u64 *)(r7 + " + Number(number * 8) + ")\n";
    switch (*letter) {
      case 'c':
        text += reg + " = r6\n";
        break;
      case 'm':
        text += reg + " = r7\n" + reg + " += " + Number(kMemory) + "\n";
        break;
      case 'h':
        text += reg + " = r7\n" + reg + " += " + Number(kHeader) + "\n";
        break;
      case 's':
      case 'k':
        text += load + reg + " &= 127\n" + reg + " += 1\n";
        break;
      case 'z':
        text += load + reg + " &= 127\n";
        break;
      default:
        text += load;
    }
  }
  text += "call " + Number(step.id) + "\n";
  return text + Normalize(step.id) + "*(u64 *)(r7 + " + Number(kResult) + ") = r0\n";
}

// Stores all that the program can read of its context behind the steps.
std::string ReadFields(const ProgramType& type, bool hash_differs) {
  std::string text = "r7 = map[0][" + Number(kFields) + "] ll\n";
  uint32_t at = 0;
  std::string data;
  for (const ContextField& field : type.fields) {
    const bool whole = field.loads != 0 && field.load_rights <= Rights::kRoot;
    if (field.kind == FieldKind::kPacketData) data = Number(field.offset);
    if (field.kind != FieldKind::kScalar || !whole) continue;
    // What the socket of a test run has.
    const bool of_socket = field.name.find("_ip") != std::string_view::npos ||
                           field.name.find("_port") != std::string_view::npos ||
                           field.name == "family";
    if (of_socket) continue;
    text += "r0 = *(u" + Number(field.size * 8u) + " *)(r6 + " + Number(field.offset) + ")\n";
    if (field.name == "hash" && hash_differs) text += "if r0 == 0 goto +1\nr0 = 1\n";
    text += "*(u64 *)(r7 + " + Number(at) + ") = r0\n";
    at += 8;
  }
  for (const ContextField& field : type.fields) {
    if (field.kind != FieldKind::kPacketEnd && field.kind != FieldKind::kPacketMeta) continue;
    text += "r0 = *(u32 *)(r6 + " + Number(field.offset) + ")\nr1 = *(u32 *)(r6 + " + data +
            ")\nr0 -= r1\n*(u64 *)(r7 + " + Number(at) + ") = r0\n";
    at += 8;
  }
  EXPECT_LE(kFields + at, kValueBytes);
  return text;
}

struct Sequence {
  std::vector<Step> steps;
  std::string text;
};

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  uint32_t Below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  test::PacketGenerator Packets() { return test::PacketGenerator(random_()); }

  Sequence Make(const ProgramType& type) {
    Sequence out;
    std::vector<Step> usable;
    for (const Step& step : kSteps) {
      const HelperSpec* spec = FindHelper(HelperTable(), step.id, ProgramClassOf(type.id, 0));
      if (spec != nullptr && spec->function != nullptr &&
          (spec->args[0].kind == ArgKind::kContext) == (step.arguments[0] == 'c')) {
        usable.push_back(step);
      }
    }
    const uint32_t count = 1 + Below(kMaxSteps);
    for (uint32_t i = 0; i < count; ++i) {
      out.steps.push_back(usable[Below(static_cast<uint32_t>(usable.size()))]);
    }
    const bool hashes = std::any_of(out.steps.begin(), out.steps.end(),
                                    [](const Step& step) { return step.id == kHashRecalc; });
    out.text = "-- type\n" + std::string(type.name) +
               "\n-- maps\nparams array key=4 value=" + Number(kValueBytes) +
               " entries=1\n-- asm\nr6 = r1\n";
    for (uint32_t i = 0; i < count; ++i) out.text += Call(out.steps[i], i);
    out.text += ReadFields(type, hashes) + "r0 = 1\nexit\n";
    return out;
  }

  std::vector<std::byte> Arguments(const Sequence& sequence, size_t packet_size) {
    std::vector<std::byte> out(kValueBytes);
    for (size_t i = 0; i < sequence.steps.size(); ++i) {
      std::byte* step = out.data() + i * kStepBytes;
      const char* letters = sequence.steps[i].arguments;
      for (size_t n = 0; letters[n] != '\0'; ++n) {
        const uint64_t value = Argument(letters[n], packet_size);
        std::memcpy(step + n * 8, &value, sizeof value);
      }
      FillMemory(step, letters);
    }
    return out;
  }

 private:
  uint64_t Argument(char letter, size_t packet_size) {
    static constexpr uint64_t kOffsets[] = {0,  1,  2,  10, 12, 13, 14, 15, 16, 18, 20,
                                            24, 26, 30, 34, 36, 38, 40, 42, 50, 54, 58};
    static constexpr uint64_t kEdges[] = {
        216,        217,        255,        256,         4095,        4096,   0xfff,
        0x1000,     3520,       3521,       16064,       16065,       0xffff, 0x10000,
        0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, ~uint64_t{0}};
    static constexpr uint64_t kTypes[] = {0x0008, 0xdd86, 0x0081, 0xa888, 0, 0x0800};
    switch (letter) {
      case 'o':
        if (Below(12) == 0) return Pick(kEdges);
        if (Below(3) == 0) return packet_size + Below(40) - std::min<size_t>(packet_size, 20);
        return Below(2) == 0 ? Pick(kOffsets) : Below(300);
      case 'd': {
        const uint64_t size = Below(12) == 0  ? Pick(kEdges)
                              : Below(3) == 0 ? Below(400)
                                              : Below(64);
        return Below(2) == 0 ? size : ~size + 1;
      }
      case 'f':
        return Below(4) == 0 ? random_() & 0xff : Below(8) == 0 ? Pick(kEdges) : Below(5);
      case 'F': {
        uint64_t flags = 0;
        for (uint32_t bits = Below(4); bits > 0; --bits) flags |= uint64_t{1} << Below(10);
        if (Below(3) == 0) flags |= uint64_t{Below(40)} << 56;
        return Below(30) == 0 ? random_() : flags;
      }
      case 'k': {
        static constexpr uint64_t kSizes[] = {44, 44, 44, 44, 28, 24, 22, 8};
        return (Below(8) == 0 ? Below(128) : Pick(kSizes)) - 1;
      }
      case 't':
        return Below(3) == 0 ? Below(70) : Below(2);
      case 'e':
        return Pick(kTypes);
      case 'n':
        return Below(20) == 0 ? Pick(kEdges) : Below(5);
      case 'i':
        return 77 + Below(5);
      default:
        return Below(3) == 0 ? Pick(kEdges) : Below(2) == 0 ? Below(70000) : random_();
    }
  }

  template <size_t n>
  uint64_t Pick(const uint64_t (&from)[n]) {
    return from[Below(n)];
  }

  // Random, or a TCP header, or the start of a bpf_fib_lookup of IPv4 or IPv6.
  void FillMemory(std::byte* step, const char* letters) {
    for (uint32_t i = 0; i < kMemoryBytes; ++i) {
      step[kMemory + i] = static_cast<std::byte>(Below(4) == 0 ? 0 : random_());
    }
    for (uint32_t i = 0; i < 40; ++i) step[kHeader + i] = static_cast<std::byte>(random_());
    if (letters[0] == 'h') {
      const uint32_t words = 5 + Below(4);
      step[kMemory + 12] = static_cast<std::byte>(words << 4);
      if (Below(4) != 0) {
        const uint64_t size = words * 4;
        std::memcpy(step + 16, &size, sizeof size);
      }
      for (uint32_t i = 20; i < 36; ++i) step[kMemory + i] = static_cast<std::byte>(Below(5));
    } else if (letters[0] == 'c' && letters[1] == 'm' && letters[2] == 'k') {
      if (Below(8) != 0) std::memset(step + kMemory + 22, 0, 2);
      if (Below(3) != 0) std::memset(step + kMemory + 24, 0, 4);
    } else if (letters[0] == 'c' && letters[1] == 'm' && letters[3] != '\0') {
      step[kMemory] = static_cast<std::byte>(Below(3) == 0 ? 10 : Below(4) == 0 ? 3 : 2);
      const uint32_t ifindex = Below(3) == 0 ? 77 : 1;
      std::memcpy(step + kMemory + 8, &ifindex, sizeof ifindex);
      const uint64_t size = 63 + Below(4) * 4 - (Below(6) == 0 ? 1 : 0), flags = Below(4);
      std::memcpy(step + 16, &size, sizeof size);
      std::memcpy(step + 24, &flags, sizeof flags);
    } else if (Below(3) == 0) {
      std::memset(step + kMemory, 0, 4);
    }
  }

  std::mt19937_64 random_;
};

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

std::string Hex(std::span<const std::byte> bytes) {
  std::string out;
  char text[4];
  for (const std::byte b : bytes) {
    std::snprintf(text, sizeof text, "%02x", std::to_integer<unsigned>(b));
    out += text;
  }
  return out;
}

// What a run left behind, on either side.
struct Outcome {
  int error = 0;
  uint32_t value = 0;
  std::vector<std::byte> data;
  std::vector<std::byte> context;
  std::vector<std::byte> params;
};

constexpr Engine kEngines[] = {Engine::kInterp, Engine::kChecked, Engine::kBaseline, Engine::kJit};

class PacketHelpers : public testing::TestWithParam<ProgramTypeId> {
 protected:
  void SetUp() override {
    if (const std::string why = test::WhyNoKernel(); !why.empty()) GTEST_SKIP() << why;
    if (!test::KernelIsAtLeast(6, 18)) GTEST_SKIP() << "the kernel is older than 6.18";
    if (const std::string why = test::EnterEmptyNetwork(); !why.empty()) GTEST_SKIP() << why;
    type_ = runtime_->environment().FindProgramType(GetParam(), 0);
    ASSERT_NE(type_, nullptr);
    MapSpec spec;
    spec.type = MapType::kArray;
    spec.key_size = 4;
    spec.value_size = kValueBytes;
    spec.max_entries = 1;
    map_ = std::make_unique<Fd>(test::KernelMapCreate(spec));
    ASSERT_TRUE(map_->ok());
  }

  Fd LoadOnKernel(const Program& program) {
    std::vector<Insn> code(program.insns().begin(), program.insns().end());
    for (size_t i = 0; i < code.size(); ++i) {
      if (code[i].code != 0x18) continue;
      code[i].src = 2;  // BPF_PSEUDO_MAP_VALUE
      code[i++].imm = map_->get();
    }
    std::string log;
    Fd fd = test::KernelProgramLoad(static_cast<uint32_t>(GetParam()), code, &log);
    EXPECT_TRUE(fd.ok()) << log;
    return fd;
  }

  Outcome OnKernel(const Fd& program, const test::KernelRunInput& input,
                   const std::vector<std::byte>& params) {
    const uint32_t key = 0;
    EXPECT_EQ(test::KernelMapUpdate(*map_, &key, params.data()), 0);
    test::KernelRunOutput run = test::KernelTestRun(program, input);
    Outcome out{run.error, run.value, std::move(run.data), std::move(run.context), params};
    EXPECT_EQ(test::KernelMapLookup(*map_, &key, out.params.data()), 0);
    return out;
  }

  Outcome Here(const Executable& executable, const test::KernelRunInput& input,
               const std::vector<std::byte>& params) {
    const DirectView view = instance_->FindMap("params")->direct_view();
    std::copy(params.begin(), params.end(), view.base);
    auto run = TestRun(executable, *context_,
                       {.data = input.data,
                        .context = input.context,
                        .repeat = input.repeat,
                        .flags = input.flags});
    Outcome out;
    out.params.assign(view.base, view.base + kValueBytes);
    if (!run) {
      EXPECT_NE(run.error().sys_errno, 0) << run.error().message;
      out.error = -run.error().sys_errno;
      return out;
    }
    EXPECT_TRUE(run->result.ok()) << context_->trap_detail();
    out.value = run->value;
    out.data = std::move(run->data);
    out.context = std::move(run->context);
    out.context.resize(input.context.size());
    return out;
  }

  // Returns whether both sides left the same.
  static std::string Difference(const Outcome& ours, const Outcome& theirs) {
    const auto differ = [](const char* what, const auto& a, const auto& b) {
      return std::string(what) + "\n  ours   " + a + "\n  kernel " + b + "\n";
    };
    std::string out;
    if (ours.error != theirs.error) {
      out += differ("error", std::to_string(ours.error), std::to_string(theirs.error));
    }
    for (size_t i = 0; i < ours.params.size(); i += 8) {
      const auto a = std::span(ours.params).subspan(i, 8),
                 b = std::span(theirs.params).subspan(i, 8);
      if (std::equal(a.begin(), a.end(), b.begin())) continue;
      out += differ(("map at " + std::to_string(i)).c_str(), Hex(a), Hex(b));
    }
    if (ours.error != 0 || theirs.error != 0) return out;
    if (ours.value != theirs.value) {
      out += differ("value", std::to_string(ours.value), std::to_string(theirs.value));
    }
    if (ours.data != theirs.data) out += differ("packet", Hex(ours.data), Hex(theirs.data));
    if (ours.context != theirs.context) {
      out += differ("context", Hex(ours.context), Hex(theirs.context));
    }
    return out;
  }

  // Runs one program over `cases` packets. Returns how often all engines agreed.
  void Compare(uint64_t seed, int cases) {
    Generator generator(seed);
    const Sequence sequence = generator.Make(*type_);
    const Program program = test::ProgramFromText(sequence.text);
    const Fd kernel = LoadOnKernel(program);
    ASSERT_TRUE(kernel.ok()) << "seed " << seed << "\n" << sequence.text;
    instance_ = *runtime_->Instantiate(program.maps());
    std::vector<std::shared_ptr<Executable>> engines;
    for (const Engine engine : kEngines) {
      auto loaded = instance_->Load(program, test::Privileged(engine));
      ASSERT_TRUE(loaded) << loaded.error().message;
      ASSERT_NE(loaded->executable, nullptr) << loaded->report.log << sequence.text;
      engines.push_back(loaded->executable);
    }
    test::PacketGenerator packets = generator.Packets();
    for (int i = 0; i < cases; ++i) {
      const test::GeneratedPacket packet = packets.Make(GetParam() == ProgramTypeId::kXdp);
      const test::KernelRunInput input{packet.data, packet.context, packet.repeat, packet.flags};
      const auto params = generator.Arguments(sequence, packet.data.size());
      const Outcome theirs = OnKernel(kernel, input, params);
      ran_ += theirs.error == 0 ? 1 : 0;
      for (size_t engine = 0; engine < engines.size(); ++engine) {
        const std::string difference = Difference(Here(*engines[engine], input, params), theirs);
        ASSERT_EQ(difference, "")
            << "seed " << seed << ", case " << i << ", " << EngineName(kEngines[engine])
            << "\n  packet  " << Hex(packet.data) << "\n  context " << Hex(packet.context)
            << "\n  flags " << packet.flags << " repeat " << packet.repeat << "\n  params  "
            << Hex(std::span(params).first(sequence.steps.size() * kStepBytes)) << "\n"
            << sequence.text;
      }
    }
  }

  std::unique_ptr<Runtime> runtime_ = *Runtime::Create({});
  std::unique_ptr<ExecutionContext> context_ = *runtime_->NewContext();
  std::shared_ptr<Instance> instance_;
  const ProgramType* type_ = nullptr;
  std::unique_ptr<Fd> map_;
  uint64_t ran_ = 0;
};

TEST_P(PacketHelpers, DoWhatTheKernelDoes) {
  const uint64_t first = FromEnvironment("SKEP_PACKET_SEED", 1);
  const uint64_t programs = FromEnvironment("SKEP_PACKET_PROGRAMS", 60);
  constexpr int kCases = 25;
  for (uint64_t seed = first; seed < first + programs && !HasFailure(); ++seed) {
    Compare(seed, kCases);
  }
  // Most packets are such that programs run.
  if (HasFailure()) return;
  EXPECT_GT(ran_ * 2, programs * kCases);
}

INSTANTIATE_TEST_SUITE_P(Types, PacketHelpers,
                         testing::Values(ProgramTypeId::kXdp, ProgramTypeId::kSchedCls,
                                         ProgramTypeId::kSchedAct, ProgramTypeId::kSocketFilter,
                                         ProgramTypeId::kCgroupSkb, ProgramTypeId::kLwtIn,
                                         ProgramTypeId::kLwtOut, ProgramTypeId::kLwtXmit),
                         [](const testing::TestParamInfo<ProgramTypeId>& param) {
                           return std::string(ProgramTypeName(param.param));
                         });

}  // namespace
}  // namespace skep
