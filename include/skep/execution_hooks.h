// SPDX-License-Identifier: Apache-2.0
// ExecutionHooks: what a host may put in the place of the process's own clock,
// identity and memory; and Invocation: how a program was called.
//
// Threads: as the ExecutionContext that holds them.

#ifndef SKEP_EXECUTION_HOOKS_H_
#define SKEP_EXECUTION_HOOKS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace skep {

namespace btf {
class Btf;
}  // namespace btf

// What the perf helpers give: struct bpf_perf_event_value.
struct PerfValue {
  uint64_t counter = 0;
  uint64_t enabled = 0;
  uint64_t running = 0;
};

// Each is called on the running thread, must not throw, and must not run
// programs on the same context. Results are 0 or more, or -errno. What an empty
// hook means is said beside it.
struct ExecutionHooks {
  // A line that bpf_trace_printk printed, without a newline added. Empty: the
  // line is dropped.
  std::function<void(std::string_view)> trace{};
  // Nanoseconds of the given clockid_t. Empty: clock_gettime.
  std::function<uint64_t(int)> clock{};

  // ---- who runs -------------------------------------------------------------
  // tgid << 32 | pid. Empty: this process and thread.
  std::function<uint64_t()> pid_tgid{};
  // gid << 32 | uid. Empty: those of the process.
  std::function<uint64_t()> uid_gid{};
  // The name of the task; more than 15 characters are cut. Empty: the thread's name.
  std::function<std::string()> comm{};
  // The address of what the host has for the current task, for
  // bpf_get_current_task, as key of task_storage and for bpf_copy_from_user_task;
  // programs read it by probe_read_kernel, laid out as the types say that they were
  // relocated against. Empty: a value for each thread that is no address.
  std::function<uint64_t()> current_task{};
  // The id of the cgroup: of the current task's ancestor at `level`, or its own
  // for a level of -1; 0 if there is none. Empty: 0.
  std::function<uint64_t(int level)> cgroup_id{};
  // The class of the task's network cgroup. Empty: 0, which means no class.
  std::function<uint32_t()> cgroup_classid{};

  // ---- what reaches out of the run ------------------------------------------
  // bpf_send_signal (to_thread: bpf_send_signal_thread). Empty: -EPERM; no
  // program signals anything unless the host says how.
  std::function<int(uint32_t signal, bool to_thread)> send_signal{};
  // bpf_probe_write_user. Empty: -EPERM; no program writes to memory of the host
  // that it was not given.
  std::function<int(uint64_t address, std::span<const std::byte> bytes)> write_memory{};
  // bpf_copy_from_user_task: memory at an address of a task, into `out`; returns 0
  // or -errno. Empty: memory of this process for the current task, -EFAULT for others.
  std::function<int(uint64_t task, uint64_t address, std::span<std::byte> out)> task_memory{};
  // Return addresses of the code that was running, innermost first, into `out`;
  // returns how many, or -errno. Empty: -EFAULT, as Linux without a stack.
  std::function<int(std::span<uint64_t> out, bool user)> stack{};
  // The counter in slot `index` of a perf event array named `map`. Empty: -ENOENT,
  // as Linux gives for an empty slot.
  std::function<int(std::string_view map, uint64_t index, PerfValue& out)> perf_read{};
  // The counter of the event that runs a perf_event program. Empty: -EINVAL.
  std::function<int(PerfValue& out)> perf_self{};
  // Branch records of the processor, into `out`; returns how many bytes, or
  // -errno. Empty: -ENOENT, as Linux on processors without them.
  std::function<int(std::span<std::byte> out)> branches{};
  // bpf_sys_bpf: the command and its attributes. Empty: -EPERM.
  std::function<int(uint32_t command, std::span<const std::byte> attributes)> sys_bpf{};
  // bpf_sys_close. Empty: -EPERM; descriptors are the host's.
  std::function<int(int fd)> sys_close{};
  // The types that ids of bpf_snprintf_btf count (skep/btf.h). Null: -EINVAL, as
  // Linux without types of its own.
  std::shared_ptr<const btf::Btf> types{};
  // bpf_btf_find_by_name_kind: the id of the type. Empty: -ENOENT.
  std::function<int64_t(std::string_view name, uint32_t kind)> find_type{};
  // bpf_kallsyms_lookup_name: the address of the symbol. Empty: -EPERM, as Linux
  // for those who may not see addresses.
  std::function<int(std::string_view name, uint64_t& address)> find_symbol{};
};

// How the program was called: what helpers tell about it, and what they leave
// behind. The host sets it before a run and reads it afterwards; runs do not
// clear it.
struct Invocation {
  uint64_t ip = 0;      // bpf_get_func_ip: what is traced
  uint64_t cookie = 0;  // bpf_get_attach_cookie
  // bpf_get_retval: what the hook returns so far, 0 or -errno. bpf_set_retval
  // replaces it.
  int32_t retval = 0;
  // What bpf_override_return asked for; empty if it was not called.
  std::optional<uint64_t> override_return{};
};

}  // namespace skep

#endif  // SKEP_EXECUTION_HOOKS_H_
