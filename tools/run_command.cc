// SPDX-License-Identifier: Apache-2.0
// skep run: load, verify, run.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "skep/packet.h"
#include "skep/runtime.h"

#include "model/program_type_name.h"
#include "tools/command.h"
#include "tools/current_task.h"
#include "tools/engine_run.h"
#include "tools/input.h"
#include "tools/kernel_run.h"
#include "tools/map_dump.h"
#include "tools/output.h"
#include "tools/report.h"
#include "tools/run_options.h"
#include "tools/waiting_records.h"

namespace skep::tools {
namespace {

Result<Workload> MakeWorkload(const RunOptions& options, const Input& input, ProgramTypeId type) {
  Workload work;
  work.packets = TakesPackets(type);
  const int named = int{!options.pcap.empty()} + int{options.packet_hex.has_value()} +
                    int{options.ctx_hex.has_value()} + int{!options.ctx_file.empty()};
  if (named > 1) {
    return Error{ErrorCode::kInvalidArgument,
                 "--pcap, --packet-hex, --ctx and --ctx-hex exclude one another"};
  }
  const bool packet_given = !options.pcap.empty() || options.packet_hex.has_value();
  if (named == 1 && packet_given != work.packets) {
    return Error{ErrorCode::kInvalidArgument,
                 std::string(ProgramTypeName(type)) + " programs take " +
                     (work.packets ? "a packet: --packet-hex or --pcap"
                                   : "context bytes: --ctx or --ctx-hex")};
  }
  work.context_named = named == 1 && !packet_given;
  if (!options.pcap.empty()) {
    SKEP_TRY(work.inputs, ReadCapture(options.pcap));
  } else if (options.packet_hex) {
    SKEP_TRY(auto bytes, ParseHex(*options.packet_hex).At("--packet-hex"));
    work.inputs.push_back(std::move(bytes));
  } else if (options.ctx_hex) {
    SKEP_TRY(auto bytes, ParseHex(*options.ctx_hex).At("--ctx-hex"));
    work.inputs.push_back(std::move(bytes));
  } else if (!options.ctx_file.empty()) {
    SKEP_TRY(auto bytes, ReadFile(options.ctx_file));
    work.inputs.push_back(std::move(bytes));
  } else if (input.test && input.test->memory) {
    work.inputs.push_back(*input.test->memory);
  } else {
    work.inputs.push_back(work.packets ? DefaultPacket() : Bytes());
  }
  return work;
}

// What is kept of the trace output of long runs.
constexpr size_t kMaxTraceLines = 100'000;

// r0 as a caller of this type sees it: 64 bits for plain memory, 32 in Linux.
uint64_t ReturnValue(const Program& program, const RunResult& result) {
  return program.type() == ProgramTypeId::kMemory ? result.value : result.value & 0xffffffff;
}

bool SeesLinkLayer(ProgramTypeId type) {
  return type == ProgramTypeId::kXdp || type == ProgramTypeId::kSchedCls ||
         type == ProgramTypeId::kSchedAct;
}

std::string InWords(const PacketRedirect& redirect) {
  const std::string device = "device " + std::to_string(redirect.ifindex);
  const std::string flags = redirect.flags == 0 ? "" : ", flags " + std::to_string(redirect.flags);
  switch (redirect.kind) {
    case RedirectKind::kNone:
      return {};
    case RedirectKind::kDevice:
      return device + flags;
    case RedirectKind::kPeer:
      return "peer of " + device;
    case RedirectKind::kNeighbour:
      return "neighbour on " + device;
    case RedirectKind::kMap:
      return "slot " + std::to_string(redirect.slot) + " of " + redirect.map->spec().name + flags;
  }
  return {};
}

class Session {
 public:
  Session(const RunOptions& options, const Input& input, const Program& program)
      : options_(options), input_(input), program_(program) {}

