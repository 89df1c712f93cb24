// SPDX-License-Identifier: Apache-2.0
// Random programs over maps, run by BPF_PROG_TEST_RUN and by every engine here, each on
// maps that were filled alike: the same verdict, the same results, and the same maps
// afterwards, ring buffers byte by byte.
//
//   SKEP_MAP_PROGRAMS=20000 maps_tests --gtest_filter='MapPrograms.*'
//   SKEP_MAP_PROGRAM_SEED=N starts elsewhere; a failure names its seed
#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>

#include "skep/runtime.h"

#include "isa/disasm.h"
#include "model/ringbuf.h"
#include "tests/maps/map_pair.h"
#include "tests/maps/map_program.h"
#include "tools/program_generator.h"

namespace skep::test {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// Both sides run on CPU 0, whose values the per-CPU maps then hold.
class OnFirstCpu {
 public:
  OnFirstCpu() {
    sched_getaffinity(0, sizeof before_, &before_);
    cpu_set_t first;
    CPU_ZERO(&first);
    CPU_SET(0, &first);
    held_ = sched_setaffinity(0, sizeof first, &first) == 0;
  }
  ~OnFirstCpu() { sched_setaffinity(0, sizeof before_, &before_); }
  OnFirstCpu(const OnFirstCpu&) = delete;
  OnFirstCpu& operator=(const OnFirstCpu&) = delete;
  bool held() const { return held_; }

