// SPDX-License-Identifier: Apache-2.0
// Dynptr: what the 16 bytes of a program's struct bpf_dynptr hold: a run of
// bytes whose bounds are checked at run time. The verifier keeps programs from
// reading and writing them; the checked engine takes no dynptr on trust and
// looks whether what it says is memory of the run.
//
// Threads: one run's.

#ifndef SKEP_MODEL_DYNPTR_H_
#define SKEP_MODEL_DYNPTR_H_

#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace skep::model {

struct Dynptr {
  enum class Kind : uint32_t { kNull = 0, kLocal = 1, kRingbuf = 2, kSkb = 3, kXdp = 4 };

  static constexpr uint32_t kMaxSize = (1u << 24) - 1;
  static constexpr uint32_t kReadOnly = 1u << 31;
  static constexpr uint32_t kKindShift = 28;

  uint64_t data = 0;       // the memory that `offset` counts from; for packets the context
  uint32_t size_bits = 0;  // size | Kind << kKindShift | kReadOnly
  uint32_t offset = 0;

  static Dynptr Make(Kind kind, uint64_t data, uint32_t size, bool read_only = false) {
    return {data, size | static_cast<uint32_t>(kind) << kKindShift | (read_only ? kReadOnly : 0),
            0};
  }
  static Dynptr& At(uint64_t address) { return *reinterpret_cast<Dynptr*>(address); }

  bool is_null() const { return data == 0; }
  bool read_only() const { return (size_bits & kReadOnly) != 0; }
  uint32_t size() const { return size_bits & kMaxSize; }
  Kind kind() const { return static_cast<Kind>(size_bits >> kKindShift & 7); }
  bool is_packet() const { return kind() == Kind::kSkb || kind() == Kind::kXdp; }
  void set_size(uint32_t size) { size_bits = (size_bits & ~kMaxSize) | size; }
  // REQUIRES: not a packet's.
  std::byte* bytes() const { return reinterpret_cast<std::byte*>(data) + offset; }

  // 0, or -E2BIG if `length` bytes at `at` are not all inside.
  int CheckRange(uint64_t at, uint64_t length) const {
    return length > size() || at > size() - length ? -E2BIG : 0;
  }
};
static_assert(sizeof(Dynptr) == 16);

}  // namespace skep::model

#endif  // SKEP_MODEL_DYNPTR_H_
