// SPDX-License-Identifier: Apache-2.0
// skep bench: times programs on several engines in one run.
#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "skep/engine.h"

#include "tools/bench_report.h"
#include "tools/bench_run.h"
#include "tools/bench_setup.h"
#include "tools/command.h"
#include "tools/input.h"
#include "tools/kernel_run.h"
#include "tools/output.h"
#include "tools/report.h"
#include "tools/target.h"
#include "tools/write_file.h"

namespace skep::tools {
namespace {

struct BenchCommandOptions {
  std::vector<std::string> objects;
  TargetOptions target;
  BenchOptions bench;
  std::string setup;
  std::string plot;
  std::string packet_hex;
  std::optional<uint32_t> cpu;
  bool json = false;
};

// interp, baseline and jit, and the kernel where it can be asked.
Result<void> ChooseEngines(std::vector<std::string>& engines) {
  if (engines.empty()) {
    engines = {"interp", "baseline", "jit"};
    if (const std::string why = WhyNoKernel(); why.empty()) {
      engines.emplace_back("kernel");
    } else {
      PrintError("the kernel is left out: " + why);
    }
  }
  for (size_t i = 0; i < engines.size(); ++i) {
    if (std::find(engines.begin(), engines.begin() + static_cast<std::ptrdiff_t>(i), engines[i]) !=
        engines.begin() + static_cast<std::ptrdiff_t>(i)) {
      return Error{ErrorCode::kInvalidArgument, "--engine " + engines[i] + " is named twice"};
    }
    if (engines[i] != "kernel" && !EngineByName(engines[i])) {
      return Error{ErrorCode::kInvalidArgument,
                   "--engine " + engines[i] +
                       ": not in this build; use interp, checked, baseline, jit or kernel"};
    }
  }
  return {};
}

int BenchCommand(BenchCommandOptions options) {
  if (const auto chosen = ChooseEngines(options.bench.engines); !chosen) {
    return Fail(chosen.error());
  }
  BenchSetup setup;
  if (!options.setup.empty()) {
    const auto bytes = ReadFile(options.setup);
    if (!bytes) return Fail(bytes.error());
    auto parsed = ParseBenchSetup(
        std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size()), options.setup);
    if (!parsed) return Fail(parsed.error());
    setup = *std::move(parsed);
  }
  options.bench.packet = DefaultPacket();
  if (!options.packet_hex.empty()) {
    auto packet = ParseHex(options.packet_hex);
    if (!packet) return Fail(std::move(packet).error().At("--packet-hex"));
    options.bench.packet = *std::move(packet);
  }
  const uint32_t cpus = std::max(1u, std::thread::hardware_concurrency());
  if (const auto pinned = PinToCpu(options.cpu.value_or(cpus - 1)); !pinned) {
    if (options.cpu) return Fail(pinned.error());
    PrintError("measured on any CPU: " + pinned.error().message);
  }
  std::vector<BenchRow> rows;
  for (const std::string& path : options.objects) {
    const auto input = OpenInput(path, options.target);
    if (!input) return Fail(input.error());
    auto measured = RunBench(*input, options.bench, setup);
    if (!measured) return Fail(measured.error());
    rows.insert(rows.end(), std::make_move_iterator(measured->begin()),
                std::make_move_iterator(measured->end()));
  }
  if (!options.plot.empty()) {
    const std::string plot = BenchPlot(rows, options.bench.engines.back());
    const auto written = WriteFile(options.plot, std::as_bytes(std::span(plot)));
    if (!written) return Fail(written.error());
  }
  const bool good =
      std::all_of(rows.begin(), rows.end(), [](const BenchRow& row) { return row.error.empty(); });
  const int status = good ? kDone : kFailed;
  return options.json ? WriteJson(BenchJson(rows), status)
                      : Write(BenchText(rows, setup.groups), status);
}

}  // namespace

void AddBench(CLI::App& app, int& status) {
  auto options = std::make_shared<BenchCommandOptions>();
  CLI::App* bench = app.add_subcommand("bench", "Time programs on several engines in one run");
  bench->add_option("object", options->objects, "ELF objects or .ebpf files")->required();
  bench->add_option("-p,--program", options->bench.programs, "Only this program; may be repeated")
      ->allow_extra_args(false);
  bench
      ->add_option("--engine", options->bench.engines,
                   "interp, checked, baseline, jit or kernel; may be repeated (default: interp, "
                   "baseline, jit, kernel). Ratios are to the last one")
      ->allow_extra_args(false);
  bench->add_option("--setup", options->setup,
                    "JSON file: maps to fill, rings to drain, what to subtract");
  bench->add_option("--packet-hex", options->packet_hex,
                    "The packet (default: 1536 bytes, always the same)");
  bench->add_option("--rounds", options->bench.rounds, "Each round times every program once")
      ->check(CLI::Range(1u, 10'000u))
      ->capture_default_str();
  bench->add_option("--sample-ms", options->bench.sample_ms, "Time of one sample")
      ->check(CLI::Range(1u, 10'000u))
      ->capture_default_str();
  bench->add_option("--cpu", options->cpu, "Keep to this CPU (default: the last)");
  AddTargetOptions(bench, options->target);
  bench->add_option("--plot", options->plot, "Also draw the ratios into this SVG file");
  bench->add_flag("--json", options->json, "Machine output on standard output");
  bench->footer(
      "Results are compared before the clock runs; a program whose result is not that of the\n"
      "first engine has no figure, and the status is 1. The kernel's figures are those of\n"
      "BPF_PROG_TEST_RUN less its empty program; the others include the call. The median "
      "counts.\n\n"
      "Examples:\n"
      "  skep bench filter.bpf.o\n"
      "  skep bench filter.bpf.o --engine jit --engine kernel --rounds 31\n"
      "  skep bench maps.bpf.o --setup setup.json --json\n"
      "  skep bench *.bpf.o --plot ratios.svg");
  bench->callback([options, &status] { status = BenchCommand(*options); });
}

}  // namespace skep::tools
