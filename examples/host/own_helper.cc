// SPDX-License-Identifier: Apache-2.0
//
// A host that lends its plugins a function of its own. The verifier knows what
// the function takes, so a plugin that passes it nonsense is refused when it is
// loaded, not when it runs.
//
//   own_helper

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <skep/skep.h>

namespace {

constexpr uint32_t kReputation = skep::kFirstHostHelperId;

// What the host knows of a customer; called from the plugin's machine code.
uint64_t Reputation(uint64_t customer, uint64_t, uint64_t, uint64_t, uint64_t,
                    skep::ExecutionContext&) noexcept {
  return customer % 100;
}

skep::HelperSpec ReputationSpec() {
  skep::HelperSpec spec;
  spec.id = kReputation;
  spec.name = "reputation";
  spec.args[0].kind = skep::ArgKind::kAnything;
  spec.returns = skep::ReturnKind::kInteger;
  spec.function = Reputation;
  return spec;
}

// A plugin: the number of the customer is the first word of the memory it is
// given; it answers 1 if the customer's reputation is above 50. Compilers make
// the same from
//
//   static long (*reputation)(__u64 customer) = (void *)0x10000;
std::vector<skep::Insn> Plugin(bool careless) {
  std::vector<skep::Insn> insns = {
      {0x79, 1, 1, 0, 0},                     // r1 = *(u64 *)(r1 + 0)
      {0x85, 0, 0, 0, int32_t{kReputation}},  // call reputation
      {0xbf, 1, 0, 0, 0},                     // r1 = r0
      {0xb7, 0, 0, 0, 1},                     // r0 = 1
      {0x25, 1, 0, 1, 50},                    // if r1 > 50 goto +1
      {0xb7, 0, 0, 0, 0},                     // r0 = 0
      {0x95, 0, 0, 0, 0},                     // exit
  };
  if (careless) insns[0] = {0x79, 1, 1, 64, 0};  // reads beyond the memory
  return insns;
}

skep::Result<skep::Program> MakeProgram(std::vector<skep::Insn> insns) {
  skep::ProgramData data;
  data.name = "plugin";
  data.type = skep::ProgramTypeId::kMemory;
  data.license = "Apache-2.0";
  skep::Subprogram entry;
  entry.name = data.name;
  entry.end = static_cast<uint32_t>(insns.size());
  data.subprograms.push_back(entry);
  data.insns = std::move(insns);
  return skep::Program::Create(std::move(data));
}

int Fail(const skep::Error& error) {
  std::fprintf(stderr, "%s\n", error.message.c_str());
  return 1;
}

}  // namespace

int main() {
  skep::RuntimeOptions options;
  options.helpers.push_back(ReputationSpec());
  const auto runtime = skep::Runtime::Create(std::move(options));
  if (!runtime) return Fail(runtime.error());
  const auto instance = (*runtime)->Instantiate(std::span<const skep::MapSpec>());
  if (!instance) return Fail(instance.error());
  const auto context = (*runtime)->NewContext();
  if (!context) return Fail(context.error());

  skep::LoadOptions load;
  load.verify.memory_size = sizeof(uint64_t);  // what each run will be given, at least
  const auto good = MakeProgram(Plugin(false)), careless = MakeProgram(Plugin(true));
  if (!good) return Fail(good.error());
  if (!careless) return Fail(careless.error());

  const auto loaded = (*instance)->Load(*good, load);
  if (!loaded) return Fail(loaded.error());
  if (!loaded->executable) {
    std::fprintf(stderr, "rejected: %s\n", loaded->report.findings.front().message.c_str());
    return 1;
  }
  bool right = true;
  for (const uint64_t customer : {uint64_t{1049}, uint64_t{1051}}) {
    uint64_t memory = customer;
    const uint64_t answer = loaded->executable->Run(**context, &memory, sizeof(memory)).value;
    std::printf("customer %lu: %lu\n", static_cast<unsigned long>(customer),
                static_cast<unsigned long>(answer));
    right = right && answer == (customer % 100 > 50 ? 1 : 0);
  }

  const auto refused = (*instance)->Load(*careless, load);
  if (!refused) return Fail(refused.error());
  if (refused->executable) {
    std::printf("the careless plugin was accepted\n");
    return 1;
  }
  std::printf("the careless plugin is refused: %s\n",
              refused->report.findings.front().message.c_str());
  return right ? 0 : 1;
}
