// SPDX-License-Identifier: Apache-2.0
#include "verifier/special_fields.h"

#include <cerrno>

#include <gtest/gtest.h>

#include "tests/btf/builder.h"
#include "verifier/state.h"

namespace skep::verifier {
namespace {

using btf::Kind;

// BTF with the structs that fields are made of, and what a test adds.
struct World {
  btf::Builder b;
  uint32_t number = b.Int("int", 4);
  uint32_t lock = b.Add("bpf_spin_lock", Kind::kStruct, 0, 4);
  uint32_t res_lock = b.Add("bpf_res_spin_lock", Kind::kStruct, 0, 4);
  uint32_t timer = b.Add("bpf_timer", Kind::kStruct, 0, 16);
  uint32_t head = b.Add("bpf_list_head", Kind::kStruct, 0, 16);
  uint32_t node = b.Add("bpf_list_node", Kind::kStruct, 0, 24);
  uint32_t rb_node = b.Add("bpf_rb_node", Kind::kStruct, 0, 32);
  uint32_t refcount = b.Add("bpf_refcount", Kind::kStruct, 0, 4);

  struct Part {
    uint32_t type;
    uint32_t offset;
  };
  // Members are named m0, m1, ...
  uint32_t Struct(const std::string& name, uint32_t size, std::initializer_list<Part> parts) {
    std::vector<uint32_t> names;
    for (size_t i = 0; i < parts.size(); ++i) names.push_back(b.Name("m" + std::to_string(i)));
    const uint32_t id = b.Add(name, Kind::kStruct, static_cast<uint32_t>(parts.size()), size);
    size_t i = 0;
    for (const Part& p : parts) {
      b.Word(names[i++]);
      b.Word(p.type);
      b.Word(p.offset * 8);
    }
    return id;
  }
  uint32_t Array(uint32_t element, uint32_t count) {
    return b.Add("", Kind::kArray, 0, 0, {element, number, count});
  }
  uint32_t Tagged(const std::string& tag, uint32_t to) {
    return b.Pointer(b.Add(tag, Kind::kTypeTag, 0, to));
  }
  void Contains(uint32_t type, uint32_t member, const std::string& text) {
    b.Add("contains:" + text, Kind::kDeclTag, 0, type, {member});
  }
  std::shared_ptr<const btf::Btf> Parse() const {
    auto parsed = btf::Btf::Parse(b.Bytes(), btf::Origin::kObjectFile);
    EXPECT_TRUE(parsed.has_value());
    return *parsed;
  }
  FieldRecord Read(uint32_t type, uint32_t size) const {
    const auto btf = Parse();
    const btf::Builder none;
    const auto kernel = btf::Btf::Parse(none.Bytes(), btf::Origin::kObjectFile);
    MapSpec map;
    map.value_size = size;
    map.btf_value_type_id = type;
    return ReadMapRecord(btf.get(), map, kernel.has_value() ? kernel->get() : nullptr);
  }
};

TEST(MapRecord, FindsFieldsThroughNestedStructsInOrder) {
  World w;
  const uint32_t inner = w.Struct("inner", 24, {{w.number, 0}, {w.timer, 8}});
  const uint32_t value = w.Struct("value", 32, {{w.lock, 0}, {inner, 8}});
  const FieldRecord record = w.Read(value, 32);
  ASSERT_EQ(record.error, 0);
  ASSERT_EQ(record.fields.size(), 2u);
  EXPECT_EQ(record.fields[0].kind, SpecialKind::kSpinLock);
  EXPECT_EQ(record.fields[1].kind, SpecialKind::kTimer);
  EXPECT_EQ(record.fields[1].offset, 16u);
  EXPECT_EQ(record.At(16, MaskOf(SpecialKind::kTimer)), &record.fields[1]);
  EXPECT_EQ(record.At(16, kLocks), nullptr);
}

TEST(MapRecord, RefusesTwoLocksOfOneKindAndLocksOfBothKinds) {
  World w;
  const uint32_t two = w.Struct("two", 8, {{w.lock, 0}, {w.lock, 4}});
  const uint32_t both = w.Struct("both", 8, {{w.lock, 0}, {w.res_lock, 4}});
  EXPECT_EQ(w.Read(two, 8).error, E2BIG);
  EXPECT_EQ(w.Read(both, 8).error, EINVAL);
  EXPECT_TRUE(w.Read(both, 8).fields.empty());
}

TEST(MapRecord, IgnoresMisalignedFieldsAndWrongSizes) {
  World w;
  const uint32_t odd = w.Struct("odd", 24, {{w.timer, 4}});
  const uint32_t short_timer = w.b.Add("bpf_timer", Kind::kStruct, 0, 8);
  const uint32_t wrong = w.Struct("wrong", 8, {{short_timer, 0}});
  EXPECT_TRUE(w.Read(odd, 24).fields.empty());
  EXPECT_EQ(w.Read(odd, 24).error, 0);
  EXPECT_TRUE(w.Read(wrong, 8).fields.empty());
}

TEST(MapRecord, RepeatsPointersOfArraysButRefusesArraysOfTimers) {
  World w;
  const uint32_t object = w.Struct("object", 8, {{w.number, 0}});
  const uint32_t value = w.Struct("value", 32, {{w.Array(w.Tagged("kptr", object), 4), 0}});
  const uint32_t timers = w.Struct("timers", 32, {{w.Array(w.timer, 2), 0}});
  const uint32_t many = w.Struct("many", 96, {{w.Array(w.Tagged("kptr", object), 12), 0}});
  const FieldRecord record = w.Read(value, 32);
  ASSERT_EQ(record.fields.size(), 4u);
  EXPECT_EQ(record.fields[3].offset, 24u);
  EXPECT_EQ(record.fields[3].kind, SpecialKind::kKptr);
  EXPECT_EQ(record.fields[3].btf, kProgramBtf);
  EXPECT_EQ(record.fields[3].type, object);
  EXPECT_EQ(w.Read(timers, 32).error, EINVAL);
  EXPECT_EQ(w.Read(many, 96).error, E2BIG);
}

TEST(MapRecord, TellsListHeadsFromTheirTag) {
  World w;
  const uint32_t object = w.Struct("object", 32, {{w.number, 0}, {w.node, 8}});
  const uint32_t value = w.Struct("value", 24, {{w.lock, 0}, {w.head, 8}});
  w.Contains(value, 1, "object:m1");
  const uint32_t wrong = w.Struct("wrong", 24, {{w.lock, 0}, {w.head, 8}});
  w.Contains(wrong, 1, "object:m0");
  const uint32_t untagged = w.Struct("untagged", 24, {{w.lock, 0}, {w.head, 8}});
  const uint32_t unlocked = w.Struct("unlocked", 16, {{w.head, 0}});
  w.Contains(unlocked, 0, "object:m1");
  const FieldRecord record = w.Read(value, 24);
  ASSERT_EQ(record.error, 0);
  ASSERT_EQ(record.fields.size(), 2u);
  EXPECT_EQ(record.fields[1].type, object);
  EXPECT_EQ(record.fields[1].node_offset, 8u);
  EXPECT_EQ(w.Read(wrong, 24).error, EINVAL) << "the member is no node";
  EXPECT_EQ(w.Read(untagged, 24).error, EINVAL);
  EXPECT_EQ(w.Read(unlocked, 16).error, EINVAL) << "a list needs a lock beside it";
}

TEST(LocalRecordsTest, HoldsStructsWithNodesAndRefusesTwoKindsWithoutRefcount) {
  World w;
  const uint32_t plain = w.Struct("plain", 8, {{w.number, 0}});
  const uint32_t object = w.Struct("object", 64, {{w.node, 0}, {w.rb_node, 24}, {w.refcount, 56}});
  const auto btf = w.Parse();
  const LocalRecords records(*btf, nullptr);
  EXPECT_EQ(records.error(), 0);
  EXPECT_EQ(records.Find(plain), nullptr);
  ASSERT_NE(records.Find(object), nullptr);
  EXPECT_EQ(records.Find(object)->fields.size(), 3u);

  World bad;
  bad.Struct("object", 56, {{bad.node, 0}, {bad.rb_node, 24}});
  EXPECT_EQ(LocalRecords(*bad.Parse(), nullptr).error(), EINVAL);
}

TEST(LocalRecordsTest, RefusesObjectsThatOwnEachOther) {
  World w;
  const uint32_t self = w.Struct("self", 48, {{w.lock, 0}, {w.head, 8}, {w.node, 24}});
  w.Contains(self, 1, "self:m2");
  EXPECT_EQ(LocalRecords(*w.Parse(), nullptr).error(), ELOOP);
}

TEST(MapTakesTest, AllowsFieldsByMapType) {
  EXPECT_TRUE(MapTakes(MapType::kArray, SpecialKind::kSpinLock));
  EXPECT_FALSE(MapTakes(MapType::kLruHash, SpecialKind::kSpinLock));
  EXPECT_TRUE(MapTakes(MapType::kLruHash, SpecialKind::kTimer));
  EXPECT_TRUE(MapTakes(MapType::kTaskStorage, SpecialKind::kUptr));
  EXPECT_FALSE(MapTakes(MapType::kHash, SpecialKind::kUptr));
  EXPECT_FALSE(MapTakes(MapType::kUnspec, SpecialKind::kKptr));
}

}  // namespace
}  // namespace skep::verifier
