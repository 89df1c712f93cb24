// SPDX-License-Identifier: Apache-2.0
// Memory accesses of programs. The memory model: a load or store is a relaxed
// atomic of its width when aligned, and may tear when it is not. One machine
// instruction either way on x86-64 and arm64.

#ifndef SKEP_BASE_MEMORY_ACCESS_H_
#define SKEP_BASE_MEMORY_ACCESS_H_

#include <cstdint>

namespace skep {

// Any object may be accessed through it, as memory of a program is untyped.
template <class T>
using Untyped __attribute__((may_alias)) = T;

// The builtins compile to a plain move whatever the alignment; a C++ dereference
// of a misaligned pointer would be undefined.
template <class T>
inline T LoadRelaxed(uint64_t address) {
  return __atomic_load_n(reinterpret_cast<Untyped<T>*>(address), __ATOMIC_RELAXED);
}
template <class T>
inline void StoreRelaxed(uint64_t address, T value) {
  __atomic_store_n(reinterpret_cast<Untyped<T>*>(address), value, __ATOMIC_RELAXED);
}
template <class T>
inline T LoadAcquire(uint64_t address) {
  return __atomic_load_n(reinterpret_cast<Untyped<T>*>(address), __ATOMIC_ACQUIRE);
}
template <class T>
inline void StoreRelease(uint64_t address, T value) {
  __atomic_store_n(reinterpret_cast<Untyped<T>*>(address), value, __ATOMIC_RELEASE);
}

}  // namespace skep

#endif  // SKEP_BASE_MEMORY_ACCESS_H_
