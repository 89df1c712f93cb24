// SPDX-License-Identifier: Apache-2.0
#include "kernel/kernel_backend.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "kernel/bpf_syscall.h"
#include "kernel/kernel_maps.h"
#include "kernel/program_btf.h"
#include "model/program_type_name.h"
#include "model/test_input.h"

namespace skep::kernel {
namespace {

constexpr uint8_t kCodeWideLoad = 0x18;
constexpr size_t kFirstLog = 64u << 10;
constexpr size_t kLastLog = 64u << 20;

// An extension also needs the program that it replaces.
bool IsForeign(ProgramTypeId type) {
  return type == ProgramTypeId::kMemory || type == ProgramTypeId::kExt;
}

// The log's last line that says something, less the summary behind it.
std::string Reason(std::string_view log, int error) {
  while (!log.empty()) {
    const size_t end = log.find_last_not_of('\n');
    if (end == std::string_view::npos) break;
    log = log.substr(0, end + 1);
    const size_t start = log.rfind('\n');
    const std::string_view line = start == std::string_view::npos ? log : log.substr(start + 1);
    const bool summary = line.starts_with("processed ") || line.starts_with("verification time") ||
                         line.starts_with("stack depth");
    if (!summary) return std::string(line);
    log = log.substr(0, log.size() - line.size());
  }
  return std::strerror(error);
}

// The last number in the log that follows `before`.
std::optional<uint64_t> NumberAfter(std::string_view before, const std::string& log) {
  const size_t at = log.rfind(before);
  if (at == std::string::npos) return std::nullopt;
  return std::strtoull(log.c_str() + at + before.size(), nullptr, 10);
}

class KernelProgram final : public BackendProgram {
 public:
  // `maps` keeps the prog arrays alive: a prog array is emptied when the last
  // descriptor of it goes.
  KernelProgram(Fd fd, ProgramTypeId type, std::shared_ptr<KernelMaps> maps)
      : fd_(std::move(fd)), type_(type), maps_(std::move(maps)) {}

  int fd() const { return fd_.get(); }

  Result<BackendOutput> Run(const BackendInput& input) override {
    switch (model::TestInputOf(type_)) {
      case model::TestInput::kPacket:
        return RunPacket(input);
      case model::TestInput::kContext:
        return RunContext(input);
      case model::TestInput::kNone:
        break;
    }
    return Error{ErrorCode::kUnsupported, "the kernel runs no programs of type " +
                                              std::string(ProgramTypeName(type_)) +
                                              " by BPF_PROG_TEST_RUN"};
  }

 private:
  static Error Refused(int error, const char* what) {
    Error out = SystemError(Command::kProgTestRun, error);
    if (error == EINVAL) {
      out.code = ErrorCode::kInvalidArgument;
      out.message += what;
    }
    return out;
  }

  Result<BackendOutput> RunPacket(const BackendInput& input) {
    BackendOutput out;
    // Programs may make the packet longer.
    constexpr size_t kRoom = 4096;
    out.data.resize(input.packet.size() + kRoom);
    TestRunAttr attr{};
    attr.prog_fd = static_cast<uint32_t>(fd_.get());
    attr.data_in = Address(input.packet.data());
    attr.data_size_in = static_cast<uint32_t>(input.packet.size());
    attr.data_out = Address(out.data.data());
    attr.data_size_out = static_cast<uint32_t>(out.data.size());
    attr.repeat = std::max(input.repeat, 1u);
    const int result = Bpf(Command::kProgTestRun, attr);
    if (result < 0) return Refused(-result, ": the packet's size must suit the kernel");
    out.data.resize(attr.data_size_out);
    out.value = attr.retval;
    out.ns_per_run = attr.duration;
    return out;
  }

