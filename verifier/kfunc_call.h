// SPDX-License-Identifier: Apache-2.0
// What a call of a kernel function has told so far while its arguments are
// checked in order.
//
// Threads: a value, used by one Verifier.

#ifndef SKEP_VERIFIER_KFUNC_CALL_H_
#define SKEP_VERIFIER_KFUNC_CALL_H_

#include <cstdint>

#include "verifier/kfunc_prototype.h"
#include "verifier/special_fields.h"

namespace skep::verifier {

struct KfuncCall {
  const KfuncPrototype* prototype = nullptr;
  uint32_t reference = 0;     // ref_id of the argument that has one
  int release_register = -1;  // of a release function: the argument it releases
  bool has_constant = false;  // a __k or __szk argument
  uint64_t constant = 0;
  uint32_t result_size = 0;  // of memory that is returned, if an argument says it
  bool result_read_only = false;
  uint32_t callback = 0;  // the subprogram
  bool has_map = false;
  uint32_t map = 0;
  uint32_t map_uid = 0;
  bool owning = false;        // the refcounted argument is an owning reference
  uint32_t object_btf = 0;    // the object argument: as in Register::btf
  uint32_t object_type = 0;   // its struct
  uint32_t context_type = 0;  // bpf_cast_to_kern_ctx
  // The dynptr that the call reads.
  uint32_t dynptr = 0;
  uint32_t dynptr_ref = 0;
  uint16_t dynptr_flags = 0;
  bool has_root = false;
  SpecialField root;  // the list or tree argument
  // The iterator argument of next and destroy.
  uint32_t iterator_frame = 0;
  uint32_t iterator_slot = 0;

  const KfuncSpec& spec() const { return *prototype->spec; }
  bool Is(Kfunc id) const { return spec().id == id; }
  bool Has(uint32_t flag) const { return spec().Has(flag); }
};

}  // namespace skep::verifier

#endif  // SKEP_VERIFIER_KFUNC_CALL_H_
