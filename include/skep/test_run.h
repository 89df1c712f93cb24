// SPDX-License-Identifier: Apache-2.0
// TestRun: Linux's BPF_PROG_TEST_RUN for packet programs, in process: the same
// input, room around the packet, refusals and output. For packets at speed use
// Executable::RunPacket.

#ifndef SKEP_TEST_RUN_H_
#define SKEP_TEST_RUN_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "skep/engine.h"
#include "skep/export.h"
#include "skep/packet.h"
#include "skep/result.h"

namespace skep {

inline constexpr uint32_t kTestRunChecksumComplete = 1u << 2;  // BPF_F_TEST_SKB_CHECKSUM_COMPLETE

struct TestRunInput {
  std::span<const std::byte> data;  // from the Ethernet header on; xdp: with metadata
  // struct xdp_md or __sk_buff, if any; shorter ones are filled up with zeroes.
  std::span<const std::byte> context = {};
  uint32_t repeat = 1;  // 0 is 1; packet and fields are not renewed between runs
  uint32_t flags = 0;
};

struct TestRunOutput {
  RunResult result;                // of the last run
  uint32_t value = 0;              // its low half, as Linux tells it
  std::vector<std::byte> data;     // the whole packet, with metadata and fragments
  uint32_t linear_size = 0;        // bytes of `data` in front of the fragments
  std::vector<std::byte> context;  // what Linux writes to ctx_out, of the whole structure
  PacketRedirect redirect;         // of the last run
  uint64_t ns_per_run = 0;
};

// Runs `executable`. After a trap, `result` says so and the rest is as it was
// then. Error::sys_errno is what Linux answers: EINVAL for sizes and context
// fields that Linux refuses, E2BIG for a longer context that is not zero,
// ENODEV for a device that the hooks do not know, ENOMEM for more than 17
// fragments, EBADMSG if the checksum no longer fits, ENOTSUPP (524) for programs
// that take no packets.
SKEP_EXPORT Result<TestRunOutput> TestRun(const Executable& executable, ExecutionContext& context,
                                          const TestRunInput& input);

}  // namespace skep

#endif  // SKEP_TEST_RUN_H_