  // The kernel neither repeats nor times these.
  Result<BackendOutput> RunContext(const BackendInput& input) {
    BackendOutput out;
    out.data.assign(input.context.begin(), input.context.end());
    using Clock = std::chrono::steady_clock;
    const auto start = Clock::now();
    const uint32_t repeat = std::max(input.repeat, 1u);
    for (uint32_t i = 0; i < repeat; ++i) {
      TestRunAttr attr{};
      attr.prog_fd = static_cast<uint32_t>(fd_.get());
      attr.ctx_in = out.data.empty() ? 0 : Address(out.data.data());
      attr.ctx_size_in = static_cast<uint32_t>(out.data.size());
      if (type_ == ProgramTypeId::kSkLookup) {  // the others write to what they got
        attr.ctx_out = attr.ctx_in;
        attr.ctx_size_out = attr.ctx_size_in;
      }
      const int result = Bpf(Command::kProgTestRun, attr);
      if (result < 0) return Refused(-result, ": the context's size must suit the program");
      out.value = attr.retval;
    }
    const auto spent = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start);
    out.ns_per_run = static_cast<uint64_t>(spent.count()) / repeat;
    return out;
  }

  const Fd fd_;
  const ProgramTypeId type_;
  const std::shared_ptr<KernelMaps> maps_;
};

class KernelInstance final : public BackendInstance {
 public:
  KernelInstance(Object object, KernelMaps maps)
      : object_(std::move(object)), maps_(std::make_shared<KernelMaps>(std::move(maps))) {}

  Result<BackendLoad> Load(const Program& program, const BackendLoadOptions& options) override {
    SKEP_TRY(auto load, LoadOne(program, options));
    if (load.program != nullptr && !options.verdict_only)
      SKEP_TRY_VOID(FillProgArrays(program, options));
    return load;
  }

  Result<std::vector<MapElement>> ReadMap(const std::string& name, uint64_t limit) override {
    return maps_->Read(name, limit);
  }
  Result<std::vector<std::vector<std::byte>>> TakeRecords(const std::string& name) override {
    return maps_->TakeRecords(name);
  }
  int UpdateMap(const std::string& name, std::span<const std::byte> key,
                std::span<const std::byte> value, uint64_t flags) override {
    return maps_->Update(name, key, value, flags);
  }

 private:
  // The code with descriptors in place of map indexes.
  Result<std::vector<Insn>> WithMaps(const Program& program) const {
    std::vector<Insn> code(program.insns().begin(), program.insns().end());
    for (size_t i = 0; i < code.size(); ++i) {
      if (code[i].code != kCodeWideLoad) continue;
      Insn& insn = code[i++];
      const bool value = insn.src == kPseudoMapValue || insn.src == kPseudoMapIdxValue;
      if (!value && insn.src != kPseudoMapFd && insn.src != kPseudoMapIdx) continue;
      const MapSpec& spec = program.maps()[static_cast<size_t>(insn.imm)];
      const KernelMap* map = maps_->Find(spec.name);
      if (map == nullptr) {
        return Error{ErrorCode::kUnresolved, "map '" + spec.name + "' is not the object's", ENOENT};
      }
      insn.src = value ? kPseudoMapValue : kPseudoMapFd;
      insn.imm = map->fd.get();
    }
    return code;
  }

  Result<BackendLoad> LoadOne(const Program& program, const BackendLoadOptions& options) const {
    const ProgramData& data = program.data();
    if (IsForeign(program.type())) {
      return Error{ErrorCode::kUnsupported, "the kernel backend loads no programs of type " +
                                                std::string(ProgramTypeName(program.type()))};
    }
    SKEP_TRY(const std::vector<Insn> code, WithMaps(program));
    const ProgramBtf btf = LoadProgramBtf(program, maps_->types());
    ProgLoadAttr attr{};
    attr.prog_type = static_cast<uint32_t>(program.type());
    attr.insns = Address(code.data());
    attr.insn_cnt = static_cast<uint32_t>(code.size());
    attr.license = Address(data.license.c_str());
    attr.expected_attach_type = data.expected_attach_type;
    attr.attach_btf_id = data.attach_btf_id;
    attr.prog_flags = data.flags | (data.sleepable ? kSleepable : 0) |
                      (options.strict_alignment ? kProgStrictAlignment : 0);
    CopyName(program.name(), attr.prog_name);
    if (btf.fd.valid() && !btf.functions.empty()) {
      attr.prog_btf_fd = static_cast<uint32_t>(btf.fd.get());
      attr.func_info = Address(btf.functions.data());
      attr.func_info_cnt = static_cast<uint32_t>(btf.functions.size());
      attr.func_info_rec_size = sizeof(FuncInfo);
      attr.line_info = Address(btf.lines.data());
      attr.line_info_cnt = static_cast<uint32_t>(btf.lines.size());
      attr.line_info_rec_size = btf.lines.empty() ? 0 : sizeof(LineInfo);
    }
    return Ask(attr, options.log_level, btf.refused, program.type());
  }