  Result<EngineRun> Run(Engine engine, const Workload& work) {
    EngineRun run;
    run.engine = EngineName(engine);
    SKEP_TRY(auto runtime, Runtime::Create({}));
    SKEP_TRY(auto instance, runtime->Instantiate(input_.object));
    LoadOptions load;
    load.engine = engine;
    load.verify.rights = options_.unprivileged ? Rights::kUnprivileged : Rights::kRoot;
    load.verify.mitigations = options_.unprivileged;
    load.verify.log_level = 1;
    load.metered = options_.budget != 0;
    if (program_.type() == ProgramTypeId::kMemory) {
      load.verify.memory_size = static_cast<uint32_t>(work.inputs.front().size());
    }
    SKEP_TRY(auto outcome, instance->Load(program_, load));
    run.report = std::move(outcome.report);
    if (outcome.executable == nullptr) return run;
    SKEP_TRY_VOID(CheckContext(*outcome.executable, work));
    SKEP_TRY(auto waiting, WaitingRecords::Create(instance->maps()));
    SKEP_TRY_VOID(RunAll(*runtime, *outcome.executable, work, run));
    if (options_.show_maps) {
      SKEP_TRY(const auto records, waiting.Take());
      run.maps = DumpMaps(instance->maps(), program_.data().btf.get());
      run.records = RecordsJson(records);
      run.maps_text = PrintMaps(instance->maps(), run.maps, records);
    }
    return run;
  }

 private:
  // Bytes that were named must be enough; without any, the context is zeros.
  Result<void> CheckContext(const Executable& executable, const Workload& work) const {
    const Bytes& context = work.inputs.front();
    if (work.packets || !work.context_named || context.size() >= executable.min_context_bytes()) {
      return {};
    }
    return Error{ErrorCode::kInvalidArgument,
                 "the context has " + std::to_string(context.size()) + " bytes, but " +
                     program_.name() + " (" + std::string(ProgramTypeName(program_.type())) +
                     ") needs at least " + std::to_string(executable.min_context_bytes())};
  }

