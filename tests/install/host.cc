// SPDX-License-Identifier: Apache-2.0
// A host program as an embedder writes one: runs `r0 = 42; exit` on the
// interpreter and as machine code, and shows that a bad program is refused.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <utility>
#include <vector>

#include <skep/skep.h>

#define CHECK(condition)                                                         \
  do {                                                                           \
    if (!(condition)) {                                                          \
      std::fprintf(stderr, "line %d: %s does not hold\n", __LINE__, #condition); \
      return 1;                                                                  \
    }                                                                            \
  } while (false)

namespace {

skep::Result<skep::Program> Make(std::vector<skep::Insn> insns) {
  skep::ProgramData data;
  data.name = "answer";
  data.type = skep::ProgramTypeId::kMemory;
  data.license = "Dual MIT/GPL";
  data.subprograms.push_back({.name = "answer", .start = 0, .end = uint32_t(insns.size())});
  data.insns = std::move(insns);
  return skep::Program::Create(std::move(data));
}

}  // namespace

// Returns 0 if all is well. Also called by opener.cc, from a loaded plugin.
extern "C" __attribute__((visibility("default"))) int UseSkep() {
  auto runtime = skep::Runtime::Create({});
  CHECK(runtime);
  auto instance = (*runtime)->Instantiate(std::span<const skep::MapSpec>{});
  CHECK(instance);
  auto context = (*runtime)->NewContext();
  CHECK(context);

  const skep::Insn mov{.code = 0xb7, .imm = 42}, exit{.code = 0x95};
  const auto answer = Make({mov, exit});
  CHECK(answer);
  for (skep::Engine engine : {skep::Engine::kInterp, skep::Engine::kJit}) {
    auto loaded = (*instance)->Load(*answer, {.engine = engine});
    CHECK(loaded);
    CHECK(loaded->report.accepted);
    std::byte memory[8] = {};
    const skep::RunResult result = loaded->executable->RunBytes(**context, memory);
    CHECK(result.ok());
    CHECK(result.value == 42);
  }

  const auto runs_off_its_end = Make({mov});
  CHECK(runs_off_its_end);
  auto refused = (*instance)->Load(*runs_off_its_end, {});
  CHECK(refused);
  CHECK(!refused->report.accepted);
  CHECK(!refused->report.findings.empty());
  return 0;
}

int main() { return UseSkep(); }
