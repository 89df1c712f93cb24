// SPDX-License-Identifier: Apache-2.0
// Values beside objects of the host: what programs do by the object's pointer, and
// what the host sees of it.
#include <cerrno>
#include <cstring>

#include <gtest/gtest.h>

#include "helpers/functions.h"
#include "maps/create.h"
#include "model/execution_layout.h"

namespace skep {
namespace {

MapSpec Spec(MapType type) {
  MapSpec spec;
  spec.name = "m";
  spec.type = type;
  spec.key_size = 4;
  spec.value_size = 12;
  spec.flags = kMapNoPrealloc;
  spec.btf_key_type_id = 1;
  spec.btf_value_type_id = 2;
  return spec;
}

class StorageMaps : public testing::TestWithParam<MapType> {
 protected:
  void SetUp() override {
    auto made = CreateMap(Spec(GetParam()),
                          {.cpu_slots = 4, .id = 1, .epochs = std::make_shared<EpochDomain>()});
    ASSERT_TRUE(made) << made.error().message;
    map_ = *made;
  }
  uint32_t* Get(const int& object, uint64_t flags, const uint32_t* first = nullptr) {
    return reinterpret_cast<uint32_t*>(helpers::ObjectStorageGet(
        Number(map_.get()), Number(&object), Number(first), flags, 0, *context_));
  }
  int64_t Delete(const int& object) {
    return static_cast<int64_t>(
        helpers::ObjectStorageDelete(Number(map_.get()), Number(&object), 0, 0, 0, *context_));
  }
  static uint64_t Number(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

  EpochDomain domain_;
  std::unique_ptr<ExecutionContext> context_ = model::ExecutionLayout::Create(3, domain_, [] {});
  std::shared_ptr<Map> map_;
};

TEST_P(StorageMaps, KeepAValueForEachObject) {
  const int a = 0, b = 0;
  const uint32_t first[3] = {1, 2, 3};
  EXPECT_EQ(Get(a, 0), nullptr);
  EXPECT_EQ(Get(a, 2), nullptr) << "a flag that Linux does not know";
  uint32_t* const of_a = Get(a, 1, first);
  uint32_t* const of_b = Get(b, 1);
  ASSERT_NE(of_a, nullptr);
  ASSERT_NE(of_b, nullptr);
  EXPECT_EQ(std::memcmp(of_a, first, sizeof first), 0);
  EXPECT_EQ(of_b[0] | of_b[1] | of_b[2], 0u);
  of_b[1] = 9;
  EXPECT_EQ(Get(b, 1, first), of_b) << "what is there stays";
  EXPECT_EQ(Get(b, 0)[1], 9u);
  EXPECT_EQ(Delete(a), 0);
  EXPECT_EQ(Delete(a), -ENOENT);
  EXPECT_EQ(Get(a, 0), nullptr);
  EXPECT_EQ(Get(b, 0), of_b);
}

TEST_P(StorageMaps, KeepNothingForNoObject) {
  EXPECT_EQ(helpers::ObjectStorageGet(Number(map_.get()), 0, 0, 1, 0, *context_), 0u);
  EXPECT_EQ(helpers::ObjectStorageDelete(Number(map_.get()), 0, 0, 0, 0, *context_),
            static_cast<uint64_t>(-EINVAL));
}

TEST_P(StorageMaps, ShowTheHostTheirValuesByObject) {
  const int a = 0;
  const auto by_object = map_->ByObject();
  ASSERT_NE(by_object, nullptr);
  const uint64_t address = Number(&a);
  const auto* key = reinterpret_cast<const std::byte*>(&address);
  uint32_t value[3] = {7, 8, 9};
  EXPECT_EQ(by_object->HostUpdate(key, reinterpret_cast<const std::byte*>(value)), 0);
  ASSERT_NE(Get(a, 0), nullptr);
  EXPECT_EQ(Get(a, 0)[2], 9u);
  Get(a, 0)[0] = 70;
  EXPECT_EQ(by_object->HostLookup(key, reinterpret_cast<std::byte*>(value)), 0);
  EXPECT_EQ(value[0], 70u);
  uint64_t next = 0;
  EXPECT_EQ(by_object->NextKey(nullptr, reinterpret_cast<std::byte*>(&next)), 0);
  EXPECT_EQ(next, address);
  // The object goes.
  EXPECT_EQ(by_object->HostDelete(key), 0);
  EXPECT_EQ(Get(a, 0), nullptr);
  // A process has no descriptors for its objects.
  const int fd = 0;
  EXPECT_EQ(map_->HostLookup(reinterpret_cast<const std::byte*>(&fd),
                             reinterpret_cast<std::byte*>(value)),
            -kEnotsupp);
}

TEST_P(StorageMaps, AreMadeAsLinuxMakesThem) {
  const auto refused = [](const MapSpec& spec) {
    const auto checked = CheckMapSpec(spec);
    return checked ? 0 : checked.error().sys_errno;
  };
  MapSpec spec = Spec(GetParam());
  EXPECT_EQ(refused(spec), 0);
  spec.value_size = 65407;
  EXPECT_EQ(refused(spec), 0);
  spec.value_size = 65408;
  EXPECT_EQ(refused(spec), E2BIG);
  for (auto change :
       {+[](MapSpec& s) { s.flags = 0; }, +[](MapSpec& s) { s.max_entries = 1; },
        +[](MapSpec& s) { s.key_size = 8; }, +[](MapSpec& s) { s.value_size = 0; },
        +[](MapSpec& s) { s.btf_key_type_id = 0; }, +[](MapSpec& s) { s.btf_value_type_id = 0; },
        +[](MapSpec& s) { s.flags |= kMapRdonly; }}) {
    spec = Spec(GetParam());
    change(spec);
    EXPECT_EQ(refused(spec), EINVAL);
  }
  spec = Spec(GetParam());
  spec.flags |= kMapClone;
  EXPECT_EQ(refused(spec), 0) << "Linux takes it";
  const auto made =
      CreateMap(spec, {.cpu_slots = 4, .id = 1, .epochs = std::make_shared<EpochDomain>()});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kUnsupported);
}

INSTANTIATE_TEST_SUITE_P(Types, StorageMaps,
                         testing::Values(MapType::kTaskStorage, MapType::kSkStorage,
                                         MapType::kInodeStorage, MapType::kCgrpStorage),
                         [](const auto& instance) {
                           return std::to_string(static_cast<uint32_t>(instance.param));
                         });

}  // namespace
}  // namespace skep
