// SPDX-License-Identifier: Apache-2.0
#include "tools/bench_engine.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <time.h>

#include "skep/packet.h"
#include "skep/ring_buffer_reader.h"
#include "skep/runtime.h"

#include "model/map_type_info.h"
#include "model/program_type_name.h"
#include "tools/current_task.h"
#include "tools/engine_run.h"
#include "tools/kernel_run.h"
#include "tools/report.h"

namespace skep::tools {
namespace {

constexpr uint32_t kRecordHeader = 8;

uint64_t RingBytes(size_t record) { return (record + kRecordHeader + 7) / 8 * 8; }

// CPU time of this thread in nanoseconds: others on the machine do not count.
double ThreadNs() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// Keeps results of runs from being thought away.
void Use(uint64_t value) { asm volatile("" : : "r"(value)); }

class OwnProgram final : public BenchProgram {
 public:
  OwnProgram(std::shared_ptr<Executable> executable, ExecutionContext& context,
             std::span<const std::byte> input)
      : executable_(std::move(executable)), context_(context), input_(input.begin(), input.end()) {
    const ProgramTypeId type = executable_->program().type();
    packets_ = TakesPackets(type);
    flow_ = type == ProgramTypeId::kFlowDissector;
    input_.resize(std::max<size_t>(input_.size(), packets_ ? 0 : executable_->min_context_bytes()));
    compile_us = static_cast<double>(executable_->prepare_ns()) / 1e3;
    code_bytes = executable_->code().size();
  }

  Result<BenchOutcome> RunOnce() override {
    std::vector<std::byte> data = input_;
    const RunResult result = Run(data);
    if (!result.ok()) return Stopped(result);
    BenchOutcome out;
    out.value = result.value;
    if (executable_->program().type() != ProgramTypeId::kMemory) out.value &= 0xffffffff;
    if (GivesPacketBack(executable_->program().type())) out.data = std::move(data);
    return out;
  }

  Result<double> Time(uint64_t runs) override {
    std::vector<std::byte> data = input_;
    RunResult result;
    const Executable& program = *executable_;
    const double start = ThreadNs();
    if (packets_ && !flow_) {
      const PacketInput input{.data = data};
      for (uint64_t i = 0; i < runs; ++i) {
        result = program.RunPacket(context_, input);
        Use(result.value);
      }
    } else {
      for (uint64_t i = 0; i < runs; ++i) {
        result = Run(data);
        Use(result.value);
      }
    }
    const double spent = ThreadNs() - start;
    if (!result.ok()) return Stopped(result);
    return spent;
  }

 private:
  RunResult Run(std::vector<std::byte>& data) {
    if (flow_) {
      keys_.flags = 0;
      return executable_->RunFlowDissector(context_, data, keys_);
    }
    if (packets_) return executable_->RunPacket(context_, {.data = data});
    return executable_->RunBytes(context_, data);
  }
  Error Stopped(const RunResult& result) const {
    return Error{ErrorCode::kInvalidArgument, executable_->program().name() + " was stopped: " +
                                                  std::string(TrapName(result.trap)) + ": " +
                                                  context_.trap_detail()};
  }

  std::shared_ptr<Executable> executable_;
  ExecutionContext& context_;
  std::vector<std::byte> input_;
  FlowKeys keys_;
  bool packets_ = false;
  bool flow_ = false;
};

class OwnEngine final : public BenchEngine {
 public:
  OwnEngine(Engine engine, std::unique_ptr<Runtime> runtime, std::shared_ptr<Instance> instance,
            std::unique_ptr<ExecutionContext> context)
      : BenchEngine(std::string(EngineName(engine))),
        engine_(engine),
        runtime_(std::move(runtime)),
        instance_(std::move(instance)),
        context_(std::move(context)) {}