  Result<BackendLoad> Ask(ProgLoadAttr& attr, uint32_t log_level, const std::string& refused_btf,
                          ProgramTypeId type) const {
    BackendLoad out;
    std::string& log = out.verdict.log;
    attr.log_level = log_level;
    int result = -ENOSPC;
    for (size_t size = kFirstLog; result == -ENOSPC && size <= kLastLog; size *= 4) {
      if (log_level != 0) {
        log.assign(size, '\0');
        attr.log_buf = Address(log.data());
        attr.log_size = static_cast<uint32_t>(size);
      }
      result = Bpf(Command::kProgLoad, attr);
      if (log_level == 0) break;
    }
    log.resize(std::strlen(log.c_str()));
    // Without the right to load the verifier was not asked, and wrote nothing.
    if ((result == -EPERM && log.empty()) || result == -ENOSYS) {
      return SystemError(Command::kProgLoad, -result);
    }
    out.verdict.processed = NumberAfter("processed ", log).value_or(0);
    out.verdict.time_us = NumberAfter("verification time ", log);
    out.verdict.accepted = result >= 0;
    if (result < 0) {
      out.verdict.sys_errno = -result;
      out.verdict.message = Reason(log, -result);
      if (!refused_btf.empty()) out.verdict.message += " (loaded without BTF: " + refused_btf + ")";
    } else {
      out.program = std::make_shared<KernelProgram>(Fd(result), type, maps_);
    }
    return out;
  }

  // Programs that the object puts into the prog arrays of `program`.
  Result<void> FillProgArrays(const Program& program, const BackendLoadOptions& options) {
    for (const MapSpec& spec : program.maps()) {
      if (spec.type != MapType::kProgArray || !filled_.try_emplace(spec.name).second) continue;
      for (const auto& [index, name] : spec.initial_slots) {
        SKEP_TRY(const Program target, object_.FindProgram(name));
        SKEP_TRY(auto load, LoadOne(target, options));
        if (load.program == nullptr) {
          return Error{ErrorCode::kInvalidArgument, "slot " + std::to_string(index) + " of '" +
                                                        spec.name + "': the kernel rejects '" +
                                                        name + "': " + load.verdict.message};
        }
        const int fd = static_cast<const KernelProgram&>(*load.program).fd();
        const int result = maps_->Update(spec.name, std::as_bytes(std::span(&index, 1)),
                                         std::as_bytes(std::span(&fd, 1)), 0);
        if (result != 0) return SystemError(Command::kMapUpdateElem, -result);
        filled_[spec.name].push_back(load.program);
        SKEP_TRY_VOID(FillProgArrays(target, options));
      }
    }
    return {};
  }

  const Object object_;
  const std::shared_ptr<KernelMaps> maps_;
  std::map<std::string, std::vector<std::shared_ptr<BackendProgram>>> filled_;  // by prog array
};

class KernelBackend final : public Backend {
 public:
  std::string_view name() const override { return "kernel"; }
  Result<uint32_t> cpu_slots() const override { return PossibleCpus(); }
  Result<std::unique_ptr<BackendInstance>> Instantiate(const Object& object) override {
    SKEP_TRY(auto maps, KernelMaps::Create(object.maps(), object.btf().get()));
    return std::unique_ptr<BackendInstance>(
        std::make_unique<KernelInstance>(object, std::move(maps)));
  }
};

}  // namespace

std::unique_ptr<Backend> CreateKernelBackend() { return std::make_unique<KernelBackend>(); }

std::string WhyUnavailable() {
  const Insn code[] = {{.code = 0xb7}, {.code = 0x95}};  // r0 = 0; exit
  ProgLoadAttr attr{};
  attr.prog_type = static_cast<uint32_t>(ProgramTypeId::kXdp);
  attr.insns = Address(code);
  attr.insn_cnt = 2;
  attr.license = Address("GPL");
  const int fd = Bpf(Command::kProgLoad, attr);
  if (fd < 0) return SystemError(Command::kProgLoad, -fd).message;
  const Fd closes(fd);
  return {};
}

}  // namespace skep::kernel
