// SPDX-License-Identifier: Apache-2.0
// Inlined array lookups.
#include <gtest/gtest.h>

#include "tests/jit/call_support.h"
#include "tests/jit/view_map.h"

namespace skep::jit {
namespace {

std::unique_ptr<TestProgram> LookupProgram(MapType type, DirectView view, bool in_range) {
  auto program = Program("r2 = r1; r1 = 0; r6 = 6; call 1; exit");
  program->exec.maps.push_back(MakeViewMap(type, view));
  program->exec.facts.resize(program->exec.insns.size());
  program->exec.facts[3].map = 0;
  program->exec.facts[3].lookup_not_null = in_range;
  return program;
}

TEST(Lookup, FindsElementsOfEveryStride) {
  auto* base = reinterpret_cast<std::byte*>(uintptr_t{0x123456780000});
  for (uint64_t stride : {1u, 2u, 4u, 8u, 16u, 24u, 40u, 64u, 1000u, 4096u, 1u << 20}) {
    for (uint64_t cpu_stride : {uint64_t{0}, uint64_t{64}, uint64_t{4000}}) {
      const MapType type = cpu_stride == 0 ? MapType::kArray : MapType::kPercpuArray;
      for (bool in_range : {false, true}) {
        const auto program = LookupProgram(type, {base, stride, cpu_stride, 100}, in_range);
        const CompiledCode code = MustCompile(program->exec);
        TestContext context(3);
        for (uint32_t key : {0u, 1u, 99u, 100u, 0x80000000u, 0xffffffffu}) {
          if (in_range && key >= 100) continue;
          uint32_t keys[2] = {key, 0xdddddddd};
          const uint64_t r0 = RunOnce(code, *context, reinterpret_cast<uintptr_t>(keys)).r0;
          const uint64_t address =
              reinterpret_cast<uintptr_t>(base) + key * stride + 3 * cpu_stride;
          EXPECT_EQ(r0, key < 100 ? address : 0) << stride << " " << cpu_stride << " " << key;
        }
      }
    }
  }
}

TEST(Lookup, ComparesIndexesWithTheLargestMaps) {
  auto* base = reinterpret_cast<std::byte*>(uintptr_t{0x123456780000});
  const auto program = LookupProgram(MapType::kArray, {base, 8, 0, 0xfffffffe}, false);
  const CompiledCode code = MustCompile(program->exec);
  TestContext context;
  uint32_t key = 0xfffffffd;
  EXPECT_EQ(RunOnce(code, *context, reinterpret_cast<uintptr_t>(&key)).r0,
            0x123456780000 + uint64_t{0xfffffffd} * 8);
  key = 0xfffffffe;
  EXPECT_EQ(RunOnce(code, *context, reinterpret_cast<uintptr_t>(&key)).r0, 0u);
}

}  // namespace
}  // namespace skep::jit