 private:
  cpu_set_t before_;
  bool held_ = false;
};

// The records of a ring: what lies between the start and the producer's position.
std::vector<std::byte> OurRecords(const Map& map) {
  const model::Ringbuf& ring = model::Ringbuf::Of(map);
  const auto* page = reinterpret_cast<const std::byte*>(&ring);
  const uint64_t end = ring.Query(model::kRingbufProdPos);
  return {page + 3 * 4096, page + 3 * 4096 + end};
}
std::vector<std::byte> TheirRecords(const Fd& map, uint32_t bytes) {
  void* pages = mmap(nullptr, 4096 + 2 * bytes, PROT_READ, MAP_SHARED, map.get(), 4096);
  if (pages == MAP_FAILED) return {std::byte{0xee}};
  uint64_t end = 0;
  std::memcpy(&end, pages, sizeof end);
  const auto* data = static_cast<const std::byte*>(pages) + 4096;
  std::vector<std::byte> records(data, data + std::min<uint64_t>(end, bytes));
  munmap(pages, 4096 + 2 * bytes);
  return records;
}

class MapPrograms : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = WhyNoKernel(); !why.empty()) GTEST_SKIP() << why;
    if (!cpu_.held()) GTEST_SKIP() << "CPU 0 cannot be chosen";
    guests_ = std::make_unique<MapGuests>();
    auto runtime = Runtime::Create({.cpu_slots = PossibleCpus()});
    ASSERT_TRUE(runtime) << runtime.error().message;
    runtime_ = *std::move(runtime);
    context_ = *runtime_->NewContext();
    ASSERT_EQ(context_->cpu(), 0u);
    btf_ = std::make_unique<Fd>(KernelBtfLoad(tools::FunctionTypes()));
    ASSERT_TRUE(btf_->ok());
  }

  using Pairs = std::vector<std::unique_ptr<MapPair>>;
  Pairs Fill(const std::vector<MapSpec>& specs, uint64_t seed) {
    std::mt19937_64 random(seed);
    Pairs pairs;
    for (const MapSpec& spec : specs) {
      pairs.push_back(std::make_unique<MapPair>(spec, *guests_, false));
      MapPair& pair = *pairs.back();
      EXPECT_TRUE(pair.ok() && !pair.refused()) << pair.difference();
      if (spec.type == MapType::kRingbuf) continue;
      for (int i = 0; i < 8; ++i) {
        const Bytes key = KeyBytes(spec, static_cast<uint32_t>(random() % KeysOf(spec)));
        if (spec.inner != nullptr) {
          pair.Put(key, static_cast<uint32_t>(random() % 2) * 2, 0);
          continue;
        }
        Bytes value(pair.host_value_size());
        for (size_t b = 0; b < value.size(); b += 8) value[b] = static_cast<std::byte>(random());
        pair.Update(spec.key_size == 0 ? nullptr : &key, value, 0);
      }
    }
    return pairs;
  }

  static Fd LoadThere(const Program& program, const Pairs& pairs, const Fd& btf, std::string* log) {
    std::vector<Insn> insns(program.insns().begin(), program.insns().end());
    for (size_t i = 0; i < insns.size(); ++i) {
      if (insns[i].code != 0x18) continue;
      if (insns[i].src == 1) {
        insns[i].imm = pairs[static_cast<size_t>(insns[i].imm)]->theirs().get();
      }
      ++i;
    }
    std::vector<FunctionInfo> functions;
    for (const Subprogram& function : program.subprograms()) {
      functions.push_back({function.start, function.btf_type_id});
    }
    LoadOptions options;
    options.btf = btf.get();
    options.functions = functions;
    constexpr uint32_t kXdp = 6;
    constexpr int kTries = 10;  // -EAGAIN: a signal came while it verified
    for (int i = 1;; ++i) {
      Fd loaded = KernelProgramLoad(kXdp, insns, log, options);
      if (loaded.get() != -EAGAIN || i == kTries) return loaded;
    }
  }

  static void Compare(const Pairs& pairs, const std::string& where) {
    for (const auto& pair : pairs) {
      const MapSpec& spec = pair->spec();
      if (spec.type == MapType::kRingbuf) {
        EXPECT_EQ(OurRecords(*pair->ours()), TheirRecords(pair->theirs(), spec.max_entries))
            << where << spec.name << ": other records";
        continue;
      }
      if (spec.key_size != 0) {
        pair->CompareContents();
      } else if (spec.type == MapType::kBloomFilter) {
        for (uint32_t i = 0; i < 16; ++i) {
          Bytes value(spec.value_size);
          value[0] = static_cast<std::byte>(i);
          pair->Lookup(nullptr, value, 0);
        }
      } else {
        for (uint32_t i = 0; i <= spec.max_entries; ++i) {
          pair->LookupAndDelete(nullptr, Bytes(spec.value_size), 0);
        }
      }
      EXPECT_TRUE(pair->ok()) << where << spec.name << ": " << pair->difference();
    }
  }

  // One program on one engine, twice over the same maps.
  bool RunOn(Engine engine, bool verified, const Program& program, uint64_t seed) {
    const Pairs pairs = Fill(program.data().maps, seed);
    std::string where = "seed " + std::to_string(seed) + " on " + std::string(EngineName(engine)) +
                        (verified ? "" : ", unverified") + "\n";
    for (const MapSpec& spec : program.maps()) where += spec.name + ": " + Describe(spec) + "\n";
    where += DisassembleProgram(program.insns());
    std::string log;
    const Fd theirs = LoadThere(program, pairs, *btf_, &log);
    VerifyOptions options;
    options.rights = Rights::kRoot;
    const VerifyOutcome verdict = Verify(program, runtime_->environment(), options);
    EXPECT_EQ(theirs.ok(), verdict.report.accepted)
        << where << "kernel: " << log << "\nskep: " << verdict.report.log;
    if (!theirs.ok() || !verdict.verified) return false;
    std::vector<std::shared_ptr<Map>> maps;
    for (const auto& pair : pairs) maps.push_back(pair->ours());
    auto prepared = verified ? runtime_->Prepare(*verdict.verified, engine, maps)
                             : runtime_->PrepareUnverified(program, engine, maps);
    EXPECT_TRUE(prepared) << where << prepared.error().message;
    if (!prepared) return false;
    for (int run = 0; run < 2; ++run) {
      Bytes packet(64);
      const RunResult ours = (*prepared)->RunPacket(*context_, {.data = packet});
      uint32_t value = 0;
      EXPECT_EQ(KernelProgramRun(theirs, &value), 0) << where;
      EXPECT_TRUE(ours.ok()) << where << context_->trap_detail();
      EXPECT_EQ(static_cast<uint32_t>(ours.value), value) << where << "run " << run;
    }
    Compare(pairs, where);
    return true;
  }

  OnFirstCpu cpu_;
  std::unique_ptr<MapGuests> guests_;
  std::unique_ptr<Runtime> runtime_;
  std::unique_ptr<ExecutionContext> context_;
  std::unique_ptr<Fd> btf_;
};

TEST_F(MapPrograms, LeaveTheSameResultsAndMapsAsInTheKernel) {
  const uint64_t count = FromEnvironment("SKEP_MAP_PROGRAMS", 400);
  const uint64_t first = FromEnvironment("SKEP_MAP_PROGRAM_SEED", 1);
  uint64_t refused = 0, insns = 0;
  const auto inner = std::make_shared<const MapSpec>(guests_->inners[0].ours->spec());
  for (uint64_t seed = first; seed < first + count && !HasFailure(); ++seed) {
    MapProgramGenerator generator(seed);
    const std::vector<MapSpec> maps = generator.Maps(inner);
    const Program program = generator.Next(maps);
    insns += program.insns().size();
    bool ran = true;
    for (const Engine engine :
         {Engine::kChecked, Engine::kInterp, Engine::kBaseline, Engine::kJit}) {
      ran = RunOn(engine, true, program, seed) && ran;
    }
    if (program.subprograms().size() == 1) RunOn(Engine::kChecked, false, program, seed);
    refused += ran ? 0u : 1u;
  }
  std::cout << count << " programs of " << insns / count << " instructions on average, " << refused
            << " refused alike\n";
  EXPECT_LE(refused, count / 100);
}

}  // namespace
}  // namespace skep::test
