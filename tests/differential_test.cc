// SPDX-License-Identifier: Apache-2.0
// Random valid programs: every engine gives the same r0, the same bytes in
// memory and packet and the same maps; the real kernel gives our verdict and our
// results too.
//
//   SKEP_DIFF_COUNT=2000000        programs on the engines of this build
//   SKEP_DIFF_KERNEL_COUNT=20000   programs on the kernel
//   SKEP_DIFF_SEED=N               the first seed; a failure names its own
//   SKEP_DIFF_PRINT=1              prints each program before it runs, for crashes
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "skep/runtime.h"

#include "isa/decode.h"
#include "isa/disasm.h"
#include "model/program_type_name.h"
#include "tests/support/random_program.h"
#ifdef SKEP_HAVE_KERNEL
#include "kernel/kernel_backend.h"
#endif

namespace skep {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

using Bytes = std::vector<std::byte>;

// What a run left behind.
struct Outcome {
  RunResult result;
  std::string trap;
  Bytes memory;
  Bytes maps;  // array, cell, hash by key: a byte that says whether it is there, and the value

  bool operator==(const Outcome& other) const {
    return result.value == other.result.value && result.trap == other.result.trap &&
           memory == other.memory && maps == other.maps;
  }
};

std::string Hex(const Bytes& bytes) {
  std::string out;
  char text[4];
  for (const std::byte b : bytes) {
    std::snprintf(text, sizeof text, "%02x", std::to_integer<unsigned>(b));
    out += text;
  }
  return out;
}

std::string Describe(const std::string& who, const Outcome& outcome) {
  char r0[32];
  std::snprintf(r0, sizeof r0, "r0 %#lx", outcome.result.value);
  return who + ": " + r0 + (outcome.result.ok() ? "" : ", stopped: " + outcome.trap) +
         "\n  memory " + Hex(outcome.memory) + "\n  maps   " + Hex(outcome.maps) + "\n";
}

std::string Describe(uint64_t seed, const Program& program) {
  return "seed " + std::to_string(seed) + ", " + std::string(ProgramTypeName(program.type())) +
         "\n" + DisassembleProgram(program.insns());
}

// Each seed gives its programs inputs of their own: long enough, and (for
// packets) once too short for the bounds check.
Bytes Input(uint64_t seed, int number, ProgramTypeId type) {
  static constexpr size_t kSizes[] = {test::kRandomMemory, 150, 40};
  Bytes bytes(type == ProgramTypeId::kMemory ? test::kRandomMemory : kSizes[number % 3]);
  uint64_t state = seed * 31 + static_cast<uint64_t>(number) + 1;
  for (std::byte& b : bytes) {
    state = state * 6364136223846793005 + 1442695040888963407;
    const auto draw = static_cast<uint32_t>(state >> 33);
    // Small numbers and runs of ones reach more edges than noise.
    b = static_cast<std::byte>(draw % 4 == 0 ? 0 : draw % 4 == 1 ? 0xff : draw >> 8);
  }
  return bytes;
}

struct Prepared {
  std::string name;
  Result<std::shared_ptr<Executable>> executable;
};

class Differential : public testing::Test {
 protected:
  void SetUp() override {
    auto runtime = Runtime::Create({});
    ASSERT_TRUE(runtime.has_value());
    runtime_ = *std::move(runtime);
    for (const MapSpec& spec : test::RandomProgramMaps()) {
      auto map = runtime_->CreateMap(spec);
      ASSERT_TRUE(map.has_value()) << map.error().message;
      maps_.push_back(*std::move(map));
    }
    auto context = runtime_->NewContext();
    ASSERT_TRUE(context.has_value());
    context_ = *std::move(context);
    context_->set_budget(10'000'000);
  }

  VerifyOutcome Judge(const Program& program) const {
    VerifyOptions options;
    options.rights = Rights::kRoot;
    options.memory_size = program.type() == ProgramTypeId::kMemory ? test::kRandomMemory : 0;
    return Verify(program, runtime_->environment(), options);
  }

