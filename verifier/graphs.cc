// SPDX-License-Identifier: Apache-2.0
// Lists and trees of the program's own objects.

#include "verifier/verifier.h"

namespace skep::verifier {

// In the callback that orders a tree, or in what it calls.
bool Verifier::InGraphCallback() const {
  const State& s = *current_;
  for (uint32_t f = s.depth; f > 0; --f) {
    if (!s.frames[f]->in_callback) continue;
    const KfuncSpec* spec = info(s.frames[f]->callsite).kfunc;
    if (spec != nullptr && spec->name.starts_with("bpf_rbtree_")) return true;
  }
  return false;
}

}  // namespace skep::verifier
