// SPDX-License-Identifier: Apache-2.0
#include "skep/execution_context.h"

#include <utility>

#include "base/check.h"
#include "model/execution_layout.h"
#include "model/packet_state.h"

namespace skep {
namespace {

// splitmix64: spreads a seed over the generator's state.
uint64_t Spread(uint64_t& state) {
  state += 0x9e3779b97f4a7c15;
  uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

uint64_t RotateLeft(uint64_t x, int count) { return (x << count) | (x >> (64 - count)); }

uint64_t NoCallbacks(ExecutionContext& context, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                     uint64_t) noexcept {
  context.Stop(TrapCode::kBadCall, "this engine does not run callbacks");
  return 0;
}

}  // namespace

std::string_view TrapName(TrapCode code) {
  switch (code) {
    case TrapCode::kNone:
      return "none";
    case TrapCode::kBudget:
      return "budget";
    case TrapCode::kInterrupted:
      return "interrupted";
    case TrapCode::kBadAccess:
      return "bad access";
    case TrapCode::kMisaligned:
      return "misaligned";
    case TrapCode::kBadCall:
      return "bad call";
    case TrapCode::kCallDepth:
      return "call depth";
    case TrapCode::kStackOverflow:
      return "stack overflow";
    case TrapCode::kBadInsn:
      return "bad instruction";
  }
  SKEP_UNREACHABLE();
}

ExecutionContext::ExecutionContext() : extras_(std::make_unique<model::ExecutionExtras>()) {
  // Zeroed, so that a program never sees what another part of the host left.
  extras_->stack = std::make_unique<std::byte[]>(model::kStackBytes);
  stack_ = extras_->stack.get();
  extras_->packet = std::make_unique<model::PacketState>();
  call_ = NoCallbacks;
}

ExecutionContext::~ExecutionContext() {
  if (extras_->release_cpu) extras_->release_cpu();
}

void ExecutionContext::set_hooks(ExecutionHooks hooks) { extras_->hooks = std::move(hooks); }
const ExecutionHooks& ExecutionContext::hooks() const { return extras_->hooks; }
Invocation& ExecutionContext::invocation() { return extras_->invocation; }

void SetPacketHooks(ExecutionContext& context, PacketHooks hooks) {
  model::ExecutionLayout::extras(context).packet->hooks = std::move(hooks);
}

void ExecutionContext::set_seed(uint64_t seed) {
  for (uint64_t& word : random_) word = Spread(seed);
}

const std::string& ExecutionContext::trap_detail() const {
  static const std::string kNotStopped;
  return stopped() ? extras_->trap_detail : kNotStopped;
}

// xoshiro256**, upper half.
uint32_t ExecutionContext::NextRandom() noexcept {
  const uint64_t result = RotateLeft(random_[1] * 5, 7) * 9;
  const uint64_t t = random_[1] << 17;
  random_[2] ^= random_[0];
  random_[3] ^= random_[1];
  random_[1] ^= random_[2];
  random_[0] ^= random_[3];
  random_[2] ^= t;
  random_[3] = RotateLeft(random_[3], 45);
  return static_cast<uint32_t>(result >> 32);
}

void ExecutionContext::Stop(TrapCode code, std::string detail) noexcept {
  if (stopped()) return;  // the first reason stays
  trap_ = code;
  extras_->trap_detail = std::move(detail);
}

namespace model {

std::unique_ptr<ExecutionContext> ExecutionLayout::Create(uint32_t cpu, EpochDomain& domain,
                                                          std::function<void()> release_cpu) {
  auto context = std::unique_ptr<ExecutionContext>(new ExecutionContext);
  context->cpu_ = cpu;
  context->extras_->epoch.Join(domain);
  context->extras_->release_cpu = std::move(release_cpu);
  return context;
}

}  // namespace model
}  // namespace skep