  void ResetMaps() {
    std::array<std::byte, test::kRandomValue> value;
    for (uint32_t m = 0; m < 2; ++m) {
      for (uint32_t i = 0; i < maps_[m]->spec().max_entries; ++i) {
        value.fill(static_cast<std::byte>(0x10 * m + i));
        ASSERT_EQ(maps_[m]->HostUpdate(reinterpret_cast<const std::byte*>(&i), value.data()), 0);
      }
    }
    // Empties the hash first: with other keys in it there may be no room.
    for (uint64_t key = 0; key < test::kRandomKeys; ++key) {
      maps_[2]->HostDelete(reinterpret_cast<const std::byte*>(&key));
    }
    for (uint64_t key = 0; key < test::kRandomKeys; key += 2) {
      value.fill(static_cast<std::byte>(0x80 + key));
      ASSERT_EQ(maps_[2]->HostUpdate(reinterpret_cast<const std::byte*>(&key), value.data()), 0);
    }
  }

  void ReadMaps(Bytes& out) {
    std::array<std::byte, test::kRandomValue> value;
    for (uint32_t m = 0; m < 2; ++m) {
      for (uint32_t i = 0; i < maps_[m]->spec().max_entries; ++i) {
        ASSERT_EQ(maps_[m]->HostLookup(reinterpret_cast<const std::byte*>(&i), value.data()), 0);
        out.insert(out.end(), value.begin(), value.end());
      }
    }
    for (uint64_t key = 0; key < test::kRandomKeys; ++key) {
      const int there =
          maps_[2]->HostLookup(reinterpret_cast<const std::byte*>(&key), value.data());
      out.push_back(static_cast<std::byte>(there == 0));
      if (there == 0) out.insert(out.end(), value.begin(), value.end());
    }
  }

  // With fresh maps, unless they are to go on from what the last run left.
  Outcome Run(const Executable& executable, const Bytes& input, bool fresh_maps = true) {
    Outcome outcome;
    outcome.memory = input;
    if (fresh_maps) ResetMaps();
    if (executable.program().type() == ProgramTypeId::kMemory) {
      outcome.result = executable.RunBytes(*context_, outcome.memory);
    } else {
      outcome.result = executable.RunPacket(*context_, {.data = outcome.memory});
    }
    if (!outcome.result.ok()) outcome.trap = context_->trap_detail();
    ReadMaps(outcome.maps);
    return outcome;
  }

