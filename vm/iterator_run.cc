// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <vector>

#include "skep/iterator.h"

#include "model/execution_layout.h"
#include "model/seq_buffer.h"

namespace skep {
namespace {

constexpr uint32_t kTraceIter = 28;  // BPF_TRACE_ITER
constexpr size_t kMaxObjects = 11;

// struct bpf_iter_meta.
struct Meta {
  const void* seq;
  uint64_t session_id;
  uint64_t seq_num;
};

RunResult BadCall(ExecutionContext& context, const char* why) {
  model::ExecutionLayout::trap(context) = TrapCode::kNone;
  context.Stop(TrapCode::kBadCall, why);
  return {0, TrapCode::kBadCall, 0};
}

}  // namespace

RunResult RunIterator(const Executable& executable, ExecutionContext& context,
                      const IteratorInput& input, std::string& text) noexcept {
  const ProgramData& program = executable.program().data();
  if (executable.program().type() != ProgramTypeId::kTracing ||
      program.expected_attach_type != kTraceIter) {
    return BadCall(context, "only programs of sections iter/... iterate");
  }
  if (input.objects.size() > kMaxObjects) return BadCall(context, "more than 11 objects");
  std::vector<char> memory(input.room);
  model::SeqBuffer seq(memory);
  const Meta meta{&seq, input.session, input.sequence};
  std::array<uint64_t, 1 + kMaxObjects> words{reinterpret_cast<uintptr_t>(&meta)};
  std::copy(input.objects.begin(), input.objects.end(), words.begin() + 1);
  model::ExecutionExtras& extras = model::ExecutionLayout::extras(context);
  extras.seq = &seq;
  const RunResult result =
      executable.RunCall(context, std::span(words).first(1 + input.objects.size()));
  extras.seq = nullptr;
  const auto printed = seq.text();
  text.append(printed.begin(), printed.end());
  return result;
}

}  // namespace skep
