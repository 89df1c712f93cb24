// SPDX-License-Identifier: Apache-2.0
// A random program with some slots damaged: what the verifier accepts under the
// rules that keep addresses out of results runs without a trap on the checked
// engine, and every engine gives the same r0 and memory.
//
// The first 8 bytes are the generator's seed; then 10 bytes for each damaged
// slot: its index, and the bytes that are put over it.
#include <cstring>
#include <memory>
#include <vector>

#include "skep/runtime.h"

#include "base/check.h"
#include "tests/support/random_program.h"

namespace {

struct Host {
  std::unique_ptr<skep::Runtime> runtime = *skep::Runtime::Create({});
  std::vector<std::shared_ptr<skep::Map>> maps;
  std::unique_ptr<skep::ExecutionContext> context = *runtime->NewContext();
  Host() {
    for (const skep::MapSpec& spec : skep::test::RandomProgramMaps()) {
      maps.push_back(*runtime->CreateMap(spec));
    }
    context->set_budget(10'000'000);
  }
};

skep::Result<skep::Program> Damaged(const uint8_t* data, size_t size) {
  uint64_t seed = 0;
  std::memcpy(&seed, data, sizeof seed);
  skep::ProgramData program = skep::test::RandomProgram(seed, skep::ProgramTypeId::kMemory).data();
  for (size_t at = sizeof seed; at + 10 <= size; at += 10) {
    uint16_t slot;
    std::memcpy(&slot, data + at, sizeof slot);
    std::memcpy(&program.insns[slot % program.insns.size()], data + at + 2, sizeof(skep::Insn));
  }
  return skep::Program::Create(std::move(program));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Host host;
  if (size < 8) return 0;
  const auto program = Damaged(data, size);
  if (!program) return 0;
  skep::VerifyOptions options;
  options.memory_size = skep::test::kRandomMemory;
  options.max_processed = 100'000;
  const auto outcome = skep::Verify(*program, host.runtime->environment(), options);
  if (!outcome.verified) return 0;
  uint64_t expected = 0;
  std::vector<std::byte> expected_memory;
  for (const auto engine : {skep::Engine::kChecked, skep::Engine::kInterp, skep::Engine::kJit}) {
    // Helpers may be refused by name here: then no engine runs the program.
    const auto executable = host.runtime->Prepare(*outcome.verified, engine, host.maps);
    if (!executable) return 0;
    for (uint64_t key = 0; key < skep::test::kRandomKeys; ++key) {
      host.maps[2]->HostDelete(reinterpret_cast<const std::byte*>(&key));
    }
    for (uint32_t i = 0; i < 5; ++i) {  // both arrays start with zeroes
      const std::byte zeroes[skep::test::kRandomValue] = {};
      const uint32_t key = i < 4 ? i : 0;
      host.maps[i / 4]->HostUpdate(reinterpret_cast<const std::byte*>(&key), zeroes);
    }
    std::vector<std::byte> memory(skep::test::kRandomMemory, std::byte{0xa5});
    host.context->set_seed(1);
    const skep::RunResult result = (*executable)->RunBytes(*host.context, memory);
    SKEP_CHECK(result.ok());
    if (engine == skep::Engine::kChecked) {
      expected = result.value;
      expected_memory = memory;
    }
    SKEP_CHECK(result.value == expected && memory == expected_memory);
  }
  return 0;
}
