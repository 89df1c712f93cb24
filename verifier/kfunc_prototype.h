// SPDX-License-Identifier: Apache-2.0
// KfuncPrototype: what a kernel function takes and returns, read from the
// kernel's BTF. What Linux tells by an argument's type or by the suffix of its
// name is found out here; what depends on the register passed is left to the
// call (kfunc_arguments.cc).
//
// Threads: pure functions over values.

#ifndef SKEP_VERIFIER_KFUNC_PROTOTYPE_H_
#define SKEP_VERIFIER_KFUNC_PROTOTYPE_H_

#include <array>
#include <cstdint>
#include <string_view>

#include "skep/program_type.h"

#include "verifier/kfuncs.h"

namespace skep::btf {
class Btf;
}

namespace skep::verifier {

struct KfuncArg {
  enum class Kind : uint8_t {
    kScalar,
    kIgnored,  // __ign: not looked at; __prog: filled in by the kernel
    kContext,
    kAllocated,   // __alloc: made by bpf_obj_new
    kRefcounted,  // __refcounted_kptr
    kDynptr,
    kIterator,
    kListHead,
    kListNode,
    kRbRoot,
    kRbNode,
    kConstString,  // __str
    kMap,          // __map
    kWorkqueue,
    kTimer,
    kTaskWork,
    kIrqFlag,  // __irq_flag
    kResSpinLock,
    kFunction,  // a callback
    kPointer,   // to an object, if that is what the register holds; to memory if not
    kOther,     // neither number nor pointer
  };
  Kind kind = Kind::kScalar;
  bool constant = false;                 // kScalar: __k
  bool read_only_size = false;           // kScalar: rdonly_buf_size, the size of the result
  bool read_write_size = false;          // kScalar: rdwr_buf_size
  bool size_of_before = false;           // kScalar: __sz
  bool constant_size_of_before = false;  // kScalar: __szk
  bool nullable = false;                 // __nullable
  bool optional = false;                 // __opt
  bool uninitialised = false;            // __uninit
  uint32_t type = 0;                     // of the parameter
  uint32_t pointee = 0;                  // pointers: what is pointed to, modifiers skipped
};

struct KfuncPrototype {
  const KfuncSpec* spec = nullptr;  // null: Linux does not let programs call it
  std::string_view name;
  uint32_t id = 0;
  uint32_t argument_count = 0;  // may exceed 5; then only the first 5 are in `arguments`
  std::array<KfuncArg, 5> arguments;
  uint32_t returns = 0;  // modifiers skipped; 0 for void
};

// The prototype of the function with BTF id `id` for programs of type `type`.
// `spec` is null and the name empty if `id` is no function of `btf`.
KfuncPrototype ReadKfuncPrototype(const btf::Btf& btf, uint32_t id, ProgramTypeId type);

// The specification alone; null as there.
const KfuncSpec* FindKfuncById(const btf::Btf* btf, uint32_t id);

// Whether a pointer to `pointee` is what programs of this type call their context.
bool IsContextOf(ProgramTypeId type, const btf::Btf& btf, uint32_t pointee);
// The kernel's own type of the context, as bpf_cast_to_kern_ctx gives it; 0 if
// the context is none.
uint32_t KernelContextOf(ProgramTypeId type, const btf::Btf& btf);

// A struct of numbers (nested up to 4 deep), which may be handled as bytes.
bool IsScalarStruct(const btf::Btf& btf, uint32_t id);
// int, char, enum ...
bool IsScalarType(const btf::Btf& btf, uint32_t id);

}  // namespace skep::verifier

#endif  // SKEP_VERIFIER_KFUNC_PROTOTYPE_H_