  Result<std::unique_ptr<BenchProgram>> Load(const Program& program,
                                             std::span<const std::byte> input) override {
    LoadOptions options;
    options.engine = engine_;
    options.verify.rights = Rights::kRoot;
    if (program.type() == ProgramTypeId::kMemory) {
      options.verify.memory_size = static_cast<uint32_t>(input.size());
    }
    SKEP_TRY(LoadOutcome outcome, instance_->Load(program, options));
    if (outcome.executable == nullptr) {
      return Error{ErrorCode::kInvalidArgument,
                   program.name() + " is rejected: " + outcome.report.findings.front().message};
    }
    ExecutionHooks hooks;
    hooks.trace = [](std::string_view) {};
    hooks.current_task = CurrentTask(program);
    context_->set_hooks(std::move(hooks));
    return std::unique_ptr<BenchProgram>(
        std::make_unique<OwnProgram>(std::move(outcome.executable), *context_, input));
  }

  Result<uint64_t> Drain(const std::string& name) override {
    const std::shared_ptr<Map> map = instance_->FindMap(name);
    if (map->type() != MapType::kRingbuf) {
      std::vector<std::byte> value(map->host_value_size());
      while (map->HostLookupAndDelete(nullptr, value.data()) == 0) {
      }
      return uint64_t{0};
    }
    uint64_t bytes = 0;
    SKEP_TRY(auto reader, RingBufferReader::Create(map, [&](std::span<const std::byte> record) {
               bytes += RingBytes(record.size());
               return 0;
             }));
    reader->Consume();
    return bytes;
  }

 private:
  int Put(const MapSpec& spec, std::span<const std::byte> key,
          std::span<const std::byte> value) override {
    const std::shared_ptr<Map> map = instance_->FindMap(spec.name);
    std::vector<std::byte> all(map->host_value_size());
    const size_t stride = model::IsPercpu(spec.type) ? (value.size() + 7) / 8 * 8 : all.size();
    for (size_t at = 0; at + value.size() <= all.size(); at += stride) {
      std::memcpy(all.data() + at, value.data(), value.size());
    }
    return map->HostUpdate(key.empty() ? nullptr : key.data(), all.data(), kUpdateAny);
  }

  Engine engine_;
  std::unique_ptr<Runtime> runtime_;
  std::shared_ptr<Instance> instance_;
  std::unique_ptr<ExecutionContext> context_;
};

// BPF_PROG_TEST_RUN, whose `duration` is the time of a run in whole nanoseconds.
class KernelBenchProgram final : public BenchProgram {
 public:
  KernelBenchProgram(const Program& program, std::shared_ptr<BackendProgram> loaded,
                     std::span<const std::byte> input)
      : program_(program), loaded_(std::move(loaded)), input_(input.begin(), input.end()) {}

  Result<BenchOutcome> RunOnce() override {
    SKEP_TRY(BackendOutput output, Run(1));
    BenchOutcome out;
    out.value = output.value;
    if (GivesPacketBack(program_.type())) out.data = std::move(output.data);
    return out;
  }
  Result<double> Time(uint64_t runs) override {
    constexpr uint64_t kMost = 4'000'000;
    SKEP_TRY(const BackendOutput output, Run(static_cast<uint32_t>(std::min(runs, kMost))));
    return static_cast<double>(output.ns_per_run) * static_cast<double>(runs);
  }

 private:
  Result<BackendOutput> Run(uint32_t repeat) {
    BackendInput input;
    input.repeat = repeat;
    (TakesPackets(program_.type()) ? input.packet : input.context) = input_;
    return loaded_->Run(input);
  }

  Program program_;
  std::shared_ptr<BackendProgram> loaded_;
  std::vector<std::byte> input_;
};

class KernelBenchEngine final : public BenchEngine {
 public:
  KernelBenchEngine(std::unique_ptr<BackendInstance> instance, uint32_t cpus)
      : BenchEngine("kernel"), instance_(std::move(instance)), cpus_(cpus) {}

