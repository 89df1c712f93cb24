// SPDX-License-Identifier: Apache-2.0
// Executable: a program prepared for one engine, ready to run.

#ifndef SKEP_ENGINE_H_
#define SKEP_ENGINE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "skep/execution_context.h"
#include "skep/export.h"
#include "skep/program.h"

namespace skep {

namespace model {
struct ExecProgram;
struct TailTarget;
}  // namespace model

// Engines by the names that the tool uses.
enum class Engine : uint8_t {
  kInterp,    // pre-decoded interpreter; verified programs
  kChecked,   // checks every access; also unverified programs
  kBaseline,  // one-pass JIT
  kJit,       // the best JIT code for this host
};
SKEP_EXPORT std::string_view EngineName(Engine engine);
// The engine of this name; nullopt if there is none in this build.
SKEP_EXPORT std::optional<Engine> EngineByName(std::string_view name);

// What a packet program gets.
struct PacketInput {
  std::span<std::byte> data;  // may be changed by the program
  // Bytes in front of `data`, in the same buffer, that are metadata.
  uint32_t meta_size = 0;
  uint32_t ingress_ifindex = 1;
  uint32_t rx_queue_index = 0;
};

// struct bpf_flow_keys.
struct FlowKeys {
  uint16_t nhoff = 0;
  uint16_t thoff = 0;
  uint16_t addr_proto = 0;
  uint8_t is_frag = 0;
  uint8_t is_first_frag = 0;
  uint8_t is_encap = 0;
  uint8_t ip_proto = 0;
  uint16_t n_proto = 0;
  uint16_t sport = 0;
  uint16_t dport = 0;
  uint32_t addresses[8] = {};  // ipv4: source, destination; ipv6: four words each
  uint32_t flags = 0;          // also what the program is asked for
  uint32_t flow_label = 0;
};
static_assert(sizeof(FlowKeys) == 56);

// Threads: Run may be called from many threads at once, each with a context of
// its own. Lifetime: shared_ptr; keeps its maps and code alive. The Runtime
// must outlive it.
class SKEP_EXPORT Executable {
 public:
  virtual ~Executable();

  // Runs with r1 = `r1` and r2 = `r2`, as the program's type has it: for
  // kMemory the block and its length, for packet types the host structure
  // (use RunPacket), for the others the context's bytes.
  // REQUIRES: what r1 points to has at least the context's size.
  RunResult Run(ExecutionContext& context, void* r1, uint64_t r2 = 0) const noexcept {
    return run_(*this, context, r1, r2);
  }
  // Runs over a packet. xdp, socket_filter, sched_cls and sched_act programs
  // only: others trap with kBadCall.
  RunResult RunPacket(ExecutionContext& context, const PacketInput& packet) const noexcept;
  // Runs over bytes laid out as programs see the context (or the memory of
  // kMemory programs). Returns kBadCall if they are fewer than the program looks
  // at. What programs store into the context is there afterwards. Pointers in the
  // context are not the host's to give: sockets and kernel objects are null, and
  // the packet, message or option value is `data`.
  RunResult RunBytes(ExecutionContext& context, std::span<std::byte> bytes,
                     std::span<std::byte> data = {}) const noexcept;
  // Calls a program that Linux calls with the arguments of a function (tracing,
  // struct_ops, lsm, raw_tracepoint), at most 12, each widened to 64 bits, and the
  // function's result where there is one already (fexit, fmod_ret). Returns
  // kBadCall if they are fewer than the program looks at.
  RunResult RunCall(ExecutionContext& context, std::span<const uint64_t> arguments,
                    std::optional<uint64_t> result = std::nullopt) const noexcept;
  // Runs a flow_dissector over a frame from its Ethernet header on, as
  // BPF_PROG_TEST_RUN does, and leaves what it found in `keys`. Others trap with
  // kBadCall.
  RunResult RunFlowDissector(ExecutionContext& context, std::span<std::byte> frame,
                             FlowKeys& keys) const noexcept;

  Engine engine() const { return engine_; }
  const Program& program() const { return program_; }
  // Machine code; empty for interpreters.
  virtual std::span<const std::byte> code() const;
  // Bytes that a plain-block context must have at least.
  uint32_t min_context_bytes() const;
  // Time that Prepare took.
  uint64_t prepare_ns() const { return prepare_ns_; }
  const model::ExecProgram& exec() const { return *exec_; }
  const model::TailTarget& tail_target() const { return *tail_target_; }

 protected:
  // Runs one function of the program, by what the engine has as its value, with
  // r1, r2 and r3: for timers and work queues.
  virtual void CallFunction(ExecutionContext& context, uint64_t function,
                            const uint64_t* arguments) const noexcept = 0;
  using RunFunction = RunResult (*)(const Executable&, ExecutionContext&, void*, uint64_t) noexcept;
  Executable(Engine engine, Program program, std::shared_ptr<const model::ExecProgram> exec);
  friend struct TailTargetAccess;  // vm/executable.cc
  RunResult RunNetfilter(ExecutionContext& context, const PacketInput& packet) const noexcept;
  RunResult RunFields(ExecutionContext& context, std::span<std::byte> bytes,
                      std::span<std::byte> data) const noexcept;

  RunFunction run_ = nullptr;
  Engine engine_;
  Program program_;
  std::shared_ptr<const model::ExecProgram> exec_;
  std::unique_ptr<model::TailTarget> tail_target_;  // what prog arrays hold
  uint64_t prepare_ns_ = 0;
};

}  // namespace skep

#endif  // SKEP_ENGINE_H_
