// SPDX-License-Identifier: Apache-2.0
// bpf(2) with definitions of our own: system headers are older than the kernels
// that programs run on. Layouts as in Linux 6.18, uapi/linux/bpf.h (union
// bpf_attr); the kernel takes what is longer than it knows as long as it is zero.
//
// Threads: values and pure functions.

#ifndef SKEP_KERNEL_BPF_SYSCALL_H_
#define SKEP_KERNEL_BPF_SYSCALL_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "skep/result.h"

namespace skep::kernel {

enum class Command : int {
#define SKEP_COMMAND(name, number, text, backend) k##name = number,
#include "kernel/commands.def"
};

struct MapCreateAttr {
  uint32_t map_type, key_size, value_size, max_entries, map_flags, inner_map_fd, numa_node;
  char map_name[16];
  uint32_t map_ifindex, btf_fd, btf_key_type_id, btf_value_type_id, btf_vmlinux_value_type_id;
  uint64_t map_extra;
};
static_assert(sizeof(MapCreateAttr) == 72);

struct MapElementAttr {
  uint32_t map_fd, padding;
  uint64_t key, value, flags;  // value is next_key for kMapGetNextKey
};
static_assert(sizeof(MapElementAttr) == 32);

struct ProgLoadAttr {
  uint32_t prog_type, insn_cnt;
  uint64_t insns, license;
  uint32_t log_level, log_size;
  uint64_t log_buf;
  uint32_t kern_version, prog_flags;
  char prog_name[16];
  uint32_t prog_ifindex, expected_attach_type, prog_btf_fd, func_info_rec_size;
  uint64_t func_info;
  uint32_t func_info_cnt, line_info_rec_size;
  uint64_t line_info;
  uint32_t line_info_cnt, attach_btf_id;
};
static_assert(sizeof(ProgLoadAttr) == 112);

// prog_flags
inline constexpr uint32_t kSleepable = 1u << 4;

struct FuncInfo {
  uint32_t insn_off, type_id;
};
struct LineInfo {
  uint32_t insn_off, file_name_off, line_off, line_col;  // line << 10 | column
};

struct BtfLoadAttr {
  uint64_t btf, btf_log_buf;
  uint32_t btf_size, btf_log_size, btf_log_level, btf_log_true_size;
};
static_assert(sizeof(BtfLoadAttr) == 32);

struct TestRunAttr {
  uint32_t prog_fd, retval, data_size_in, data_size_out;
  uint64_t data_in, data_out;
  uint32_t repeat, duration, ctx_size_in, ctx_size_out;
  uint64_t ctx_in, ctx_out;
  uint32_t flags, cpu, batch_size, padding;
};
static_assert(sizeof(TestRunAttr) == 80);

// A file descriptor that closes itself.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd();
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// Returns the call's result, a descriptor or 0, or -errno. Repeats calls that
// the kernel asks to repeat.
int Bpf(Command command, void* attr, uint32_t size);
template <class Attr>
int Bpf(Command command, Attr& attr) {
  return Bpf(command, &attr, sizeof attr);
}

inline uint64_t Address(const void* p) { return reinterpret_cast<uintptr_t>(p); }

// At most 15 bytes, of those that Linux allows in names.
void CopyName(std::string_view name, char (&out)[16]);

// "bpf(BPF_PROG_LOAD): Operation not permitted; the kernel backend needs root or
// CAP_BPF ..."; `error` is positive.
Error SystemError(Command command, int error);

}  // namespace skep::kernel

#endif  // SKEP_KERNEL_BPF_SYSCALL_H_
