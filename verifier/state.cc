// SPDX-License-Identifier: Apache-2.0
#include "verifier/state.h"

namespace skep::verifier {

void StackSlot::Scrub() {
  if (IsSpill() || IsSpecial()) {
    for (StackByte& b : bytes) {
      if (b != StackByte::kInvalid) b = StackByte::kMisc;
    }
  }
  reg = Register{};
}

FramePool::~FramePool() = default;

FramePool::Ptr FramePool::New() {
  Ptr frame = Recycled();
  frame->stack.clear();
  std::vector<StackSlot> stack = std::move(frame->stack);
  *frame = Frame{};
  frame->stack = std::move(stack);
  return frame;
}

// A frame with anything in it.
FramePool::Ptr FramePool::Recycled() {
  std::unique_ptr<Frame> frame;
  if (free_.empty()) {
    frame = std::make_unique<Frame>();
  } else {
    frame = std::move(free_.back());
    free_.pop_back();
  }
  bytes_ += sizeof(Frame) + frame->stack.capacity() * sizeof(StackSlot);
  return Ptr(frame.release(), Return{this});
}

FramePool::Ptr FramePool::Copy(const Frame& from) {
  Ptr frame = Recycled();
  const size_t before = frame->stack.capacity();
  *frame = from;
  bytes_ += (frame->stack.capacity() - before) * sizeof(StackSlot);
  return frame;
}

void FramePool::Grow(Frame& frame, size_t slots) {
  if (slots <= frame.stack.size()) return;
  const size_t before = frame.stack.capacity();
  frame.stack.resize(slots);
  bytes_ += (frame.stack.capacity() - before) * sizeof(StackSlot);
}

void FramePool::Take(Frame* taken) {
  std::unique_ptr<Frame> frame(taken);
  bytes_ -= sizeof(Frame) + frame->stack.capacity() * sizeof(StackSlot);
  constexpr size_t kKeep = 512;
  if (free_.size() < kKeep) free_.push_back(std::move(frame));
}

void State::CopyFrom(const State& from, FramePool& pool) {
  static_cast<PathEnd&>(*this) = from;
  for (uint32_t i = 0; i < kMaxFrames; ++i) {
    if (i <= depth) {
      frames[i] = pool.Copy(*from.frames[i]);
    } else {
      frames[i].reset();
    }
  }
  refs = from.refs;
  locks = from.locks;
  rcu_sections = from.rcu_sections;
  preempt_sections = from.preempt_sections;
  irq_id = from.irq_id;
  sleepable = from.sleepable;
  path_depth = from.path_depth;
  may_goto_depth = from.may_goto_depth;
  callback_depth = from.callback_depth;
}

}  // namespace skep::verifier