  Result<std::unique_ptr<BenchProgram>> Load(const Program& program,
                                             std::span<const std::byte> input) override {
    if (!TakesPackets(program.type())) {
      return Error{ErrorCode::kUnsupported, "the kernel times no programs of type " +
                                                std::string(ProgramTypeName(program.type()))};
    }
    SKEP_TRY(BackendLoad load, instance_->Load(program, {}));
    if (load.program == nullptr) {
      return Error{ErrorCode::kInvalidArgument,
                   "the kernel rejects " + program.name() + ": " + load.verdict.message};
    }
    return std::unique_ptr<BenchProgram>(
        std::make_unique<KernelBenchProgram>(program, std::move(load.program), input));
  }

  Result<uint64_t> Drain(const std::string& name) override {
    SKEP_TRY(const auto records, instance_->TakeRecords(name));
    uint64_t bytes = 0;
    for (const auto& record : records) bytes += RingBytes(record.size());
    return bytes;
  }

 private:
  int Put(const MapSpec& map, std::span<const std::byte> key,
          std::span<const std::byte> value) override {
    if (!model::IsPercpu(map.type)) return instance_->UpdateMap(map.name, key, value, kUpdateAny);
    std::vector<std::byte> all((value.size() + 7) / 8 * 8 * cpus_);
    for (size_t at = 0; at < all.size(); at += all.size() / cpus_) {
      std::memcpy(all.data() + at, value.data(), value.size());
    }
    return instance_->UpdateMap(map.name, key, all, kUpdateAny);
  }

  std::unique_ptr<BackendInstance> instance_;
  uint32_t cpus_;
};

}  // namespace

Result<void> BenchEngine::Fill(const MapSpec& map, const BenchFill& fill) {
  return MakeElements(
      fill, [&](std::span<const std::byte> key, std::span<const std::byte> value) -> Result<void> {
        if (key.size() != map.key_size || value.size() != map.value_size) {
          return Error{ErrorCode::kInvalidArgument,
                       "map '" + map.name + "' has keys of " + std::to_string(map.key_size) +
                           " and values of " + std::to_string(map.value_size) +
                           " bytes, the setup fills it with " + std::to_string(key.size()) +
                           " and " + std::to_string(value.size())};
        }
        const int status = Put(map, key, value);
        if (status == 0) return {};
        return Error{
            ErrorCode::kSystem,
            "map '" + map.name + "' cannot be filled on " + name_ + ": " + std::strerror(-status),
            -status};
      });
}

Result<std::unique_ptr<BenchProgram>> BenchEngine::LoadEmpty(ProgramTypeId type,
                                                             std::span<const std::byte> input) {
  ProgramData data;
  data.name = "empty";
  data.type = type;
  data.license = "GPL";
  data.insns = {{.code = 0xb7, .imm = 1}, {.code = 0x95}};  // r0 = 1; exit
  data.subprograms = {{.name = "empty", .start = 0, .end = 2}};
  SKEP_TRY(const Program program, Program::Create(std::move(data)));
  return Load(program, input);
}

Result<std::unique_ptr<BenchEngine>> MakeBenchEngine(Engine engine, const Object& object) {
  SKEP_TRY(auto runtime, Runtime::Create({}));
  SKEP_TRY(auto instance, runtime->Instantiate(object));
  SKEP_TRY(auto context, runtime->NewContext());
  return std::unique_ptr<BenchEngine>(std::make_unique<OwnEngine>(
      engine, std::move(runtime), std::move(instance), std::move(context)));
}

Result<std::unique_ptr<BenchEngine>> MakeKernelBenchEngine(const Object& object) {
  if (const std::string why = WhyNoKernel(); !why.empty()) return Error{ErrorCode::kSystem, why};
  SKEP_TRY(auto instance, InstantiateOnKernel(object));
  SKEP_TRY(const uint32_t cpus, KernelCpus(object));
  return std::unique_ptr<BenchEngine>(
      std::make_unique<KernelBenchEngine>(std::move(instance), cpus));
}

}  // namespace skep::tools