  Result<void> RunAll(Runtime& runtime, const Executable& executable, const Workload& work,
                      EngineRun& run) {
    std::vector<std::unique_ptr<ExecutionContext>> contexts;
    for (uint32_t i = 0; i < options_.threads; ++i) {
      SKEP_TRY(auto context, runtime.NewContext());
      context->set_budget(options_.budget);
      if (options_.has_seed) context->set_seed(options_.seed + i);
      ExecutionHooks hooks;
      hooks.trace = [this, &run](std::string_view line) {
        const std::lock_guard lock(mutex_);
        if (run.trace.size() < kMaxTraceLines) {
          run.trace.emplace_back(line);
        } else {
          ++run.trace_dropped;
        }
      };
      hooks.current_task = CurrentTask(program_);
      if (options_.clock == "fixed") hooks.clock = [](int) { return uint64_t{1'000'000'000}; };
      context->set_hooks(std::move(hooks));
      contexts.push_back(std::move(context));
    }
    uint64_t total_ns = 0;
    std::vector<std::thread> threads;
    for (size_t i = 1; i < contexts.size(); ++i) {
      threads.emplace_back([&, i] { RunThread(*contexts[i], executable, work, run, total_ns); });
    }
    RunThread(*contexts[0], executable, work, run, total_ns);
    for (std::thread& thread : threads) thread.join();
    const double runs = static_cast<double>(options_.repeat) *
                        static_cast<double>(work.inputs.size()) *
                        static_cast<double>(options_.threads);
    run.ns_per_run = static_cast<double>(total_ns) / runs;
    return {};
  }

  // Each repetition starts from fresh copies; copying is not timed.
  void RunThread(ExecutionContext& context, const Executable& executable, const Workload& work,
                 EngineRun& run, uint64_t& total_ns) {
    using Clock = std::chrono::steady_clock;
    std::map<uint64_t, uint64_t> retvals;
    uint64_t spent = 0;
    RunResult last;
    PacketOutput output;
    std::vector<RunResult> results(work.inputs.size());
    std::vector<Bytes> inputs;
    FlowKeys keys;
    for (uint64_t n = 0; n < options_.repeat && last.ok(); ++n) {
      if (n == 0 || work.inputs.size() > 1) inputs = Copies(executable, work);
      const auto start = Clock::now();
      size_t done = 0;
      // Telling what became of the packet takes time.
      const bool tell = n + 1 == options_.repeat && inputs.size() == 1 && work.packets &&
                        GivesPacketBack(executable.program().type());
      for (Bytes& input : inputs) {
        last = RunOne(context, executable, work, input, keys, tell ? &output : nullptr);
        results[done++] = last;
        if (!last.ok()) break;
      }
      spent += static_cast<uint64_t>(
          std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count());
      for (size_t i = 0; i < done; ++i) {
        if (results[i].ok()) ++retvals[ReturnValue(program_, results[i])];
      }
    }
    const std::lock_guard lock(mutex_);
    if (!work.packets && program_.type() != ProgramTypeId::kMemory && !inputs.empty()) {
      run.left = Hex(inputs.back().data(), inputs.back().size());
    } else if (program_.type() == ProgramTypeId::kFlowDissector) {
      run.left = Hex(reinterpret_cast<const std::byte*>(&keys), sizeof keys);
    }
    total_ns += spent;
    for (const auto& [value, count] : retvals) run.retvals[value] += count;
    if (run.last.ok()) {
      run.last = last;
      run.trap_detail = context.trap_detail();
      run.trap_name = TrapName(last.trap);
      if (last.ok() && !output.data.empty()) TakePacket(output, run);
    }
  }

  void TakePacket(const PacketOutput& output, EngineRun& run) const {
    constexpr size_t kEthernetHeader = 14;
    Bytes packet(SeesLinkLayer(program_.type()) ? 0 : kEthernetHeader);
    packet.insert(packet.end(), output.data.data() - output.meta_size,
                  output.data.data() + output.data.size());
    run.packet = std::move(packet);
    run.redirect = InWords(output.redirect);
  }

  static std::vector<Bytes> Copies(const Executable& executable, const Workload& work) {
    std::vector<Bytes> inputs = work.inputs;
    if (!work.packets && executable.program().type() != ProgramTypeId::kMemory) {
      for (Bytes& input : inputs) {
        if (input.empty()) input.resize(executable.min_context_bytes());
      }
    }
    return inputs;
  }

  static RunResult RunOne(ExecutionContext& context, const Executable& executable,
                          const Workload& work, Bytes& input, FlowKeys& keys,
                          PacketOutput* output) {
    if (executable.program().type() == ProgramTypeId::kFlowDissector) {
      keys.flags = 0;
      return executable.RunFlowDissector(context, input, keys);
    }
    if (work.packets) {
      if (output == nullptr) return executable.RunPacket(context, {.data = input});
      PacketFrame frame;
      frame.data = input;
      return RunFrame(executable, context, frame, *output);
    }
    return executable.RunBytes(context, input);
  }

  const RunOptions& options_;
  const Input& input_;
  const Program& program_;
  std::mutex mutex_;  // run's counters and trace
};

Json ToJson(const EngineRun& run, const RunOptions& options, const Program& program,
            const Workload& work) {
  Json json = {{"program", program.name()}, {"engine", run.engine}};
  json["retval"] = run.last.ok() ? Json(ReturnValue(program, run.last)) : Json(nullptr);
  json["trap"] = run.last.ok() ? Json(nullptr) : Json(run.trap_name + ": " + run.trap_detail);
  json["ns_per_run"] = run.ns_per_run;
  json["repeat"] = options.repeat;
  if (work.inputs.size() > 1) {
    Json retvals = Json::object();
    for (const auto& [value, count] : run.retvals) retvals[std::to_string(value)] = count;
    json["packets"] = work.inputs.size();
    json["retvals"] = std::move(retvals);
  }
  if (!run.left.empty()) json[work.packets ? "flow_keys" : "context"] = run.left;
  json["trace"] = run.trace;
  json["maps"] = options.show_maps ? run.maps : Json::object();
  json["records"] = options.show_maps ? run.records : Json::object();
  if (run.packet) json["packet"] = Hex(run.packet->data(), run.packet->size());
  if (!run.redirect.empty()) json["redirect"] = run.redirect;
  return json;
}

// A program that was not run has the same fields.
Json RejectedJson(const EngineRun& run, const RunOptions& options, const Program& program) {
  std::string reason = "rejected";
  if (!run.report.findings.empty()) reason += ": " + Headline(run.report.findings.front());
  return {{"program", program.name()}, {"engine", run.engine},
          {"retval", nullptr},         {"trap", reason},
          {"ns_per_run", nullptr},     {"repeat", options.repeat},
          {"trace", Json::array()},    {"maps", Json::object()},
          {"records", Json::object()}};
}

std::string ToText(const EngineRun& run, const Program& program, const Workload& work) {
  std::string out = Bold(program.name()) + " on " + run.engine + "\n";
  if (run.trace_dropped != 0) {
    out += "  " + std::to_string(run.trace_dropped) + " more lines of trace are not shown\n";
  }
  for (const std::string& line : run.trace) {
    out += "  trace: " + line;
    if (line.empty() || line.back() != '\n') out += "\n";
  }
  char text[160];
  if (!run.last.ok()) {
    out += "  " + Red("stopped") + ": " + run.trap_name + ": " + run.trap_detail + "\n";
  } else if (work.inputs.size() > 1) {
    for (const auto& [value, count] : run.retvals) {
      std::snprintf(text, sizeof text, "  returned %lu: %lu times\n", value, count);
      out += text;
    }
  } else {
    const uint64_t value = ReturnValue(program, run.last);
    std::snprintf(text, sizeof text, "  returned %lu (%#lx)\n", value, value);
    out += text;
  }
  if (work.packets && !run.left.empty()) out += "  flow keys: " + run.left + "\n";
  if (run.packet && *run.packet != work.inputs.front()) {
    out += "  packet afterwards: " + Hex(run.packet->data(), run.packet->size()) + "\n";
  }
  if (!run.redirect.empty()) out += "  redirect: " + run.redirect + "\n";
  std::snprintf(text, sizeof text, "  %.1f ns a run\n", run.ns_per_run);
  return out + text + run.maps_text;
}

// No engine of this library: the kernel.
using Engines = std::vector<std::optional<Engine>>;

Result<Engines> EnginesOf(const RunOptions& options) {
  Engines engines;
  for (const std::string& name : options.engines) {
    if (name == "kernel") {
      engines.push_back(std::nullopt);
      continue;
    }
    const auto engine = EngineByName(name);
    if (!engine) {
      return Error{
          ErrorCode::kInvalidArgument,
          "unknown engine '" + name + "', expected interp, checked, baseline, jit or kernel"};
    }
    if (options.backend == "kernel") {
      return Error{ErrorCode::kInvalidArgument,
                   "--backend kernel runs no engine '" + name + "', need --engine kernel or none"};
    }
    engines.push_back(*engine);
  }
  if (engines.empty() && options.backend == "kernel") engines.push_back(std::nullopt);
  if (engines.empty()) engines.push_back(Engine::kJit);
  return engines;
}

int RunOn(const Engines& engines, const RunOptions& options, const Input& input,
          const Program& program, const Workload& work) {
  Json all = Json::array();
  std::string text;
  int status = kDone;
  for (const std::optional<Engine> engine : engines) {
    auto run = engine ? Session(options, input, program).Run(*engine, work)
                      : RunOnKernel(options, input, program, work);
    if (!run) return Fail(run.error());
    if (!run->report.accepted) {
      PrintRejection(program, run->report);
      if (!options.json) return kFailed;
      status = kFailed;
      all.push_back(RejectedJson(*run, options, program));
      continue;
    }
    if (!run->last.ok()) status = kFailed;
    all.push_back(ToJson(*run, options, program, work));
    text += ToText(*run, program, work);
  }
  if (options.json) return WriteJson(all.size() == 1 ? all[0] : all, status);
  return Write(text, status);
}

int RunCommand(const RunOptions& options) {
  auto input = OpenInput(options.object, options.target);
  if (!input) return Fail(input.error());
  auto program = input->object.FindProgram(options.program);
  if (!program) return Fail(program.error());
  if (!options.type.empty()) {
    auto type = ParseProgramType(options.type);
    if (!type) return Fail(type.error());
    program = program->WithType(*type, program->data().expected_attach_type);
  }
  auto work = MakeWorkload(options, *input, program->type());
  if (!work) return Fail(work.error());
  auto engines = EnginesOf(options);
  if (!engines) return Fail(engines.error());
  return RunOn(*engines, options, *input, *program, *work);
}

// Decimal digits that fit 64 bits: CLI11 would wrap or saturate others.
CLI::Validator WholeNumber() {
  return CLI::Validator(
      [](std::string& text) -> std::string {
        uint64_t value = 0;
        const char* end = text.data() + text.size();
        const auto [stop, error] = std::from_chars(text.data(), end, value);
        if (error == std::errc() && stop == end) return {};
        return "found '" + text + "', expected a whole number below 2^64";
      },
      "");
}

}  // namespace

void AddRun(CLI::App& app, int& status) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* run = app.add_subcommand("run", "Load, verify and run a program");
  run->add_option("object", options->object, "ELF object or .ebpf file")->required();
  run->add_option("-p,--program", options->program,
                  "Program to run; not needed if it is the only one");
  run->add_option("--engine", options->engines,
                  "interp, checked, baseline, jit or kernel; may be repeated (default: jit)")
      ->allow_extra_args(false);
  run->add_option("--backend", options->backend, "Where to run")
      ->check(CLI::IsMember({"skep", "kernel"}))
      ->capture_default_str();
  run->add_option("--type", options->type, "Take the program as this type");
  run->add_option("--ctx", options->ctx_file, "File with the context's bytes");
  run->add_option("--ctx-hex", options->ctx_hex, "The context's bytes in hex (default: zeros)");
  run->add_option("--packet-hex", options->packet_hex,
                  "One packet in hex (default: 1536 fixed bytes)");
  run->add_option("--pcap", options->pcap, "Run once for each packet of this capture");
  run->add_option("--repeat", options->repeat, "Runs over each input")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 40));
  run->add_option("--threads", options->threads, "Threads that run at once")
      ->check(CLI::Range(1u, 64u));
  run->add_option("--budget", options->budget,
                  "Instructions a run may execute, about (0: no limit)")
      ->check(WholeNumber());
  run->add_option("--seed", options->seed, "Make get_prandom_u32 repeatable")
      ->check(WholeNumber())
      ->each([options](const std::string&) { options->has_seed = true; });
  run->add_option("--clock", options->clock, "fixed: time helpers return 1000000000")
      ->check(CLI::IsMember({"fixed", "real"}));
  run->add_flag("--show-maps", options->show_maps,
                "Print all maps afterwards, and the records that wait in them");
  run->add_flag("--unprivileged", options->unprivileged,
                "Verify by the rules for untrusted programs");
  run->add_flag("--json", options->json, "Machine output on standard output");
  AddTargetOptions(run, options->target);
  run->footer(
      "Examples:\n"
      "  skep run hello.bpf.o\n"
      "  skep run firewall.bpf.o -p firewall --pcap traffic.pcap --show-maps\n"
      "  skep run filter.bpf.o --engine interp --engine jit --repeat 1000000 --json\n");
  run->callback([options, &status] { status = RunCommand(*options); });
}

}  // namespace skep::tools
