// SPDX-License-Identifier: Apache-2.0
// Runs over what is no packet: context bytes, arguments of a function, and flow
// dissectors.
#include <algorithm>
#include <cstring>
#include <vector>

#include "skep/engine.h"

#include "model/exec_program.h"
#include "model/execution_layout.h"
#include "model/host_context.h"

namespace skep {
namespace {

constexpr size_t kMaxMemory = size_t{1} << 29;  // Linux's BPF_MAX_VAR_SIZ; what r2 is verified for
constexpr size_t kMaxFieldContext = 256;
constexpr size_t kMaxArguments = 12;  // MAX_BPF_FUNC_ARGS
constexpr size_t kEthernetHeader = 14;

RunResult BadCall(ExecutionContext& context, const char* why) {
  model::ExecutionLayout::trap(context) = TrapCode::kNone;
  context.Stop(TrapCode::kBadCall, why);
  return {0, TrapCode::kBadCall, 0};
}

// Whether the last word of the context is the result of the function.
bool SeesResult(const Program& program) {
  constexpr uint32_t kFexit = 25, kModifyReturn = 26;
  const uint32_t attach = program.data().expected_attach_type;
  return program.type() == ProgramTypeId::kTracing && (attach == kFexit || attach == kModifyReturn);
}

bool MayTailCall(const model::ExecProgram& program) {
  return std::any_of(program.subprograms.begin(), program.subprograms.end(),
                     [](const model::ExecSubprogram& sub) { return sub.tail_call_reachable; });
}

// What helpers are told of the function, for the time of one run.
class CalledScope {
 public:
  CalledScope(ExecutionContext& context, const model::CalledFunction& called)
      : called_(model::ExecutionLayout::extras(context).called) {
    called_ = &called;
  }
  ~CalledScope() { called_ = nullptr; }
  CalledScope(const CalledScope&) = delete;
  CalledScope& operator=(const CalledScope&) = delete;

