// SPDX-License-Identifier: Apache-2.0
#include "tools/bench_run.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <numeric>
#include <set>
#include <utility>

#include <sched.h>

#include "skep/packet.h"

#include "loader/object_part.h"
#include "model/program_type_name.h"
#include "tools/engine_run.h"
#include "tools/output.h"

namespace skep::tools {
namespace {

constexpr uint64_t kMostRuns = uint64_t{1} << 30;
constexpr double kWarmUpNs = 40e6;
constexpr const char* kKernelName = "kernel";

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// The mean of the middle half. For the kernel, whose figures are whole numbers: of
// small ones the median is coarser than the mean of several.
double MiddleMean(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t cut = values.size() / 4;
  const auto first = values.begin() + static_cast<std::ptrdiff_t>(cut);
  const auto last = values.end() - static_cast<std::ptrdiff_t>(cut);
  return std::accumulate(first, last, 0.0) / static_cast<double>(last - first);
}

BenchSpread SpreadOf(const std::vector<double>& samples, bool whole_numbers) {
  const auto [min, max] = std::minmax_element(samples.begin(), samples.end());
  return {*min, whole_numbers ? MiddleMean(samples) : Median(samples), *max};
}

// Helpers whose results no two engines share: clocks, random numbers, the CPU and
// what runs on it, addresses of kernel objects, cookies.
constexpr int32_t kOwnResults[] = {5,  7,   8,   14,  15,  16,  27,  34,  35,  42,  46, 67,
                                   80, 118, 122, 123, 125, 156, 158, 160, 173, 176, 208};

// What a bloom filter takes for present, and what an LRU map has dropped, are each
// implementation's own.
bool HasOwnAnswers(MapType type) {
  return type == MapType::kBloomFilter || type == MapType::kLruHash ||
         type == MapType::kLruPercpuHash;
}

bool IsRepeatable(const Program& program) {
  for (const MapSpec& map : program.maps()) {
    if (HasOwnAnswers(map.type)) return false;
  }
  constexpr uint8_t kCall = 0x85;
  for (const Insn& insn : program.insns()) {
    if (insn.code != kCall || insn.src != kCallHelper) continue;
    if (std::find(std::begin(kOwnResults), std::end(kOwnResults), insn.imm) !=
        std::end(kOwnResults)) {
      return false;
    }
  }
  return true;
}

// One program on one engine: what is loaded, and its samples.
struct Cell {
  std::unique_ptr<BenchProgram> program;
  std::string error;
  bool differs = false;
  uint64_t runs = 1;
  uint64_t lap = 0;        // runs that write a ring through once
  std::vector<double> ns;  // a run, by round
};

class Measurement {
 public:
  Measurement(const Object& object, const BenchOptions& options, const BenchSetup& setup)
      : object_(object), options_(options), setup_(setup) {}

  Result<std::vector<BenchRow>> Run() {
    SKEP_TRY_VOID(ChoosePrograms());
    SKEP_TRY_VOID(MakeEngines());
    for (size_t p = 0; p < programs_.size(); ++p) {
      for (size_t e = 0; e < engines_.size(); ++e) Load(p, e);
    }
    SKEP_TRY_VOID(LoadEmptyPrograms());
    for (size_t p = 0; p < programs_.size(); ++p) SKEP_TRY_VOID(CompareResults(p));
    Progress progress("measuring", cells_.size() * (options_.rounds + 1));
    for (Cell& cell : cells_) {
      if (cell.program) SKEP_TRY_VOID(Calibrate(cell));
      progress.Step();
    }
    for (uint32_t round = 0; round < options_.rounds; ++round) {
      for (Cell& cell : cells_) {
        if (cell.program) SKEP_TRY_VOID(Sample(cell));
        progress.Step();
      }
    }
    return Rows();
  }

 private:
  Cell& At(size_t program, size_t engine) { return cells_[program * engines_.size() + engine]; }
  size_t EngineOf(const Cell& cell) const {
    return static_cast<size_t>(&cell - cells_.data()) % engines_.size();
  }

  Result<void> ChoosePrograms() {
    std::set<std::string> named(options_.programs.begin(), options_.programs.end());
    for (const std::string& name : named) SKEP_TRY_VOID(Check(name));
    std::set<std::string> needed;
    for (const ObjectProgram& program : object_.programs()) {
      if (!named.empty() ? !named.contains(program.name)
                         : setup_.leave_out.contains(program.name)) {
        continue;
      }
      shown_.insert(program.name);
      needed.insert(program.name);
      if (const std::string& base = setup_.BaselineOf(program.name); !base.empty()) {
        SKEP_TRY_VOID(Check(base));
        needed.insert(base);
      }
    }
    if (!setup_.empty.empty()) {
      SKEP_TRY_VOID(Check(setup_.empty));
      needed.insert(setup_.empty);
    }
    for (const ObjectProgram& program : object_.programs()) {
      if (needed.contains(program.name)) programs_.push_back(&program);
    }
    return {};
  }
  Result<void> Check(const std::string& name) const {
    SKEP_TRY(const Program program, object_.FindProgram(name));
    static_cast<void>(program);
    return {};
  }

