// SPDX-License-Identifier: Apache-2.0
// Helpers whose results depend on the process: clocks, identity, callbacks, and
// what they hand to hooks.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "skep/btf.h"
#include "skep/helper.h"
#include "skep/runtime.h"

#include "helpers/functions.h"
#include "model/execution_layout.h"
#include "tests/support/bpf_syscall.h"

namespace skep {
namespace {

class RuntimeHelpers : public testing::Test {
 protected:
  uint64_t Call(HelperFunction helper, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0,
                uint64_t d = 0, uint64_t e = 0) {
    return helper(a, b, c, d, e, *context_);
  }
  static uint64_t Address(const void* p) { return reinterpret_cast<uint64_t>(p); }

  EpochDomain domain_;
  std::unique_ptr<ExecutionContext> context_ = model::ExecutionLayout::Create(3, domain_, [] {});
};

uint64_t Now(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(t.tv_nsec);
}

TEST_F(RuntimeHelpers, ReadTheClocksTheyAreNamedFor) {
  const std::pair<HelperFunction, clockid_t> clocks[] = {
      {&helpers::KtimeGetNs, CLOCK_MONOTONIC},
      {&helpers::KtimeGetBootNs, CLOCK_BOOTTIME},
      {&helpers::KtimeGetCoarseNs, CLOCK_MONOTONIC_COARSE},
      {&helpers::KtimeGetTaiNs, CLOCK_TAI}};
  for (const auto& [helper, clock] : clocks) {
    const uint64_t before = Now(clock);
    const uint64_t time = Call(helper);
    EXPECT_LE(before, time);
    EXPECT_LE(time, Now(clock));
  }
  // A host's clock takes their place.
  context_->set_hooks(
      {.clock = [](int clock) { return uint64_t{1000} + static_cast<uint64_t>(clock); }});
  for (const auto& [helper, clock] : clocks) {
    EXPECT_EQ(Call(helper), 1000u + static_cast<uint64_t>(clock));
  }
}

TEST_F(RuntimeHelpers, CountJiffiesAsTheKernel) {
  if (const std::string why = test::WhyNoKernel(); !why.empty()) GTEST_SKIP() << why;
  const test::Fd program =
      test::KernelProgramLoad(1, test::Join({test::CallHelper(118), test::Exit()}));
  ASSERT_TRUE(program.ok());
  uint32_t kernel = 0;
  ASSERT_EQ(test::KernelProgramRun(program, &kernel), 0);
  // Same start and same tick. Early in the boot the kernel's counter and its
  // clock do not run together yet, so they differ by a fraction of a second.
  const auto difference =
      static_cast<int32_t>(static_cast<uint32_t>(Call(&helpers::Jiffies64)) - kernel);
  EXPECT_LT(std::abs(difference), 1500);
}

TEST_F(RuntimeHelpers, SayWhoRuns) {
  const uint64_t ids = Call(&helpers::GetCurrentPidTgid);
  EXPECT_EQ(ids >> 32, static_cast<uint64_t>(getpid()));
  EXPECT_EQ(static_cast<uint32_t>(ids), static_cast<uint32_t>(gettid()));
  EXPECT_EQ(Call(&helpers::GetCurrentUidGid), uint64_t{getgid()} << 32 | getuid());
  EXPECT_EQ(Call(&helpers::GetSmpProcessorId), 3u);
}

TEST_F(RuntimeHelpers, SayOnWhichNodeTheThreadRuns) {
  unsigned cpu = 0, before = 0, after = 1;
  uint64_t node = 0;
  for (int i = 0; i < 100 && before != after; ++i) {  // the thread may move in between
    ASSERT_EQ(getcpu(&cpu, &before), 0);
    node = Call(&helpers::GetNumaNodeId);
    ASSERT_EQ(getcpu(&cpu, &after), 0);
  }
  EXPECT_EQ(node, before);
}

TEST_F(RuntimeHelpers, CutAndPadTheNameOfTheThread) {
  char before[16] = {};
  prctl(PR_GET_NAME, before);
  prctl(PR_SET_NAME, "bee");
  std::array<char, 20> name;
  name.fill('x');
  EXPECT_EQ(Call(&helpers::GetCurrentComm, Address(name.data()), 8), 0u);
  EXPECT_EQ(std::string(name.data(), 9), std::string("bee\0\0\0\0\0x", 9));
  EXPECT_EQ(Call(&helpers::GetCurrentComm, Address(name.data()), 3), 0u);
  EXPECT_EQ(std::string(name.data(), 3), std::string("be\0", 3));
  prctl(PR_SET_NAME, before);
}

TEST_F(RuntimeHelpers, GiveTraceLinesToTheHook) {
  std::vector<std::string> lines;
  context_->set_hooks({.trace = [&](std::string_view line) { lines.emplace_back(line); }});
  const char format[] = "%d of %s\n";
  EXPECT_EQ(Call(&helpers::TracePrintk, Address(format), sizeof format, 3, Address("seven")), 11u);
  const uint64_t arguments[] = {1, Address("two")};
  EXPECT_EQ(Call(&helpers::TraceVprintk, Address(format), sizeof format, Address(arguments), 16),
            9u);
  EXPECT_EQ(lines, (std::vector<std::string>{"3 of seven\n", "1 of two\n"}));
  EXPECT_EQ(static_cast<int64_t>(Call(&helpers::TraceVprintk, Address(format), sizeof format,
                                      Address(arguments), 12)),
            -EINVAL);
}

TEST_F(RuntimeHelpers, PrintNothingForAddressesThatCannotBeRead) {
  const char format[] = "<%s>";
  char text[32];
  for (const uint64_t address : {uint64_t{0}, uint64_t{8}, ~uint64_t{0}, uint64_t{1} << 63}) {
    EXPECT_EQ(
        Call(&helpers::Snprintf, Address(text), sizeof text, Address(format), Address(&address), 8),
        3u);
    EXPECT_STREQ(text, "<>");
  }
}

// The engine's side of a callback: counts calls and stops at the third.
uint64_t StopAtThree(ExecutionContext& context, uint64_t function, uint64_t index,
                     uint64_t argument, uint64_t, uint64_t, uint64_t) noexcept {
  EXPECT_EQ(function, 77u);
  ++*reinterpret_cast<uint64_t*>(argument);
  if (index == 6) context.Stop(TrapCode::kBudget, "");
  return index == 2 ? 1 : 0;
}

TEST_F(RuntimeHelpers, LoopRunsUntilTheCallbackStopsIt) {
  model::ExecutionLayout::call(*context_) = &StopAtThree;
  uint64_t calls = 0;
  EXPECT_EQ(Call(&helpers::Loop, 2, 77, Address(&calls)), 2u);
  EXPECT_EQ(Call(&helpers::Loop, 10, 77, Address(&calls)), 3u);
  EXPECT_EQ(calls, 5u);
  EXPECT_EQ(Call(&helpers::Loop, 0, 77, Address(&calls)), 0u);
  EXPECT_EQ(static_cast<int64_t>(Call(&helpers::Loop, (1u << 23) + 1, 77, 0)), -E2BIG);
  EXPECT_EQ(static_cast<int64_t>(Call(&helpers::Loop, 1, 77, 0, 1)), -EINVAL);
}

// ---- what the host says --------------------------------------------------------

int64_t Signed(uint64_t value) { return static_cast<int64_t>(value); }

TEST_F(RuntimeHelpers, SayWhatTheHostSaysOfIdentity) {
  context_->set_hooks({.pid_tgid = [] { return uint64_t{7} << 32 | 9; },
                       .uid_gid = [] { return uint64_t{11}; },
                       .comm = [] { return std::string("a name of more than 16 bytes"); },
                       .cgroup_id = [](int level) { return static_cast<uint64_t>(100 + level); },
                       .cgroup_classid = [] { return 5u; }});
  EXPECT_EQ(Call(&helpers::GetCurrentPidTgid), uint64_t{7} << 32 | 9);
  EXPECT_EQ(Call(&helpers::GetCurrentUidGid), 11u);
  char name[20];
  EXPECT_EQ(Call(&helpers::GetCurrentComm, Address(name), sizeof name), 0u);
  EXPECT_STREQ(name, "a name of more ");
  EXPECT_EQ(Call(&helpers::GetCurrentCgroupId), 99u);
  EXPECT_EQ(Call(&helpers::GetCurrentAncestorCgroupId, 3), 103u);
  EXPECT_EQ(Call(&helpers::GetCurrentAncestorCgroupId, ~uint64_t{0}), 0u);
  EXPECT_EQ(Call(&helpers::GetCgroupClassid), 5u);
}

// Nothing reaches out of a run unless the host says how.
TEST_F(RuntimeHelpers, ReachOutOfTheRunOnlyThroughTheHost) {
  uint64_t target = 1;
  const uint64_t value = 2;
  EXPECT_EQ(Signed(Call(&helpers::SendSignal, 9)), -EPERM);
  EXPECT_EQ(Signed(Call(&helpers::SendSignalThread, 9)), -EPERM);
  EXPECT_EQ(Signed(Call(&helpers::ProbeWriteUser, Address(&target), Address(&value), 8)), -EPERM);
  EXPECT_EQ(target, 1u);
  EXPECT_EQ(Signed(Call(&helpers::SysBpf, 0, Address(&value), 8)), -EPERM);
  EXPECT_EQ(Signed(Call(&helpers::SysClose, 3)), -EPERM);
  const char symbol[] = "jiffies";
  EXPECT_EQ(Signed(Call(&helpers::KallsymsLookupName, Address(symbol), sizeof symbol, 0,
                        Address(&target))),
            -EPERM);
  EXPECT_EQ(target, 0u);
  EXPECT_EQ(Signed(Call(&helpers::BtfFindByNameKind, Address(symbol), sizeof symbol, 4)), -ENOENT);

  std::vector<std::pair<uint32_t, bool>> signals;
  context_->set_hooks(
      {.send_signal =
           [&](uint32_t signal, bool to_thread) {
             signals.emplace_back(signal, to_thread);
             return 0;
           },
       .write_memory =
           [](uint64_t address, std::span<const std::byte> bytes) {
             std::memcpy(reinterpret_cast<void*>(address), bytes.data(), bytes.size());
             return 0;
           },
       .sys_close = [](int fd) { return -fd; },
       .find_type = [](std::string_view name,
                       uint32_t kind) { return static_cast<int64_t>(name.size() + kind); },
       .find_symbol =
           [](std::string_view name, uint64_t& address) {
             address = name.size();
             return 0;
           }});
  EXPECT_EQ(Call(&helpers::SendSignal, 9), 0u);
  EXPECT_EQ(Call(&helpers::SendSignalThread, 10), 0u);
  EXPECT_EQ(signals, (std::vector<std::pair<uint32_t, bool>>{{9, false}, {10, true}}));
  EXPECT_EQ(Call(&helpers::ProbeWriteUser, Address(&target), Address(&value), 8), 0u);
  EXPECT_EQ(target, 2u);
  EXPECT_EQ(Signed(Call(&helpers::SysClose, 3)), -3);
  EXPECT_EQ(Call(&helpers::BtfFindByNameKind, Address(symbol), sizeof symbol, 4), 11u);
  EXPECT_EQ(Call(&helpers::KallsymsLookupName, Address(symbol), sizeof symbol, 0, Address(&target)),
            0u);
  EXPECT_EQ(target, 7u);
  EXPECT_EQ(Signed(Call(&helpers::KallsymsLookupName, Address(symbol), 3, 0, Address(&target))),
            -EINVAL);
}

TEST_F(RuntimeHelpers, CutStacksAsLinuxDoes) {
  uint64_t out[4] = {9, 9, 9, 9};
  EXPECT_EQ(Signed(Call(&helpers::GetStack, 0, Address(out), 32, 0)), -EFAULT);
  EXPECT_EQ(out[0], 0u);
  context_->set_hooks({.stack = [](std::span<uint64_t> to, bool user) {
    const uint64_t frames[] = {10, 11, 12, user ? 13u : 14u};
    const size_t n = std::min<size_t>(to.size(), 4);
    std::copy_n(frames, n, to.begin());
    return static_cast<int>(n);
  }});
  EXPECT_EQ(Call(&helpers::GetStack, 0, Address(out), 24, 1 | 256), 24u);
  EXPECT_EQ((std::vector<uint64_t>(out, out + 3)), (std::vector<uint64_t>{11, 12, 13}));
  EXPECT_EQ(Call(&helpers::GetStack, 0, Address(out), 32, 2), 16u);
  EXPECT_EQ((std::vector<uint64_t>(out, out + 4)), (std::vector<uint64_t>{12, 14, 0, 0}));
  EXPECT_EQ(Signed(Call(&helpers::GetStack, 0, Address(out), 32, 5)), -EFAULT);
  EXPECT_EQ(Signed(Call(&helpers::GetStack, 0, Address(out), 31, 0)), -EINVAL);
  EXPECT_EQ(Signed(Call(&helpers::GetStack, 0, Address(out), 32, 1u << 11)), -EINVAL);
}

TEST_F(RuntimeHelpers, NumberStacksByTheirAddresses) {
  MapSpec spec;
  spec.type = MapType::kStackTrace;
  spec.name = "stacks";
  spec.key_size = 4;
  spec.value_size = 24;
  spec.max_entries = 1;
  auto runtime = *Runtime::Create({});
  const auto map = *runtime->CreateMap(spec);
  const auto id = [&](uint64_t flags) {
    return Signed(Call(&helpers::GetStackid, 0, Address(map.get()), flags));
  };
  EXPECT_EQ(id(0), -EFAULT) << "no host tells of stacks";
  EXPECT_EQ(id(1u << 11), -EINVAL);
  std::vector<uint64_t> frames = {10, 11, 12, 13};
  context_->set_hooks({.stack = [&](std::span<uint64_t> to, bool) {
    const size_t n = std::min(to.size(), frames.size());
    std::copy_n(frames.begin(), n, to.begin());
    return static_cast<int>(n);
  }});
  const auto held = [&] {
    const uint32_t key = 0;
    std::array<uint64_t, 3> out{};
    const int found = map->HostLookup(reinterpret_cast<const std::byte*>(&key),
                                      reinterpret_cast<std::byte*>(out.data()));
    return found == 0 ? out : std::array<uint64_t, 3>{};
  };
  // One bucket: every stack has the id 0.
  EXPECT_EQ(id(0), 0);
  EXPECT_EQ(held(), (std::array<uint64_t, 3>{10, 11, 12}));
  EXPECT_EQ(id(0), 0) << "the same stack again";
  EXPECT_EQ(id(2), -EEXIST) << "another one";
  EXPECT_EQ(id(2 | 1u << 10), 0) << "which may take its place";
  EXPECT_EQ(held(), (std::array<uint64_t, 3>{12, 13, 0}));
  EXPECT_EQ(id(4), -EFAULT) << "none is left";
}

TEST_F(RuntimeHelpers, CopyMemoryOfTasksThatTheHostKnows) {
  const uint64_t word = 77;
  uint64_t out = 9;
  const auto copy = [&](uint64_t task, uint64_t flags = 0) {
    return Signed(Call(&helpers::CopyFromUserTask, Address(&out), 8, Address(&word), task, flags));
  };
  EXPECT_EQ(copy(Call(&helpers::GetCurrentTask)), 0);
  EXPECT_EQ(out, 77u);
  EXPECT_EQ(copy(5), -EFAULT);
  EXPECT_EQ(out, 0u);
  EXPECT_EQ(copy(5, 1), -EINVAL);
  context_->set_hooks({.current_task = [] { return uint64_t{5}; },
                       .task_memory =
                           [](uint64_t task, uint64_t, std::span<std::byte> to) {
                             to[0] = static_cast<std::byte>(task);
                             return task == 6 ? 0 : -ESRCH;
                           }});
  EXPECT_EQ(Call(&helpers::GetCurrentTask), 5u);
  EXPECT_EQ(copy(6), 0);
  EXPECT_EQ(out, 6u);
  EXPECT_EQ(copy(5), -ESRCH);
  EXPECT_EQ(out, 0u);
}

TEST_F(RuntimeHelpers, ReadBranchRecordsOfTheHost) {
  std::array<std::byte, 48> out{};
  EXPECT_EQ(Signed(Call(&helpers::ReadBranchRecords, 0, Address(out.data()), 48, 0)), -ENOENT);
  context_->set_hooks({.branches = [](std::span<std::byte> to) {
    if (!to.empty()) to[0] = std::byte{3};
    return 72;
  }});
  EXPECT_EQ(Call(&helpers::ReadBranchRecords, 0, 0, 0, 1), 72u);
  EXPECT_EQ(Call(&helpers::ReadBranchRecords, 0, Address(out.data()), 48, 0), 48u);
  EXPECT_EQ(out[0], std::byte{3});
  EXPECT_EQ(Signed(Call(&helpers::ReadBranchRecords, 0, Address(out.data()), 47, 0)), -EINVAL);
  EXPECT_EQ(Signed(Call(&helpers::ReadBranchRecords, 0, Address(out.data()), 48, 2)), -EINVAL);
}

TEST_F(RuntimeHelpers, ReadCountersOfTheHost) {
  MapSpec spec;
  spec.type = MapType::kPerfEventArray;
  spec.name = "events";
  spec.key_size = spec.value_size = 4;
  spec.max_entries = 4;
  auto runtime = *Runtime::Create({});
  const auto map = *runtime->CreateMap(spec);
  const uint64_t events = Address(map.get());
  PerfValue value{9, 9, 9};
  const auto read_value = [&](uint64_t flags, uint64_t size = sizeof(PerfValue)) {
    return Signed(Call(&helpers::PerfEventReadValue, events, flags, Address(&value), size));
  };
  EXPECT_EQ(Signed(Call(&helpers::PerfEventRead, events, 0)), -ENOENT);
  EXPECT_EQ(read_value(0), -ENOENT);
  EXPECT_EQ(value.counter, 0u);  // zeroed with the error
  EXPECT_EQ(Signed(Call(&helpers::PerfProgReadValue, 0, Address(&value), sizeof value)), -EINVAL);
  context_->set_hooks({.perf_read =
                           [](std::string_view name, uint64_t index, PerfValue& out) {
                             out = {name.size() + index, 2, 3};
                             return 0;
                           },
                       .perf_self =
                           [](PerfValue& out) {
                             out = {5, 6, 7};
                             return 0;
                           }});
  EXPECT_EQ(Call(&helpers::PerfEventRead, events, 2), 8u);
  EXPECT_EQ(Call(&helpers::PerfEventRead, events, 0xffffffff), 9u);  // this CPU: slot 3
  EXPECT_EQ(Signed(Call(&helpers::PerfEventRead, events, 4)), -E2BIG);
  EXPECT_EQ(Signed(Call(&helpers::PerfEventRead, events, uint64_t{1} << 32)), -EINVAL);
  EXPECT_EQ(read_value(1), 0);
  EXPECT_EQ(value.counter, 7u);
  EXPECT_EQ(value.running, 3u);
  EXPECT_EQ(read_value(1, 16), -EINVAL);
  EXPECT_EQ(Call(&helpers::PerfProgReadValue, 0, Address(&value), sizeof value), 0u);
  EXPECT_EQ(value.enabled, 6u);
}

TEST_F(RuntimeHelpers, PrintValuesByTheHostsTypes) {
  // struct pair { int a; int b; };
  const std::string names("\0int\0pair\0a\0b", 14);
  const uint32_t types[] = {1, 0x01000000, 4, 0x01000020,                    // 1: int
                            5, 0x04000002, 8, 10,         1, 0, 12, 1, 32};  // 2: struct pair
  struct {
    uint16_t magic = 0xeb9f;
    uint8_t version = 1, flags = 0;
    uint32_t header = 24, types_at = 0, types_size = sizeof types, names_at = sizeof types,
             names_size = 14;
  } header;
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  bytes.append(reinterpret_cast<const char*>(types), sizeof types);
  bytes += names;
  auto parsed = ParseBtf(std::as_bytes(std::span(bytes)), "test");
  ASSERT_TRUE(parsed) << parsed.error().message;

  const int value[2] = {7, -1};
  struct {
    const void* address;
    uint32_t type, flags;
  } pointer{value, 2, 0};
  char text[64];
  const auto print = [&](uint64_t flags, uint64_t size = 16) {
    return Signed(
        Call(&helpers::SnprintfBtf, Address(text), sizeof text, Address(&pointer), size, flags));
  };
  EXPECT_EQ(print(0), -EINVAL);  // no types
  ExecutionHooks hooks;
  hooks.types = *parsed;
  context_->set_hooks(std::move(hooks));
  const auto length = print(1);
  EXPECT_EQ(length, static_cast<int64_t>(std::strlen(text)));
  EXPECT_STREQ(text, "(struct pair){.a = (int)7,.b = (int)-1,}");
  EXPECT_EQ(print(16), -EINVAL);
  EXPECT_EQ(print(0, 8), -EINVAL);
  pointer.type = 3;
  EXPECT_EQ(print(0), -ENOENT);
  pointer.type = 0;
  EXPECT_EQ(print(0), -EINVAL);
  pointer = {reinterpret_cast<const void*>(8), 2, 0};
  EXPECT_EQ(print(0), -EFAULT);
}

}  // namespace
}  // namespace skep
