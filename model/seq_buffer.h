// SPDX-License-Identifier: Apache-2.0
// SeqBuffer: what an iterator program prints into, as Linux's struct seq_file:
// what does not fit as a whole is not there, and then nothing more fits.
//
// Threads: one run's, one thread.

#ifndef SKEP_MODEL_SEQ_BUFFER_H_
#define SKEP_MODEL_SEQ_BUFFER_H_

#include <algorithm>
#include <cstddef>
#include <span>

namespace skep::model {

class SeqBuffer {
 public:
  explicit SeqBuffer(std::span<char> memory) : memory_(memory) {}

  bool overflowed() const { return count_ == memory_.size(); }
  // Where the next text goes.
  std::span<char> rest() const { return memory_.subspan(count_); }
  // `length` bytes were to be written there, of which what fits was.
  void Advance(size_t length) {
    count_ = length < rest().size() ? count_ + length : memory_.size();
  }
  void Write(std::span<const char> bytes) {
    if (bytes.size() < rest().size()) std::copy(bytes.begin(), bytes.end(), rest().begin());
    Advance(bytes.size());
  }
  std::span<const char> text() const {
    return overflowed() ? std::span<const char>() : memory_.first(count_);
  }

 private:
  std::span<char> memory_;
  size_t count_ = 0;
};

}  // namespace skep::model

#endif  // SKEP_MODEL_SEQ_BUFFER_H_