  Result<void> MakeEngines() {
    Object object = object_;
    for (const auto& [name, map] : setup_.maps) {
      const auto spec = std::find_if(object_.maps().begin(), object_.maps().end(),
                                     [&](const MapSpec& one) { return one.name == name; });
      if (spec == object_.maps().end()) {
        return Error{ErrorCode::kUnresolved,
                     object_.name() + ": the setup names a map '" + name + "', there is none"};
      }
      if (map.drain) {
        drained_.push_back(&*spec);
      }
      if (!map.programs.empty()) {
        SKEP_TRY(object, loader::WithPrograms(object, name, map.programs));
      }
    }
    whole_ = std::make_unique<Object>(object);
    for (const std::string& name : options_.engines) {
      SKEP_TRY(auto engine, name == kKernelName ? MakeKernelBenchEngine(object)
                                                : MakeBenchEngine(*EngineByName(name), object));
      for (const MapSpec& spec : object.maps()) {
        const auto map = setup_.maps.find(spec.name);
        if (map == setup_.maps.end()) continue;
        for (const BenchFill& fill : map->second.fills) SKEP_TRY_VOID(engine->Fill(spec, fill));
      }
      engines_.push_back(std::move(engine));
    }
    cells_.resize(programs_.size() * engines_.size());
    return {};
  }

  std::span<const std::byte> InputOf(ProgramTypeId type) const {
    return TakesPackets(type) ? std::span<const std::byte>(options_.packet)
                              : std::span<const std::byte>();
  }

  void Load(size_t p, size_t e) {
    Cell& cell = At(p, e);
    const auto program = whole_->FindProgram(programs_[p]->name);
    if (!program) {
      cell.error = program.error().message;
      return;
    }
    auto loaded = engines_[e]->Load(*program, InputOf(program->type()));
    if (loaded) {
      cell.program = *std::move(loaded);
    } else {
      cell.error = loaded.error().message;
    }
  }

  // Of each type that is measured in the kernel, if the setup names none.
  Result<void> LoadEmptyPrograms() {
    const auto kernel = std::find_if(engines_.begin(), engines_.end(),
                                     [](const auto& one) { return one->name() == kKernelName; });
    if (kernel == engines_.end() || !setup_.empty.empty()) return {};
    const auto e = static_cast<size_t>(kernel - engines_.begin());
    std::map<ProgramTypeId, size_t> made;
    const size_t named = programs_.size();
    for (size_t p = 0; p < named; ++p) {
      const ProgramTypeId type = programs_[p]->type;
      if (At(p, e).program == nullptr || made.contains(type)) continue;
      SKEP_TRY(auto program, (*kernel)->LoadEmpty(type, InputOf(type)));
      made[type] = empty_.size();
      empty_.push_back(type);
      cells_.resize(cells_.size() + engines_.size());
      Cell& cell = cells_[(named + empty_.size() - 1) * engines_.size() + e];
      cell.program = std::move(program);
      cell.runs = kMostRuns;
    }
    return {};
  }

  Result<void> Drain(size_t engine) {
    for (const MapSpec* map : drained_) SKEP_TRY_VOID(engines_[engine]->Drain(map->name));
    return {};
  }

  Result<void> CompareResults(size_t p) {
    std::optional<BenchOutcome> first;
    std::string first_name;
    const auto program = whole_->FindProgram(programs_[p]->name);
    const bool repeatable = program && IsRepeatable(*program);
    for (size_t e = 0; e < engines_.size(); ++e) {
      Cell& cell = At(p, e);
      if (cell.program == nullptr) continue;
      SKEP_TRY_VOID(Drain(e));
      auto outcome = cell.program->RunOnce();
      if (!outcome) {
        cell.error = outcome.error().message;
        cell.program = nullptr;
        continue;
      }
      SKEP_TRY_VOID(LimitRuns(cell, e));
      if (!first) {
        first = *std::move(outcome);
        first_name = engines_[e]->name();
      } else if (repeatable && (outcome->value != first->value || outcome->data != first->data)) {
        cell.error = outcome->value != first->value
                         ? "returns " + std::to_string(outcome->value) + ", " + first_name +
                               " returns " + std::to_string(first->value)
                         : "leaves another packet than " + first_name;
        cell.differs = true;
        cell.program = nullptr;
      }
    }
    return {};
  }

  // A sample must fit into the rings that are drained before it.
  Result<void> LimitRuns(Cell& cell, size_t e) {
    cell.runs = kMostRuns;
    for (const MapSpec* map : drained_) {
      SKEP_TRY(const uint64_t bytes, engines_[e]->Drain(map->name));
      if (bytes == 0) continue;
      cell.runs = std::min(cell.runs, map->max_entries * uint64_t{9} / 10 / bytes);
      cell.lap = std::max(cell.lap, map->max_entries / bytes + 1);
    }
    cell.runs = std::max<uint64_t>(cell.runs, 1);
    return {};
  }

