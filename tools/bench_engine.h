// SPDX-License-Identifier: Apache-2.0
// BenchEngine: one engine with maps of its own, for `skep bench`: one of this
// library's, or the running kernel. All work alike from outside.
//
// Threads: one. Lifetime: programs go before their engine.

#ifndef SKEP_TOOLS_BENCH_ENGINE_H_
#define SKEP_TOOLS_BENCH_ENGINE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "skep/engine.h"
#include "skep/program.h"
#include "skep/result.h"

#include "tools/bench_setup.h"

namespace skep::tools {

// What a program left, to be compared.
struct BenchOutcome {
  uint64_t value = 0;
  std::vector<std::byte> data;  // the packet; of other programs, nothing
};

class BenchProgram {
 public:
  virtual ~BenchProgram() = default;
  // Runs once over a copy of the input. Fails with what stopped the program.
  virtual Result<BenchOutcome> RunOnce() = 0;
  // Runs so many times over one copy of the input. Returns nanoseconds in all.
  virtual Result<double> Time(uint64_t runs) = 0;

  std::optional<double> compile_us;    // the kernel does not say
  std::optional<uint64_t> code_bytes;  // machine code; 0 for interpreters
};

class BenchEngine {
 public:
  virtual ~BenchEngine() = default;
  const std::string& name() const { return name_; }
  // A refusal by the verifier is an error that names it.
  virtual Result<std::unique_ptr<BenchProgram>> Load(const Program& program,
                                                     std::span<const std::byte> input) = 0;
  // A program of the same type that does nothing but end.
  Result<std::unique_ptr<BenchProgram>> LoadEmpty(ProgramTypeId type,
                                                  std::span<const std::byte> input);
  Result<void> Fill(const MapSpec& map, const BenchFill& fill);
  // Takes what waits in a ring buffer, queue or stack. Returns the bytes that the
  // records took in the ring.
  virtual Result<uint64_t> Drain(const std::string& map) = 0;

 protected:
  explicit BenchEngine(std::string name) : name_(std::move(name)) {}
  // 0 or -errno. `value` is value_size bytes; per-CPU maps get it on every CPU.
  virtual int Put(const MapSpec& map, std::span<const std::byte> key,
                  std::span<const std::byte> value) = 0;

 private:
  std::string name_;
};

Result<std::unique_ptr<BenchEngine>> MakeBenchEngine(Engine engine, const Object& object);
// Fails with kSystem where the kernel cannot be asked.
Result<std::unique_ptr<BenchEngine>> MakeKernelBenchEngine(const Object& object);

}  // namespace skep::tools

#endif  // SKEP_TOOLS_BENCH_ENGINE_H_
