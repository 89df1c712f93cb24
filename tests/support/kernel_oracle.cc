// SPDX-License-Identifier: Apache-2.0
#include "tests/support/kernel_oracle.h"

#include <unistd.h>

namespace skep::kernel_oracle {
namespace {

test::Fd CreateArray(int number) {
  MapSpec spec;
  spec.type = MapType::kArray;
  spec.key_size = 4;
  spec.value_size = 64;
  spec.max_entries = 1;
  const test::Fd map = test::KernelMapCreate(spec);
  return test::Fd(map.ok() ? dup2(map.get(), number) : map.get());
}

}  // namespace

ArrayMap::ArrayMap(int fd) : fd_(CreateArray(fd)) {}

Verdict Judge(std::span<const Insn> code, std::span<const int> fd_array,
              std::span<const uint8_t> packet, int log_level, uint32_t program_type) {
  Verdict verdict;
  const test::Fd program = test::KernelProgramLoad(
      program_type, code, &verdict.log,
      {.fd_array = fd_array, .log_level = static_cast<uint32_t>(log_level)});
  verdict.accepted = program.ok();
  verdict.error = program.ok() ? 0 : -program.get();
  if (!program.ok() || packet.empty()) return verdict;
  verdict.error = -test::KernelProgramRun(program, packet, &verdict.result);
  verdict.ran = verdict.error == 0;
  return verdict;
}

}  // namespace skep::kernel_oracle
