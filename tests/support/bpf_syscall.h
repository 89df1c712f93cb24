// SPDX-License-Identifier: Apache-2.0
// The running kernel's maps and programs, by bare bpf(2), as the oracle of
// tests. All calls return the kernel's result, or -errno.

#ifndef SKEP_TESTS_SUPPORT_BPF_SYSCALL_H_
#define SKEP_TESTS_SUPPORT_BPF_SYSCALL_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "skep/insn.h"
#include "skep/map_spec.h"

namespace skep::test {

// Why the kernel cannot be asked; empty if it can.
std::string WhyNoKernel();
// True if the kernel is at least this release.
bool KernelIsAtLeast(int major, int minor);
// The kernel's number of possible CPUs.
uint32_t PossibleCpus();

// A file descriptor that closes itself; negative: -errno.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Fd& operator=(Fd&&) = delete;
  ~Fd();
  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }

 private:
  int fd_;
};

// `inner` is used by maps of maps; `btf`, what KernelBtfLoad gave, with the spec's
// types of keys and values.
Fd KernelMapCreate(const MapSpec& spec, int inner = 0, int btf = 0);
int KernelMapLookup(const Fd& map, const void* key, void* value, uint64_t flags = 0);
int KernelMapUpdate(const Fd& map, const void* key, const void* value, uint64_t flags = 0);
int KernelMapDelete(const Fd& map, const void* key);
int KernelMapNextKey(const Fd& map, const void* key, void* next);
int KernelMapLookupAndDelete(const Fd& map, const void* key, void* value, uint64_t flags = 0);
int KernelMapFreeze(const Fd& map);
// `command`: BPF_MAP_LOOKUP_BATCH is 24, then lookup and delete, update, delete.
struct KernelBatch {
  const void* in = nullptr;
  void* out = nullptr;
  const void* keys = nullptr;
  const void* values = nullptr;
  uint32_t count = 0;  // changed by the call
  uint64_t elem_flags = 0;
};
int KernelMapBatch(int command, const Fd& map, KernelBatch* batch);
// The id of a map or program.
uint32_t KernelObjectId(const Fd& object);

// What the tests of helpers need of instructions.
using Insns = std::vector<Insn>;
Insns Mov(int dst, int32_t value);
Insns MovReg(int dst, int src);
Insns AddImm(int dst, int32_t value);
Insns LoadWide(int dst, uint64_t value);
Insns LoadMap(int dst, const Fd& map);
Insns LoadMapValue(int dst, const Fd& map, uint32_t offset);
Insns StoreReg(int base, int16_t offset, int src);
Insns CallHelper(int32_t id);
Insns Exit();
Insns Join(std::initializer_list<Insns> parts);

// Types (BTF), from the bytes of an object's .BTF section.
Fd KernelBtfLoad(std::span<const std::byte> btf);

// Where a function starts, and its BTF_KIND_FUNC.
struct FunctionInfo {
  uint32_t insn = 0;
  uint32_t type = 0;
};

struct LoadOptions {
  uint32_t attach_type = 0;
  int btf = 0;                                   // what KernelBtfLoad gave; 0 for none
  std::span<const FunctionInfo> functions = {};  // all of them, if there is BTF
  uint32_t flags = 0;                            // BPF_F_SLEEPABLE, ...
  std::span<const int> fd_array = {};
  uint32_t attach_btf_id = 0;  // in the kernel's own types
  // 1: why the program is refused; 2: every instruction; 4: the counts alone.
  uint32_t log_level = 1;
  size_t log_size = size_t{1} << 16;  // a longer log fails with -ENOSPC
};
// Without `log` the kernel writes none.
Fd KernelProgramLoad(uint32_t type, std::span<const Insn> insns, std::string* log = nullptr,
                     const LoadOptions& options = {});
// BPF_PROG_TEST_RUN on the packet, at least 14 bytes, or on 64 zeros; r0's low
// half goes to `result`.
int KernelProgramRun(const Fd& program, std::span<const uint8_t> packet, uint32_t* result);
int KernelProgramRun(const Fd& program, uint32_t* result);
// BPF_PROG_TEST_RUN with all that goes in and out; empty spans are not given.
struct RunInput {
  std::span<const std::byte> data = {};
  std::span<std::byte> data_out = {};
  std::span<const std::byte> context = {};
};
int KernelProgramRun(const Fd& program, const RunInput& input, uint32_t* result);
// Attaches a tracing program to what it was loaded for, until the result closes.
Fd KernelAttachTracing(const Fd& program);

}  // namespace skep::test

#endif  // SKEP_TESTS_SUPPORT_BPF_SYSCALL_H_