  // Finds how many runs take about as long as a sample shall, and warms up.
  Result<void> Calibrate(Cell& cell) {
    const size_t e = EngineOf(cell);
    const uint64_t most = cell.runs;
    const double wanted = options_.sample_ms * 1e6;
    uint64_t runs = 1, done = 0;
    double ns = 0, spent = 0;
    const auto time = [&](uint64_t count) -> Result<void> {
      SKEP_TRY_VOID(Drain(e));
      SKEP_TRY(ns, cell.program->Time(count));
      done += count;
      spent += std::max(ns, 1e5);
      return {};
    };
    while (true) {
      SKEP_TRY_VOID(time(runs));
      if (runs >= most || ns > wanted / 4) break;
      runs = std::min(most, runs * 4);
    }
    while (spent < kWarmUpNs || done < cell.lap) SKEP_TRY_VOID(time(runs));
    SKEP_TRY_VOID(time(runs));
    const double fit = static_cast<double>(runs) * wanted / std::max(ns, 1.0);
    cell.runs = std::clamp<uint64_t>(static_cast<uint64_t>(fit), 1, most);
    return {};
  }

  Result<void> Sample(Cell& cell) {
    const size_t e = EngineOf(cell);
    SKEP_TRY_VOID(Drain(e));
    SKEP_TRY(double ns, cell.program->Time(std::max<uint64_t>(cell.runs / 4, 1)));
    SKEP_TRY_VOID(Drain(e));
    SKEP_TRY(ns, cell.program->Time(cell.runs));
    cell.ns.push_back(ns / static_cast<double>(cell.runs));
    return {};
  }

  // The figures of one program on one engine, less what the kernel's empty program
  // takes there.
  std::vector<double> Net(size_t p, size_t e) {
    std::vector<double> out = At(p, e).ns;
    if (engines_[e]->name() != kKernelName) return out;
    const Cell* empty = nullptr;
    for (size_t i = 0; i < programs_.size(); ++i) {
      if (programs_[i]->name == setup_.empty) empty = &At(i, e);
    }
    for (size_t i = 0; i < empty_.size(); ++i) {
      if (empty_[i] == programs_[p]->type) empty = &At(programs_.size() + i, e);
    }
    if (empty == nullptr || empty->ns.empty()) return out;
    const double cost = MiddleMean(empty->ns);
    for (double& ns : out) ns -= cost;
    return out;
  }

  // Round by round, what the program takes beyond its baseline, an operation.
  std::optional<BenchSpread> PerOperation(size_t p, size_t e) {
    const uint64_t ops = setup_.OpsOf(programs_[p]->name);
    const std::string& base = setup_.BaselineOf(programs_[p]->name);
    if (ops == 0) return std::nullopt;
    std::vector<double> out = At(p, e).ns;
    if (base.empty()) out = Net(p, e);
    for (size_t b = 0; b < programs_.size(); ++b) {
      if (programs_[b]->name != base) continue;
      const std::vector<double>& less = At(b, e).ns;
      if (less.size() != out.size()) return std::nullopt;
      for (size_t i = 0; i < out.size(); ++i) out[i] -= less[i];
    }
    for (double& ns : out) ns /= static_cast<double>(ops);
    return SpreadOf(out, engines_[e]->name() == kKernelName);
  }

  std::vector<BenchRow> Rows() {
    std::vector<BenchRow> rows;
    for (size_t p = 0; p < programs_.size(); ++p) {
      if (!shown_.contains(programs_[p]->name)) continue;
      for (size_t e = 0; e < engines_.size(); ++e) {
        const Cell& cell = At(p, e);
        BenchRow row;
        row.object = object_.name();
        row.program = programs_[p]->name;
        row.engine = engines_[e]->name();
        row.error = cell.error;
        row.differs = cell.differs;
        if (cell.program != nullptr) {
          row.compile_us = cell.program->compile_us;
          row.code_bytes = cell.program->code_bytes;
          row.run = SpreadOf(Net(p, e), row.engine == kKernelName);
          row.op = PerOperation(p, e);
        }
        rows.push_back(std::move(row));
      }
    }
    return rows;
  }

  const Object& object_;
  const BenchOptions& options_;
  const BenchSetup& setup_;
  std::unique_ptr<Object> whole_;  // with the setup's programs in its prog arrays
  std::vector<const ObjectProgram*> programs_;
  std::set<std::string> shown_;
  std::vector<const MapSpec*> drained_;
  std::vector<std::unique_ptr<BenchEngine>> engines_;
  std::vector<ProgramTypeId> empty_;  // types of the empty programs, after the programs
  std::vector<Cell> cells_;           // by program, then by engine
};

}  // namespace

Result<std::vector<BenchRow>> RunBench(const Input& input, const BenchOptions& options,
                                       const BenchSetup& setup) {
  return Measurement(input.object, options, setup).Run();
}

Result<void> PinToCpu(uint32_t cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (cpu < CPU_SETSIZE) CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set) == 0) return {};
  const int code = errno;
  return Error{ErrorCode::kSystem,
               "cannot keep to CPU " + std::to_string(cpu) + ": " + std::strerror(code), code};
}

}  // namespace skep::tools
