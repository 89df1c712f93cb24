// SPDX-License-Identifier: Apache-2.0
#include "vm/audit_runner.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <utility>

#include "model/exec_program.h"
#include "verifier/special_fields.h"

namespace skep {
namespace {

class Runner {
 public:
  Runner(Runtime& runtime, const Program& program, const AuditOptions& options)
      : runtime_(runtime), program_(program), options_(options), random_(options.seed) {}

  AuditResult Run() {
    AuditResult result;
    Audit audit(program_, runtime_.environment(), options_.verify);
    if (!audit.report().accepted) {
      result.outcome = AuditOutcome::kRejected;
      const auto& findings = audit.report().findings;
      if (!findings.empty()) result.reason = findings[0].message;
      return result;
    }
    if (const auto ready = Prepare(); !ready) {
      result.reason = ready.error().message;
      return result;
    }
    // As Lower says it of such a program.
    const auto& facts = audit.facts().insns;
    if (std::any_of(facts.begin(), facts.end(), [](const model::InsnFact& fact) {
          return fact.access == model::AccessKind::kKernel ||
                 fact.access == model::AccessKind::kObject;
        })) {
      result.reason = "an object of the kernel is accessed, which can be verified but not run here";
      return result;
    }
    if (const uint32_t id = FirstNotFollowed(); id != 0) {
      result.reason = "the audit does not follow what helper " + std::to_string(id) + " works on";
      return result;
    }
    for (uint32_t i = 0; i < options_.runs && !result.violation; ++i) {
      audit.set_seed(random_());
      audit.Attach(*context_);
      FillMaps();
      const RunResult run = RunOnce(i == 0 && options_.input ? *options_.input : RandomInput());
      Audit::Detach(*context_);
      const bool stopped = run.trap == TrapCode::kBudget || run.trap == TrapCode::kInterrupted;
      if (!run.ok() && !stopped) audit.AddTrap(run.insn, context_->trap_detail());
      ++result.runs;
      result.violation = audit.violation();
    }
    result.checked_insns = audit.checked_insns();
    result.outcome = result.violation ? AuditOutcome::kViolated : AuditOutcome::kPassed;
    return result;
  }

 private:
  uint64_t Below(uint64_t n) { return random_() % n; }

  // The first call of a helper on what the audit has no model of: locks and timers
  // in values, which only lowering with facts lets run; dynptrs in the stack; keys
  // and dynptrs that a helper hands to a callback. 0 if there is none.
  uint32_t FirstNotFollowed() const {
    constexpr uint8_t kCall = 0x85;
    for (const Insn& insn : program_.insns()) {
      if (insn.code != kCall || insn.src != 0) continue;
      const auto id = static_cast<uint32_t>(insn.imm);
      const bool lock = id == 93 || id == 94;
      const bool each = id == 164;
      const bool timer = id >= 169 && id <= 172;
      const bool dynptr = (id >= 197 && id <= 203) || id == 209;
      if (lock || each || timer || dynptr) return id;
    }
    return 0;
  }

  bool TakesPackets() const {
    return type_->host == HostContext::kXdp || type_->host == HostContext::kSkb;
  }

  Result<void> Prepare() {
    SKEP_TRY(instance_, runtime_.Instantiate(program_.maps()));
    for (const MapSpec& spec : program_.maps()) maps_.push_back(instance_->FindMap(spec.name));
    SKEP_TRY(executable_, runtime_.PrepareUnverified(program_, Engine::kChecked, maps_));
    type_ = executable_->exec().program_type;
    const bool bytes = type_->host == HostContext::kBytes && type_->fields.empty();
    const bool flows = type_->id == ProgramTypeId::kFlowDissector;
    if ((!bytes && !TakesPackets()) || type_->context_by_target || flows) {
      return Error{ErrorCode::kUnsupported,
                   "contexts of type " + std::string(type_->name) + " are not made by this build"};
    }
    SKEP_TRY(context_, runtime_.NewContext());
    context_->set_budget(options_.budget);
    context_->set_seed(random_());
    context_->set_hooks({.trace = [](std::string_view) {}, .clock = {}});
    return {};
  }

