// SPDX-License-Identifier: Apache-2.0
// RunIterator: an iterator program (section iter/...) over one object of the host,
// and what it prints of it.
//
// Threads: as Executable::Run.

#ifndef SKEP_ITERATOR_H_
#define SKEP_ITERATOR_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "skep/engine.h"
#include "skep/export.h"

namespace skep {

struct IteratorInput {
  // What follows `meta` in the program's context: addresses of the host's objects,
  // laid out as the types say that the program was relocated against. At most 11;
  // Linux ends an iteration with one run over null objects.
  std::span<const uint64_t> objects;
  uint64_t session = 0;    // bpf_iter_meta.session_id
  uint64_t sequence = 0;   // bpf_iter_meta.seq_num: the number of the object
  size_t room = 8 * 4096;  // bytes that one run may print, as in Linux
};

// Appends what the program printed to `text`: nothing if it was more than there is
// room for, which the program sees as -EOVERFLOW. A return value of 1 asks for
// another run over the same object. Programs of other kinds trap with kBadCall.
SKEP_EXPORT RunResult RunIterator(const Executable& executable, ExecutionContext& context,
                                  const IteratorInput& input, std::string& text) noexcept;

}  // namespace skep

#endif  // SKEP_ITERATOR_H_
