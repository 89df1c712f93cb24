// SPDX-License-Identifier: Apache-2.0
// Backend: something other than this library's own engines that judges and runs
// linked programs: the real kernel (kernel/kernel_backend.h). The bytes it gets
// are those that Verify and the engines get.
//
// Threads: one backend object, and all that was made from it, is used by one
// thread at a time. Lifetime: each object keeps alive what it needs.

#ifndef SKEP_BACKEND_H_
#define SKEP_BACKEND_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "skep/map_spec.h"
#include "skep/program.h"
#include "skep/result.h"

namespace skep {

struct BackendVerdict {
  bool accepted = false;
  int sys_errno = 0;       // why it was refused; 0 if accepted
  std::string message;     // the reason in one line; empty if accepted
  uint64_t processed = 0;  // instructions that its verifier walked over; 0 if it does not say
  // What its verifier took, in microseconds; only if it says (a kernel: with
  // BackendLoadOptions::log_level 4).
  std::optional<uint64_t> time_us;
  std::string log;
};

struct BackendInput {
  // Programs over packets: a frame from its Ethernet header on.
  std::span<const std::byte> packet = {};
  // Programs whose context is a block of bytes (sk_lookup: struct bpf_sk_lookup).
  std::span<const std::byte> context = {};
  uint32_t repeat = 1;  // at least 1; the packet is not renewed between runs
};

struct BackendOutput {
  uint64_t value = 0;       // r0 of the last run; kernels tell its low half alone
  uint64_t ns_per_run = 0;  // 0 if the backend does not measure
  // The packet or context afterwards; of a flow dissector, the flow keys.
  std::vector<std::byte> data;
};

class BackendProgram {
 public:
  virtual ~BackendProgram() = default;
  // Fails with kUnsupported if programs of this type cannot be run by hand, with
  // kInvalidArgument if the input is refused, or with kSystem.
  virtual Result<BackendOutput> Run(const BackendInput& input) = 0;
};

struct BackendLoadOptions {
  uint32_t log_level = 1;  // Linux's bits
  bool strict_alignment = false;
  // Leaves prog arrays empty; else the programs that the object puts into those
  // of this program are loaded too, and one that is refused is an error.
  bool verdict_only = false;
};

struct BackendLoad {
  BackendVerdict verdict;
  std::shared_ptr<BackendProgram> program;  // null if refused
};

struct MapElement {
  std::vector<std::byte> key;
  std::vector<std::byte> value;  // per-CPU types: round_up(value_size, 8) bytes for each CPU
};

// The maps of one object in the backend, with their initial contents.
class BackendInstance {
 public:
  virtual ~BackendInstance() = default;
  // Fails with kSystem if the right to load is missing, with kUnsupported if the
  // backend cannot take programs like this one. A refusal is a verdict.
  virtual Result<BackendLoad> Load(const Program& program, const BackendLoadOptions& options) = 0;
  // The elements, at most `limit`, in the backend's order; none of maps that
  // cannot be listed. Fails with kUnresolved if there is no map of this name.
  virtual Result<std::vector<MapElement>> ReadMap(const std::string& name,
                                                  uint64_t limit = UINT64_MAX) = 0;
  // Takes what programs left for user space: records of a ring buffer, values of a
  // queue or stack. None of other maps. Fails with kUnresolved if there is no map
  // of this name, with kSystem if the records cannot be read.
  virtual Result<std::vector<std::vector<std::byte>>> TakeRecords(const std::string& name) = 0;
  // Returns 0 or -errno; -ENOENT if there is no map of this name.
  virtual int UpdateMap(const std::string& name, std::span<const std::byte> key,
                        std::span<const std::byte> value, uint64_t flags) = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string_view name() const = 0;
  // How many CPUs programs may run on; Environment::cpu_slots for verdicts alike.
  virtual Result<uint32_t> cpu_slots() const = 0;
  // Creates the object's maps. Fails with kSystem if the backend refuses one.
  virtual Result<std::unique_ptr<BackendInstance>> Instantiate(const Object& object) = 0;
};

}  // namespace skep

#endif  // SKEP_BACKEND_H_