  // Numbers that programs compare with are mostly small or near a power of two.
  void FillRandom(std::byte* bytes, size_t size) {
    for (size_t at = 0; at < size; at += 8) {
      uint64_t value = random_();
      switch (Below(6)) {
        case 0:
          value = 0;
          break;
        case 1:
          value &= 15;
          break;
        case 2:
          value = (uint64_t{1} << (value & 63)) - Below(3) + 1;
          break;
        case 3:
          value = ~(value & 255);
          break;
        default:
          break;
      }
      std::memcpy(bytes + at, &value, std::min<size_t>(8, size - at));
    }
  }

  // Maps of plain values get random ones now and then.
  void FillMaps() {
    if (Below(2) == 0) return;
    for (const std::shared_ptr<Map>& map : maps_) {
      const MapSpec& spec = map->spec();
      const bool array = spec.type == MapType::kArray;
      if ((!array && spec.type != MapType::kHash) || HasSpecialFields(spec)) continue;
      std::vector<std::byte> key(spec.key_size), value(map->host_value_size());
      for (uint32_t i = 0; i < std::min<uint32_t>(spec.max_entries, 4); ++i) {
        if (value.size() > 65536) break;
        FillRandom(value.data(), value.size());
        std::fill(key.begin(), key.end(), std::byte{0});
        std::memcpy(key.data(), &i, std::min<size_t>(sizeof i, key.size()));
        map->HostUpdate(key.data(), value.data());
      }
    }
  }

  bool HasSpecialFields(const MapSpec& spec) const {
    const ProgramData& data = program_.data();
    return !verifier::ReadMapRecord(data.btf.get(), spec, data.target_btf.get()).fields.empty();
  }

  std::vector<std::byte> RandomInput() {
    if (TakesPackets()) return RandomPacket();
    size_t size = type_->context_size;
    if (program_.type() == ProgramTypeId::kMemory) {
      size = options_.verify.memory_size + Below(64);
    }
    size = std::min<size_t>(size, 1 << 16);
    std::vector<std::byte> bytes(size);
    FillRandom(bytes.data(), bytes.size());
    return bytes;
  }

  // Half of them look like IPv4, so that parsers go on.
  std::vector<std::byte> RandomPacket() {
    std::vector<std::byte> packet(14 + Below(Below(4) == 0 ? 1500 : 64));
    FillRandom(packet.data(), packet.size());
    if (packet.size() >= 34 && Below(2) == 0) {
      packet[12] = std::byte{8};
      packet[13] = std::byte{0};
      packet[14] = std::byte{0x45};
      packet[23] = Below(2) == 0 ? std::byte{6} : std::byte{17};
    }
    return packet;
  }

  RunResult RunOnce(std::vector<std::byte> input) {
    if (TakesPackets()) {
      input.resize(std::max<size_t>(input.size(), 14));
      return executable_->RunPacket(*context_, {.data = input});
    }
    if (program_.type() == ProgramTypeId::kMemory) {
      return executable_->Run(*context_, input.data(), input.size());
    }
    input.resize(std::max<size_t>(input.size(), type_->context_size));
    return executable_->RunBytes(*context_, input);
  }

  Runtime& runtime_;
  const Program& program_;
  const AuditOptions& options_;
  std::mt19937_64 random_;
  std::shared_ptr<Instance> instance_;
  std::vector<std::shared_ptr<Map>> maps_;
  std::shared_ptr<Executable> executable_;
  const ProgramType* type_ = nullptr;
  std::unique_ptr<ExecutionContext> context_;
};

}  // namespace

AuditResult AuditProgram(Runtime& runtime, const Program& program, const AuditOptions& options) {
  return Runner(runtime, program, options).Run();
}

}  // namespace skep