  std::unique_ptr<Runtime> runtime_;
  std::vector<std::shared_ptr<Map>> maps_;
  std::unique_ptr<ExecutionContext> context_;
};

TEST_F(Differential, EnginesAgreeOnRandomPrograms) {
  const uint64_t count = FromEnvironment("SKEP_DIFF_COUNT", 40'000);
  const uint64_t first = FromEnvironment("SKEP_DIFF_SEED", 1);
  // The checked engine first: it stops where another would write astray.
  static constexpr Engine kEngines[] = {Engine::kChecked, Engine::kInterp, Engine::kBaseline,
                                        Engine::kJit};
  const bool print = FromEnvironment("SKEP_DIFF_PRINT", 0) != 0;
  uint64_t rejected = 0, insns = 0;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    const Program program = test::RandomProgram(seed, test::RandomProgramType(seed));
    insns += program.insns().size();
    if (print) std::fputs(Describe(seed, program).c_str(), stderr);
    VerifyOutcome verdict = Judge(program);
    if (!verdict.verified) {
      ASSERT_FALSE(verdict.report.findings.empty());
      const Finding& finding = verdict.report.findings.front();
      if (++rejected <= 5) {
        std::printf("rejected: %s, at %u\n%s", finding.message.c_str(), finding.insn,
                    Describe(seed, program).c_str());
      }
      continue;
    }
    std::vector<Prepared> executables;
    for (const Engine engine : kEngines) {
      executables.push_back(
          {std::string(EngineName(engine)), runtime_->Prepare(*verdict.verified, engine, maps_)});
    }
    if (seed % 8 == 0 || seed % 8 == 5) {
      executables.push_back(
          {"checked, unverified", runtime_->PrepareUnverified(program, Engine::kChecked, maps_)});
    }
    for (const Prepared& prepared : executables) {
      ASSERT_TRUE(prepared.executable.has_value())
          << prepared.name << ": " << prepared.executable.error().message << "\n"
          << Describe(seed, program);
    }
    const int inputs = program.type() == ProgramTypeId::kMemory ? 2 : 3;
    for (int i = 0; i < inputs; ++i) {
      const Bytes input = Input(seed, i, program.type());
      const Outcome expected = Run(**executables[0].executable, input);
      ASSERT_TRUE(expected.result.ok()) << Describe("checked", expected) << Describe(seed, program);
      for (size_t e = 1; e < executables.size(); ++e) {
        const Outcome outcome = Run(**executables[e].executable, input);
        ASSERT_TRUE(outcome == expected)
            << "input " << i << " " << Hex(input) << "\n"
            << Describe("checked", expected) << Describe(executables[e].name, outcome)
            << Describe(seed, program);
      }
    }
  }
  std::printf("%lu programs of %lu instructions on average, %lu rejected\n", count, insns / count,
              rejected);
  EXPECT_LE(rejected, count / 1000);
}

#ifdef SKEP_HAVE_KERNEL

template <class T>
std::span<const std::byte> BytesOf(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

// One random program in the kernel, with maps that start as ResetMaps() says.
class OnKernel {
 public:
  explicit OnKernel(const Program& program) {
    std::vector<ObjectProgram> programs;
    programs.push_back({.name = program.name(), .section = {}, .program = program});
    const auto backend = kernel::CreateKernelBackend();
    auto instance = backend->Instantiate(
        Object::FromPrograms("random", std::move(programs), program.data().maps));
    EXPECT_TRUE(instance.has_value()) << instance.error().message;
    instance_ = *std::move(instance);
    auto load = instance_->Load(program, {});
    EXPECT_TRUE(load.has_value()) << load.error().message;
    load_ = *std::move(load);
  }

  const BackendVerdict& verdict() const { return load_.verdict; }

  void CopyMaps(std::span<const std::shared_ptr<Map>> maps) {
    std::array<std::byte, test::kRandomValue> value;
    for (size_t m = 0; m < 2; ++m) {
      for (uint32_t i = 0; i < maps[m]->spec().max_entries; ++i) {
        maps[m]->HostLookup(reinterpret_cast<const std::byte*>(&i), value.data());
        ASSERT_EQ(instance_->UpdateMap(maps[m]->spec().name, BytesOf(i), value, 0), 0);
      }
    }
    for (uint64_t key = 0; key < test::kRandomKeys; ++key) {
      if (maps[2]->HostLookup(reinterpret_cast<const std::byte*>(&key), value.data()) != 0)
        continue;
      ASSERT_EQ(instance_->UpdateMap(maps[2]->spec().name, BytesOf(key), value, 0), 0);
    }
  }

  Outcome Run(const Bytes& input) {
    Outcome outcome;
    auto run = load_.program->Run({.packet = input});
    EXPECT_TRUE(run.has_value()) << run.error().message;
    outcome.result.value = run->value;
    outcome.memory = std::move(run->data);
    for (const char* name : {"array", "cell"}) {
      const auto elements = instance_->ReadMap(name);
      for (const MapElement& element : *elements) {
        outcome.maps.insert(outcome.maps.end(), element.value.begin(), element.value.end());
      }
    }
    std::map<uint64_t, Bytes> hash;
    const auto elements = instance_->ReadMap("hash");
    for (const MapElement& element : *elements) {
      uint64_t key;
      std::memcpy(&key, element.key.data(), sizeof key);
      hash[key] = element.value;
    }
    for (uint64_t key = 0; key < test::kRandomKeys; ++key) {
      const auto at = hash.find(key);
      outcome.maps.push_back(static_cast<std::byte>(at != hash.end()));
      if (at == hash.end()) continue;
      outcome.maps.insert(outcome.maps.end(), at->second.begin(), at->second.end());
    }
    return outcome;
  }

 private:
  std::unique_ptr<BackendInstance> instance_;
  BackendLoad load_;
};

TEST_F(Differential, KernelAgreesOnRandomPrograms) {
  if (const std::string why = kernel::WhyUnavailable(); !why.empty()) GTEST_SKIP() << why;
  const uint64_t count = FromEnvironment("SKEP_DIFF_KERNEL_COUNT", 2'000);
  const uint64_t first = FromEnvironment("SKEP_DIFF_SEED", 1);
  static constexpr ProgramTypeId kTypes[] = {ProgramTypeId::kXdp, ProgramTypeId::kSchedCls,
                                             ProgramTypeId::kSocketFilter};
  const bool print = FromEnvironment("SKEP_DIFF_PRINT", 0) != 0;
  uint64_t rejected = 0, other_path = 0;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    const Program program = test::RandomProgram(seed, kTypes[seed % 3]);
    const VerifyOutcome ours = Judge(program);
    OnKernel theirs(program);
    const std::string reason =
        ours.report.accepted ? "accepts" : "says: " + ours.report.findings.front().message;
    ASSERT_EQ(ours.report.accepted, theirs.verdict().accepted)
        << "skep " << reason << "\nkernel "
        << (theirs.verdict().accepted ? "accepts" : "says: " + theirs.verdict().message) << "\n"
        << Describe(seed, program);
    if (ours.report.statistics.processed != theirs.verdict().processed) {
      if (print)
        std::printf("seed %lu: skep walked over %lu instructions, the kernel over %lu\n", seed,
                    ours.report.statistics.processed, theirs.verdict().processed);
      ++other_path;
    }
    if (!ours.verified) {
      ++rejected;
      continue;
    }
    auto executable = runtime_->Prepare(*ours.verified, Engine::kJit, maps_);
    ASSERT_TRUE(executable.has_value()) << executable.error().message;
    ResetMaps();
    theirs.CopyMaps(maps_);
    for (int i = 0; i < 3; ++i) {
      const Bytes input = Input(seed, i, program.type());
      Outcome expected = Run(**executable, input, /*fresh_maps=*/false);
      ASSERT_TRUE(expected.result.ok()) << Describe("jit", expected) << Describe(seed, program);
      expected.result.value &= 0xffffffff;
      if (program.type() == ProgramTypeId::kSocketFilter) {
        // Linux pulls the Ethernet header off before the run and gives back zeroes.
        std::fill_n(expected.memory.begin(), 14, std::byte{0});
      }
      const Outcome outcome = theirs.Run(input);
      ASSERT_TRUE(outcome == expected)
          << "input " << i << " " << Hex(input) << "\n"
          << Describe("jit", expected) << Describe("kernel", outcome) << Describe(seed, program);
    }
  }
  std::printf(
      "%lu programs, %lu rejected by both, %lu with another number of processed instructions\n",
      count, rejected, other_path);
  EXPECT_LE(rejected, count / 1000);
}

#endif  // SKEP_HAVE_KERNEL

TEST(RandomProgram, OfOneSeedIsAlwaysTheSame) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const ProgramTypeId type = test::RandomProgramType(seed);
    const Program a = test::RandomProgram(seed, type), b = test::RandomProgram(seed, type);
    EXPECT_EQ(DisassembleProgram(a.insns()), DisassembleProgram(b.insns()));
    const Program other = test::RandomProgram(seed + 1, type);
    EXPECT_NE(DisassembleProgram(a.insns()), DisassembleProgram(other.insns()));
  }
}

TEST(RandomProgram, UsesEveryOperationButThoseNamed) {
  std::set<Op> seen;
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    const Program program = test::RandomProgram(seed, test::RandomProgramType(seed));
    for (const DecodedInsn& insn : DecodeProgram(program.insns()).insns) seen.insert(insn.op);
  }
  for (int i = 0; i < kOpCount; ++i) {
    const Op op = static_cast<Op>(i);
    EXPECT_EQ(seen.contains(op), test::WhyNotGenerated(op).empty()) << Info(op).name;
  }
}

}  // namespace
}  // namespace skep
