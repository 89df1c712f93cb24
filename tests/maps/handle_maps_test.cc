// SPDX-License-Identifier: Apache-2.0
// Maps that hold objects of the host: programs, inner maps, perf rings.
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "skep/perf_buffer_reader.h"

#include "base/memory_access.h"
#include "helpers/functions.h"
#include "maps/map_in_map.h"
#include "maps/perf_event_array.h"
#include "maps/prog_array.h"
#include "model/execution_layout.h"
#include "tests/support/bpf_syscall.h"

namespace skep {
namespace {

class HandleMaps : public testing::Test {
 protected:
  std::shared_ptr<Map> Make(const MapSpec& spec) {
    auto map = CreateMap(spec, {.cpu_slots = 2, .id = ++id_, .epochs = epochs_});
    EXPECT_TRUE(map) << map.error().message;
    return *std::move(map);
  }
  static MapSpec Spec(MapType type, uint32_t entries) {
    MapSpec spec;
    spec.name = "m";
    spec.type = type;
    spec.key_size = 4;
    spec.value_size = 4;
    spec.max_entries = entries;
    return spec;
  }
  static MapSpec Inner() {
    MapSpec spec = Spec(MapType::kHash, 8);
    spec.value_size = 8;
    return spec;
  }
  static const std::byte* Key(const uint32_t& index) {
    return reinterpret_cast<const std::byte*>(&index);
  }
  static std::byte* Out(uint32_t& value) { return reinterpret_cast<std::byte*>(&value); }

