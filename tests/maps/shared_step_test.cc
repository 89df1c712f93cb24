// SPDX-License-Identifier: Apache-2.0
// A process runs one operation on a shared map, one machine instruction at a time.
// Each state of the map's memory in between is what another process finds if it is
// killed there: the map must be sound then, and hold what it held before or what
// it holds afterwards.
#include <algorithm>
#include <csignal>
#include <cstring>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/region.h"
#include "maps/key.h"
#include "maps/shared_map.h"
#include "model/ringbuf.h"
#include "tests/maps/shared_maps.h"

namespace skep {
namespace {

using test::Contents;
using test::KeyOf;
using test::Put;
using test::SharedEnvironment;
using Memory = std::vector<std::byte>;

struct Step {
  const char* name;
  MapType type;
  uint32_t key, value, entries;
  uint32_t before;  // elements 0 .. before - 1 are there
  int (*operation)(Map& map);
  // Two steps of their own: one to make room, one to use it. Both may be done or
  // not.
  bool in_two;
};

void PrintTo(const Step& step, std::ostream* out) { *out << step.name; }

int Delete(Map& map, uint32_t i) { return map.HostDelete(KeyOf(map.spec(), i).data()); }
int Pop(Map& map) {
  std::byte value[64];
  return map.HostLookupAndDelete(nullptr, value);
}
int PushOverOldest(Map& map) {
  return map.HostUpdate(nullptr, test::ValueOf(map, 99, 1).data(), kUpdateExist);
}
int Discard(Map& map) {
  std::byte* record = model::Ringbuf::Of(map).Reserve(24, 0);
  if (record == nullptr) return -1;
  model::Ringbuf::Of(map).CommitHere(record, 0, true);
  return 0;
}
int Consume(Map& map) {
  Contents contents;
  return test::TakeContents(map, &contents) ? 0 : -1;
}

// The n-th number whose key is in the same bucket as number 0, in a map of 16 that has
// four buckets of eight lanes, without a seed. From the eighth on they are in a chain.
uint32_t InBucket(uint32_t n) {
  const auto bucket = [](uint32_t i) {
    const uint64_t key = i;
    return FixedKey<8>::Hash(reinterpret_cast<const std::byte*>(&key), 8, 0) & 3;
  };
  uint32_t i = 0;
  for (;; ++i) {
    if (bucket(i) == bucket(0) && n-- == 0) return i;
  }
}
constexpr uint32_t kChained = 11;  // elements of chain tests

const Step kSteps[] = {
    {"hash_insert", MapType::kHash, 8, 16, 40, 20, [](Map& map) { return Put(map, 30); }, false},
    {"hash_replace", MapType::kHash, 8, 16, 40, 20, [](Map& map) { return Put(map, 7, 1); }, false},
    {"hash_replace_when_full", MapType::kHash, 13, 16, 20, 20,
     [](Map& map) { return Put(map, 7, 1); }, false},
    {"hash_delete", MapType::kHash, 4, 16, 40, 20, [](Map& map) { return Delete(map, 3); }, false},
    {"chain_insert", MapType::kHash, 8, 8, 16, kChained,
     [](Map& map) { return Put(map, InBucket(kChained)); }, false},
    {"chain_replace_first", MapType::kHash, 8, 8, 16, kChained,
     [](Map& map) { return Put(map, InBucket(kChained - 1), 1); }, false},
    {"chain_replace_last", MapType::kHash, 8, 8, 16, kChained,
     [](Map& map) { return Put(map, InBucket(8), 1); }, false},
    {"chain_delete_first", MapType::kHash, 8, 8, 16, kChained,
     [](Map& map) { return Delete(map, InBucket(kChained - 1)); }, false},
    {"chain_delete_last", MapType::kHash, 8, 8, 16, kChained,
     [](Map& map) { return Delete(map, InBucket(8)); }, false},
    {"percpu_hash_insert", MapType::kPercpuHash, 8, 8, 40, 10,
     [](Map& map) { return Put(map, 30); }, false},
    {"lru_evict", MapType::kLruHash, 8, 8, 10, 10, [](Map& map) { return Put(map, 30); }, true},
    {"lru_delete", MapType::kLruHash, 8, 8, 10, 10, [](Map& map) { return Delete(map, 3); }, false},
    {"lpm_insert_leaf", MapType::kLpmTrie, 8, 8, 40, 3, [](Map& map) { return Put(map, 3); },
     false},
    {"lpm_insert_fork", MapType::kLpmTrie, 8, 8, 40, 12, [](Map& map) { return Put(map, 31); },
     false},
    {"lpm_insert_above", MapType::kLpmTrie, 8, 8, 40, 0,
     [](Map& map) {
       const int code = Put(map, 3);
       return code != 0 ? code : Put(map, 0);
     },
     true},
    {"lpm_replace", MapType::kLpmTrie, 8, 8, 40, 20, [](Map& map) { return Put(map, 5, 1); },
     false},
    {"lpm_delete_leaf", MapType::kLpmTrie, 8, 8, 40, 20, [](Map& map) { return Delete(map, 7); },
     false},
    {"lpm_delete_inner", MapType::kLpmTrie, 8, 8, 40, 20, [](Map& map) { return Delete(map, 0); },
     false},
    {"queue_push", MapType::kQueue, 0, 16, 4, 2, [](Map& map) { return Put(map, 9); }, false},
    {"queue_pop", MapType::kQueue, 0, 16, 4, 2, Pop, false},
    {"queue_push_over", MapType::kQueue, 0, 16, 4, 4, PushOverOldest, true},
    {"stack_push", MapType::kStack, 0, 16, 4, 2, [](Map& map) { return Put(map, 9); }, false},
    {"stack_pop", MapType::kStack, 0, 16, 4, 2, Pop, false},
    {"stack_push_over", MapType::kStack, 0, 16, 4, 4, PushOverOldest, true},
    {"ring_output", MapType::kRingbuf, 0, 0, 4096, 2, [](Map& map) { return Put(map, 9); }, false},
    {"ring_discard", MapType::kRingbuf, 0, 0, 4096, 2, Discard, false},
    {"ring_consume", MapType::kRingbuf, 0, 0, 4096, 1, Consume, false},
};

MapSpec SpecOf(const Step& step) {
  MapSpec spec;
  spec.name = "stepped";
  spec.type = step.type;
  spec.key_size = step.key;
  spec.value_size = step.value;
  spec.max_entries = step.entries;
  const bool hash = step.type == MapType::kHash || step.type == MapType::kPercpuHash ||
                    step.type == MapType::kLruHash;
  // The same places in every run.
  if (hash) spec.flags = kMapZeroSeed;
  if (step.type == MapType::kLpmTrie) spec.flags = kMapNoPrealloc;
  return spec;
}

SharedMap NewMap(const Step& step) {
  auto map = CreateSharedMap(SpecOf(step), SharedEnvironment());
  EXPECT_TRUE(map) << map.error().message;
  return *std::move(map);
}

// A child that stops before and after the operation.
pid_t StartStopped(const Step& step, int fd) {
  const pid_t child = fork();
  if (child != 0) return child;
  const auto map = OpenSharedMap(fd, SharedEnvironment());
  if (!map || ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(77);
  raise(SIGSTOP);
  const int code = step.operation(**map);
  raise(SIGUSR1);
  _exit(code == 0 ? 0 : 1);
}

Memory ReadAll(int fd) {
  const off_t size = lseek(fd, 0, SEEK_END);
  Memory memory(static_cast<size_t>(size));
  EXPECT_EQ(pread(fd, memory.data(), memory.size(), 0), size);
  return memory;
}

// The states of the memory, in order, each different from the one before. Empty if
// processes cannot be traced here.
std::vector<Memory> States(const Step& step, int fd) {
  std::vector<Memory> states;
  const pid_t child = StartStopped(step, fd);
  int status = 0;
  while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
    if (WSTOPSIG(status) == SIGUSR1) break;
    Memory memory = ReadAll(fd);
    if (states.empty() || memory != states.back()) states.push_back(std::move(memory));
    if (ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr) != 0) break;
  }
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  return states;
}

// A map whose users have all died in this state.
std::shared_ptr<Map> FromDead(const Memory& memory) {
  const int fd = memfd_create("state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  EXPECT_EQ(write(fd, memory.data(), memory.size()), static_cast<ssize_t>(memory.size()));
  EXPECT_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
  auto map = OpenSharedMap(fd, SharedEnvironment());
  close(fd);
  EXPECT_TRUE(map) << map.error().message;
  return *std::move(map);
}

// A map that one who lives uses, in this state: all but the page that says who is
// attached.
void MakeState(const SharedMap& map, const Memory& memory) {
  const size_t page = PageBytes();
  ASSERT_EQ(pwrite(map.fd, memory.data() + page, memory.size() - page, static_cast<off_t>(page)),
            static_cast<ssize_t>(memory.size() - page));
}

class EachStep : public testing::TestWithParam<Step> {
 protected:
  void SetUp() override {
    map_ = NewMap(GetParam());
    const bool chain = GetParam().before == kChained;
    for (uint32_t i = 0; i < GetParam().before; ++i) {
      ASSERT_EQ(Put(*map_.map, chain ? InBucket(i) : i), 0);
    }
    states_ = States(GetParam(), map_.fd);
    if (states_.empty()) GTEST_SKIP() << "processes cannot be traced here";
    ASSERT_GE(states_.size(), 2u);
    ASSERT_TRUE(test::TakeContents(*FromDead(states_.front()), &before_));
    ASSERT_TRUE(test::TakeContents(*FromDead(states_.back()), &after_));
  }

  // Iteration order is no part of the contents.
  static Contents Sorted(Contents contents) {
    std::sort(contents.begin(), contents.end());
    return contents;
  }

  void ExpectOneOfBoth(Map& map, size_t state) {
    Contents found;
    ASSERT_TRUE(test::TakeContents(map, &found)) << "state " << state;
    if (GetParam().in_two) {
      for (const auto& element : found) {
        const bool known = std::count(before_.begin(), before_.end(), element) != 0 ||
                           std::count(after_.begin(), after_.end(), element) != 0 ||
                           GetParam().before == 0;
        ASSERT_TRUE(known) << "state " << state;
      }
      return;
    }
    found = Sorted(std::move(found));
    ASSERT_TRUE(found == Sorted(before_) || found == Sorted(after_))
        << "state " << state << " of " << states_.size() << " holds " << found.size();
  }

  SharedMap map_;
  std::vector<Memory> states_;
  Contents before_, after_;
};

TEST_P(EachStep, LeavesASoundMapToThoseThatComeLater) {
  for (size_t i = 0; i < states_.size(); ++i) {
    const auto map = FromDead(states_[i]);
    ASSERT_NO_FATAL_FAILURE(ExpectOneOfBoth(*map, i));
    ASSERT_EQ(test::CheckMap(*map), "") << "state " << i;
  }
}

TEST_P(EachStep, LeavesASoundMapToThoseThatAreThere) {
  for (size_t i = 0; i < states_.size(); ++i) {
    const SharedMap map = NewMap(GetParam());
    ASSERT_NO_FATAL_FAILURE(MakeState(map, states_[i]));
    ASSERT_NO_FATAL_FAILURE(ExpectOneOfBoth(*map.map, i));
    ASSERT_EQ(test::CheckMap(*map.map), "") << "state " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Of, EachStep, testing::ValuesIn(kSteps),
                         [](const auto& step) { return std::string(step.param.name); });

}  // namespace
}  // namespace skep