 private:
  const model::CalledFunction*& called_;
};

// The pointer that a field shows, as a number.
uint64_t PointerFor(FieldKind kind, std::span<std::byte> data) {
  switch (kind) {
    case FieldKind::kPacketData:
    case FieldKind::kPacketMeta:
      return reinterpret_cast<uintptr_t>(data.data());
    case FieldKind::kPacketEnd:
      return reinterpret_cast<uintptr_t>(data.data() + data.size());
    default:
      return 0;
  }
}

}  // namespace

RunResult Executable::RunFields(ExecutionContext& context, std::span<std::byte> bytes,
                                std::span<std::byte> data) const noexcept {
  const ProgramType& type = *exec_->program_type;
  alignas(8) std::byte block[kMaxFieldContext] = {};
  const size_t size = std::min<size_t>({bytes.size(), type.context_size, sizeof block});
  std::copy_n(bytes.begin(), size, block);
  for (const ContextField& field : type.fields) {
    if (field.kind == FieldKind::kScalar) continue;
    const uint64_t pointer = PointerFor(field.kind, data);
    std::memcpy(block + field.host_offset, &pointer, sizeof pointer);
  }
  const RunResult result = Run(context, block, type.context_size);
  // The host does not learn addresses, it keeps what it had there.
  for (const ContextField& field : type.fields) {
    if (field.kind == FieldKind::kScalar || field.offset >= size) continue;
    std::memcpy(block + field.offset, bytes.data() + field.offset,
                std::min<size_t>(field.size, size - field.offset));
  }
  std::copy_n(block, size, bytes.begin());
  return result;
}

RunResult Executable::RunBytes(ExecutionContext& context, std::span<std::byte> bytes,
                               std::span<std::byte> data) const noexcept {
  const ProgramType& type = *exec_->program_type;
  if (type.host != HostContext::kBytes || program_.type() == ProgramTypeId::kNetfilter) {
    return BadCall(context, "programs of this type take packets, not context bytes");
  }
  if (bytes.size() < exec_->context_bytes) {
    return BadCall(context, "the context has fewer bytes than the program accesses");
  }
  if (bytes.size() > kMaxMemory) {
    return BadCall(context, "more than 536870912 bytes, which the verifier's ranges do not hold");
  }
  if (!type.fields.empty()) {
    if (static_cast<uint32_t>(type.id) >= kFirstHostProgramType) {
      return BadCall(context, "programs of this type take the host's own structure: use Run");
    }
    return RunFields(context, bytes, data);
  }
  if (!type.context_by_target) {
    // What a tail call enters may look at more of the context than this program.
    const bool whole = bytes.size() >= type.context_size || !MayTailCall(*exec_);
    if (whole) return Run(context, bytes.data(), bytes.size());
    std::vector<std::byte> padded(type.context_size);
    std::copy(bytes.begin(), bytes.end(), padded.begin());
    const RunResult result = Run(context, padded.data(), padded.size());
    std::copy_n(padded.begin(), bytes.size(), bytes.begin());
    return result;
  }
  const size_t words = bytes.size() / sizeof(uint64_t);
  if (bytes.size() % sizeof(uint64_t) != 0 || words > kMaxArguments + 1) {
    return BadCall(context, "arguments are words of 8 bytes, at most 12 and a result");
  }
  uint64_t copy[kMaxArguments + 1] = {};
  if (words != 0) std::memcpy(copy, bytes.data(), bytes.size());
  const size_t count = words - (SeesResult(program_) && words != 0 ? 1 : 0);
  return RunCall(context, std::span(copy).first(count),
                 count == words ? std::nullopt : std::optional(copy[count]));
}

RunResult Executable::RunCall(ExecutionContext& context, std::span<const uint64_t> arguments,
                              std::optional<uint64_t> result) const noexcept {
  const ProgramType& type = *exec_->program_type;
  if (!type.context_by_target && program_.type() != ProgramTypeId::kRawTracepoint) {
    return BadCall(context, "programs of this type are not called with arguments");
  }
  if (arguments.size() > kMaxArguments) return BadCall(context, "more than 12 arguments");
  // Linux's trampoline has the result behind the arguments.
  uint64_t words[kMaxArguments + 1] = {};
  std::copy(arguments.begin(), arguments.end(), words);
  size_t count = arguments.size();
  if (result) words[count++] = *result;
  if (count * sizeof(uint64_t) < exec_->context_bytes) {
    return BadCall(context, "fewer arguments than the program looks at");
  }
  const model::CalledFunction called{words, arguments.size(),
                                     result ? words + arguments.size() : nullptr};
  const CalledScope scope(context, called);
  return Run(context, words, count * sizeof(uint64_t));
}

// As bpf_flow_dissect: the program starts from zeros, and offsets that lead out of
// the frame are brought back into it.
RunResult Executable::RunFlowDissector(ExecutionContext& context, std::span<std::byte> frame,
                                       FlowKeys& keys) const noexcept {
  if (program_.type() != ProgramTypeId::kFlowDissector) {
    return BadCall(context, "programs of this type do not dissect flows");
  }
  if (frame.size() < kEthernetHeader || frame.size() > 0xffff) {
    return BadCall(context, "a frame has 14 to 65535 bytes");
  }
  keys = FlowKeys{.nhoff = kEthernetHeader, .thoff = kEthernetHeader, .flags = keys.flags};
  std::memcpy(&keys.n_proto, frame.data() + kEthernetHeader - sizeof keys.n_proto,
              sizeof keys.n_proto);
  model::SkbContext skb;
  skb.data = frame.data();
  skb.data_end = frame.data() + frame.size();
  skb.flow_keys = &keys;
  const RunResult result = Run(context, &skb);
  const auto end = static_cast<uint16_t>(frame.size());
  const auto inside = [end](uint16_t offset) {
    return std::clamp<uint16_t>(offset, kEthernetHeader, end);
  };
  keys.nhoff = inside(keys.nhoff);
  keys.thoff = inside(keys.thoff);
  return result;
}

}  // namespace skep