  std::shared_ptr<EpochDomain> epochs_ = std::make_shared<EpochDomain>();
  uint32_t id_ = 0;
};

// ---- programs -----------------------------------------------------------------

std::shared_ptr<const model::TailTarget> Program(uint32_t id, ProgramTypeId type) {
  auto target = std::make_shared<model::TailTarget>();
  target->program_id = id;
  target->owner.type = type;
  return target;
}

const model::TailTarget* Slot(const Map& map, uint32_t index) {
  const DirectView view = map.direct_view();
  return reinterpret_cast<const model::TailTarget*>(
      LoadAcquire<uint64_t>(reinterpret_cast<uint64_t>(view.base) + index * view.stride));
}

TEST_F(HandleMaps, ProgArrayTakesProgramsLikeItsFirst) {
  const auto map = Make(Spec(MapType::kProgArray, 4));
  auto& array = static_cast<ProgArray&>(*map);
  const auto xdp = Program(7, ProgramTypeId::kXdp);
  EXPECT_EQ(array.SetProgram(4, xdp), -E2BIG);
  EXPECT_EQ(array.SetProgram(1, xdp), 0);
  EXPECT_EQ(Slot(array, 1), xdp.get());
  EXPECT_EQ(Slot(array, 0), nullptr);
  EXPECT_EQ(array.SetProgram(2, Program(8, ProgramTypeId::kSchedCls)), -EINVAL);
  EXPECT_EQ(array.BindOwner({.type = ProgramTypeId::kSchedCls}), -EINVAL);
  EXPECT_EQ(array.BindOwner({.type = ProgramTypeId::kXdp}), 0);
  // The owner stays when the slots are empty again.
  EXPECT_EQ(array.HostDelete(Key(1)), 0);
  EXPECT_EQ(array.SetProgram(2, Program(8, ProgramTypeId::kSchedCls)), -EINVAL);

  uint32_t id = 0;
  EXPECT_EQ(array.SetProgram(3, xdp), 0);
  EXPECT_EQ(array.HostLookup(Key(3), Out(id)), 0);
  EXPECT_EQ(id, 7u);
  array.Clear();
  EXPECT_EQ(Slot(array, 3), nullptr);
  EXPECT_EQ(array.HostLookup(Key(3), Out(id)), -ENOENT);
}

TEST_F(HandleMaps, ProgArrayKeepsAReplacedProgramWhileARunMayHoldIt) {
  const auto map = Make(Spec(MapType::kProgArray, 1));
  auto& array = static_cast<ProgArray&>(*map);
  auto program = Program(1, ProgramTypeId::kXdp);
  const std::weak_ptr<const model::TailTarget> watch = program;
  EXPECT_EQ(array.SetProgram(0, std::move(program)), 0);
  EpochSlot run(*epochs_);
  run.Enter();
  EXPECT_EQ(array.SetProgram(0, Program(2, ProgramTypeId::kXdp)), 0);
  EXPECT_FALSE(watch.expired());
  run.Leave();
  EXPECT_TRUE(watch.expired());
}

// The byte interface, beside the kernel's, over every kind of key and flag;
// values would be descriptors, and none is good.
TEST_F(HandleMaps, RefuseBytesAsTheKernel) {
  if (const std::string why = test::WhyNoKernel(); !why.empty()) GTEST_SKIP() << why;
  const test::Fd inner = test::KernelMapCreate(Inner());
  for (const MapType type : {MapType::kProgArray, MapType::kPerfEventArray, MapType::kArrayOfMaps,
                             MapType::kHashOfMaps}) {
    MapSpec spec = Spec(type, 3);
    if (type == MapType::kArrayOfMaps || type == MapType::kHashOfMaps)
      spec.inner = std::make_shared<MapSpec>(Inner());
    const test::Fd theirs = test::KernelMapCreate(spec, inner.get());
    ASSERT_TRUE(theirs.ok());
    const auto ours = Make(spec);
    for (const uint32_t key : {0u, 2u, 3u, 0xffffffffu}) {
      uint32_t a = 0xfffffff0, b = a;  // no such descriptor
      const std::string where =
          "type " + std::to_string(static_cast<int>(type)) + " key " + std::to_string(key);
      for (const uint64_t flags : {0u, 1u, 2u, 3u, 4u}) {
        EXPECT_EQ(ours->HostUpdate(Key(key), Out(a), flags),
                  test::KernelMapUpdate(theirs, &key, &b, flags))
            << where << " flags " << flags;
      }
      EXPECT_EQ(ours->HostLookup(Key(key), Out(a)), test::KernelMapLookup(theirs, &key, &b))
          << where;
      EXPECT_EQ(ours->HostDelete(Key(key)), test::KernelMapDelete(theirs, &key)) << where;
      EXPECT_EQ(ours->HostLookupAndDelete(Key(key), Out(a)),
                test::KernelMapLookupAndDelete(theirs, &key, &b))
          << where;
      EXPECT_EQ(ours->NextKey(Key(key), Out(a)), test::KernelMapNextKey(theirs, &key, &b)) << where;
    }
  }
}

// ---- inner maps ---------------------------------------------------------------

TEST_F(HandleMaps, ArrayOfMapsGivesProgramsTheInnerMap) {
  MapSpec spec = Spec(MapType::kArrayOfMaps, 3);
  spec.inner = std::make_shared<MapSpec>(Inner());
  const auto outer = Make(spec);
  const auto inner = Make(Inner());
  const uint32_t index = 1, beyond = 3;
  EXPECT_EQ(outer->Lookup(Key(index), 0), nullptr);
  EXPECT_EQ(outer->SetMap(Key(index), inner, kUpdateNoExist), -EINVAL);
  EXPECT_EQ(outer->SetMap(Key(beyond), inner), -E2BIG);
  EXPECT_EQ(outer->SetMap(Key(index), inner), 0);
  EXPECT_EQ(outer->Lookup(Key(index), 0), reinterpret_cast<std::byte*>(inner.get()));
  EXPECT_EQ(outer->Lookup(Key(beyond), 0), nullptr);
  uint32_t id = 0;
  EXPECT_EQ(outer->HostLookup(Key(index), Out(id)), 0);
  EXPECT_EQ(id, inner->id());
  EXPECT_EQ(inner->SetMap(Key(index), inner), -EINVAL);
  EXPECT_EQ(outer->HostDelete(Key(index)), 0);
  EXPECT_EQ(outer->Lookup(Key(index), 0), nullptr);
}

TEST_F(HandleMaps, HashOfMapsGivesProgramsTheInnerMap) {
  MapSpec spec = Spec(MapType::kHashOfMaps, 2);
  spec.inner = std::make_shared<MapSpec>(Inner());
  const auto outer = Make(spec);
  auto first = Make(Inner()), second = Make(Inner());
  const uint32_t a = 10, b = 20, c = 30;
  EXPECT_EQ(outer->Lookup(Key(a), 0), nullptr);
  EXPECT_EQ(outer->SetMap(Key(a), first, kUpdateExist), -ENOENT);
  EXPECT_EQ(outer->SetMap(Key(a), first, kUpdateNoExist), 0);
  EXPECT_EQ(outer->SetMap(Key(a), second, kUpdateNoExist), -EEXIST);
  EXPECT_EQ(outer->SetMap(Key(b), second), 0);
  EXPECT_EQ(outer->SetMap(Key(c), second), -E2BIG);
  EXPECT_EQ(outer->Lookup(Key(a), 0), reinterpret_cast<std::byte*>(first.get()));
  uint32_t id = 0;
  EXPECT_EQ(outer->HostLookup(Key(b), Out(id)), 0);
  EXPECT_EQ(id, second->id());

  // A replaced map stays while a run may hold it.
  const std::weak_ptr<Map> watch = first;
  first.reset();
  EpochSlot run(*epochs_);
  run.Enter();
  EXPECT_EQ(outer->SetMap(Key(a), second), 0);
  EXPECT_FALSE(watch.expired());
  run.Leave();
  EXPECT_TRUE(watch.expired());

  const std::weak_ptr<Map> watch_second = second;
  second.reset();
  EXPECT_EQ(outer->HostDelete(Key(a)), 0);
  EXPECT_EQ(outer->HostDelete(Key(a)), -ENOENT);
  EXPECT_FALSE(watch_second.expired());
  EXPECT_EQ(outer->HostDelete(Key(b)), 0);
  EXPECT_TRUE(watch_second.expired());
}

// Which maps fit is what the kernel says of the same pairs.
TEST_F(HandleMaps, ArrayOfMapsTakesTheInnerMapsThatTheKernelTakes) {
  if (const std::string why = test::WhyNoKernel(); !why.empty()) GTEST_SKIP() << why;
  std::vector<MapSpec> specs;
  for (const MapType type : {MapType::kHash, MapType::kArray, MapType::kPercpuArray}) {
    for (const uint32_t value : {8u, 16u}) {
      for (const uint32_t entries : {4u, 8u}) {
        for (const uint32_t flags : {0u, uint32_t{kMapRdonly}, uint32_t{kMapRdonlyProg},
                                     uint32_t{kMapNoPrealloc}, uint32_t{kMapInnerMap}}) {
          MapSpec spec = Spec(type, entries);
          spec.value_size = value;
          spec.flags = flags;
          if (CheckMapSpec(spec)) specs.push_back(spec);
        }
      }
    }
  }
  MapSpec queue = Spec(MapType::kQueue, 4);
  queue.key_size = 0;
  specs.push_back(queue);
  queue.max_entries = 8;
  specs.push_back(queue);
  int fits = 0;
  const uint32_t index = 0;
  for (const MapSpec& like : specs) {
    const test::Fd template_map = test::KernelMapCreate(like);
    MapSpec spec = Spec(MapType::kArrayOfMaps, 1);
    spec.inner = std::make_shared<MapSpec>(like);
    const test::Fd theirs = test::KernelMapCreate(spec, template_map.get());
    ASSERT_TRUE(theirs.ok());
    const auto ours = Make(spec);
    for (const MapSpec& candidate : specs) {
      const test::Fd inner = test::KernelMapCreate(candidate);
      const int value = inner.get();
      const int verdict = ours->SetMap(Key(index), Make(candidate));
      EXPECT_EQ(verdict, test::KernelMapUpdate(theirs, &index, &value))
          << static_cast<int>(like.type) << " flags " << like.flags << " entries "
          << like.max_entries << " takes flags " << candidate.flags << " entries "
          << candidate.max_entries;
      fits += verdict == 0;
    }
  }
  EXPECT_GT(fits, static_cast<int>(specs.size()));
}

// ---- perf rings ---------------------------------------------------------------

TEST_F(HandleMaps, PerfEventArrayDeliversSamplesAndCountsTheLost) {
  const auto map = Make(Spec(MapType::kPerfEventArray, 2));
  const auto context = model::ExecutionLayout::Create(1, *epochs_, [] {});
  const auto output = [&](uint64_t flags, std::string_view data) {
    return static_cast<int64_t>(
        helpers::PerfEventOutput(0, reinterpret_cast<uint64_t>(map.get()), flags,
                                 reinterpret_cast<uint64_t>(data.data()), data.size(), *context));
  };
  constexpr uint64_t kCurrent = model::kPerfCurrentCpu;
  EXPECT_EQ(output(kCurrent, "early"), -ENOENT);
  EXPECT_EQ(output(2, "far"), -E2BIG);

  std::vector<std::pair<uint32_t, std::string>> samples;
  uint64_t lost = 0;
  auto reader = PerfBufferReader::Create(
      map, 1,
      [&](uint32_t cpu, std::span<const std::byte> data) {
        samples.emplace_back(cpu, std::string(reinterpret_cast<const char*>(data.data())));
      },
      [&](uint32_t, uint64_t count) { lost += count; });
  ASSERT_TRUE(reader) << reader.error().message;
  EXPECT_EQ((*reader)->Poll(0), 0);
  EXPECT_EQ(output(kCurrent, "hello"), 0);
  EXPECT_EQ(output(1, "again"), 0);
  EXPECT_EQ(output(0, "other cpu"), -EOPNOTSUPP);
  EXPECT_EQ(output(uint64_t{1} << 32 | kCurrent, "no packet"), -EINVAL);
  EXPECT_EQ((*reader)->Poll(0), 2);
  EXPECT_EQ(samples, (std::vector<std::pair<uint32_t, std::string>>{{1, "hello"}, {1, "again"}}));

  // 4096 bytes hold three records of 1016 + 12, rounded up to 8.
  const std::string big(1016, 'x');
  for (int i = 0; i < 3; ++i) EXPECT_EQ(output(kCurrent, big), 0);
  EXPECT_EQ(output(kCurrent, big), -ENOSPC);
  EXPECT_EQ(output(kCurrent, big), -ENOSPC);
  EXPECT_EQ((*reader)->Consume(), 3);
  EXPECT_EQ(output(kCurrent, "after"), 0);
  EXPECT_EQ((*reader)->Consume(), 2);
  EXPECT_EQ(lost, 2u);
  EXPECT_EQ(samples.back().second, "after");
  reader->reset();
  EXPECT_EQ(output(kCurrent, "late"), -ENOENT);
}

}  // namespace
}  // namespace skep
