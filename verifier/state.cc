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

Stack::Stack(const Stack& from) : pool_(from.pool_), size_(from.size_) {
  for (size_t i = 0; i < chunk_count(); ++i) {
    chunks_[i] = from.chunks_[i];
    ++chunks_[i]->users;
  }
}

Stack::~Stack() {
  for (size_t i = 0; i < chunk_count(); ++i) {
    if (--chunks_[i]->users == 0) pool_->chunks_.Delete(chunks_[i]);
  }
}

void Stack::Unshare(StackChunk*& chunk) {
  StackChunk* own = pool_->chunks_.New(pool_->scratch_, *chunk);
  own->users = 1;
  --chunk->users;
  chunk = own;
}

void Stack::Grow(size_t slots) {
  if (slots <= size_) return;
  const size_t had = chunk_count();
  size_ = static_cast<uint32_t>(slots);
  for (size_t i = had; i < chunk_count(); ++i) {
    chunks_[i] = &pool_->empty_;
    ++chunks_[i]->users;
  }
}

void Stack::KeepOnly(uint64_t slots) {
  constexpr uint64_t kAll = (uint64_t{1} << StackChunk::kSlots) - 1;
  for (size_t i = 0; i < chunk_count(); ++i, slots >>= StackChunk::kSlots) {
    if (chunks_[i] == &pool_->empty_ || (slots & kAll) == kAll) continue;
    if ((slots & kAll) == 0) {
      if (--chunks_[i]->users == 0) pool_->chunks_.Delete(chunks_[i]);
      chunks_[i] = &pool_->empty_;
      ++chunks_[i]->users;
      continue;
    }
    for (size_t s = 0; s < StackChunk::kSlots; ++s) {
      if ((slots >> s & 1) == 0) Mutable(i * StackChunk::kSlots + s) = StackSlot{};
    }
  }
}

void ReturnState::operator()(State* state) const { state->pool.states_.Delete(state); }

State::~State() {
  for (uint32_t i = 0; i < kMaxFrames; ++i) Drop(i);
}

void State::Drop(uint32_t i) {
  Frame*& frame = frames[i].frame_;
  if (frame != nullptr && --frame->users == 0) pool.frames_.Delete(frame);
  frame = nullptr;
}

Frame& State::MutableFrame(uint32_t i) {
  Frame*& frame = frames[i].frame_;
  if (frame->users != 1) {
    Frame* own = pool.frames_.New(pool.scratch_, *frame);
    own->users = 1;
    --frame->users;
    frame = own;
  }
  return *frame;
}

Frame& State::PushFrame() {
  if (frames[0]) ++depth;
  Frame* frame = pool.frames_.New(pool.scratch_, pool);
  frames[depth].frame_ = frame;
  return *frame;
}

void State::PopFrame() {
  Drop(depth);
  --depth;
  MutableFrame(depth);
}

void State::CopyFrom(const State& from) {
  for (uint32_t i = 0; i < kMaxFrames; ++i) Drop(i);
  static_cast<PathEnd&>(*this) = from;
  for (uint32_t i = 0; i < depth; ++i) {
    frames[i].frame_ = from.frames[i].frame_;
    ++frames[i].frame_->users;
  }
  Frame* current = pool.frames_.New(pool.scratch_, from.frame());
  current->users = 1;
  frames[depth].frame_ = current;
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
