// SPDX-License-Identifier: Apache-2.0
#include "tests/maps/map_program.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "base/check.h"
#include "btf/btf.h"
#include "tools/program_generator.h"

namespace skep::test {
namespace {

// r6: the number to be returned. r7: what a lookup found.
constexpr uint8_t kSum = 6, kFound = 7, kFrame = 10;
constexpr int16_t kKeyAt = -32, kValueAt = -112, kBoxAt = -120;
constexpr uint8_t kJumpEqualImm = 0x15, kStoreImm64 = 0x7a, kStore64 = 0x7b;

bool IsQueue(MapType type) { return type == MapType::kQueue || type == MapType::kStack; }
bool IsPercpu(MapType type) {
  return type == MapType::kPercpuHash || type == MapType::kPercpuArray ||
         type == MapType::kLruPercpuHash;
}

}  // namespace

std::vector<MapSpec> MapProgramGenerator::Maps(std::shared_ptr<const MapSpec> inner) {
  constexpr MapType kTypes[] = {
      MapType::kHash,  MapType::kHash,    MapType::kArray,         MapType::kPercpuHash,
      MapType::kQueue, MapType::kStack,   MapType::kPercpuArray,   MapType::kLruHash,
      MapType::kArray, MapType::kLpmTrie, MapType::kLruPercpuHash, MapType::kBloomFilter,
      MapType::kHash,  MapType::kRingbuf, MapType::kArrayOfMaps,   MapType::kHashOfMaps};
  constexpr uint32_t kKeys[] = {4, 4, 8, 8, 16, 1, 5, 12, 24};
  constexpr uint32_t kValues[] = {8, 8, 16, 4, 1, 12, 33, 64, 72};
  std::vector<MapSpec> maps(3 + Below(3));
  for (size_t i = 0; i < maps.size(); ++i) {
    MapSpec& spec = maps[i];
    spec.name = "map" + std::to_string(i);
    spec.type = Of(kTypes);
    spec.key_size = Of(kKeys);
    spec.value_size = Of(kValues);
    spec.max_entries = 1 + Below(10);
    const bool queue = IsQueue(spec.type) || spec.type == MapType::kBloomFilter;
    if (queue) spec.key_size = 0;
    if (IsArray(spec.type)) spec.key_size = 4;
    if (spec.type == MapType::kLpmTrie) {
      spec.key_size = OneIn(2) ? 8 : 20;
      spec.flags = kMapNoPrealloc;
    }
    if (spec.type == MapType::kHash && OneIn(3)) spec.flags = kMapNoPrealloc;
    if (spec.type == MapType::kLruHash || spec.type == MapType::kLruPercpuHash) {
      spec.max_entries = 300;
    }
    if (spec.type == MapType::kBloomFilter) {
      spec.flags = kMapZeroSeed;
      spec.max_entries = 20;
    }
    if (spec.type == MapType::kRingbuf) {
      spec.key_size = spec.value_size = 0;
      spec.max_entries = 4096;
    }
    if (spec.type == MapType::kArrayOfMaps || spec.type == MapType::kHashOfMaps) {
      if (spec.type == MapType::kArrayOfMaps) spec.key_size = 4;
      spec.value_size = 4;
      spec.inner = inner;
    }
  }
  return maps;
}

void MapProgramGenerator::Emit(uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm) {
  Insn insn;
  insn.code = code;
  insn.dst = dst & 15;
  insn.src = src & 15;
  insn.off = off;
  insn.imm = imm;
  out_.push_back(insn);
}

void MapProgramGenerator::Wide(uint8_t dst, uint8_t pseudo, uint64_t value) {
  Emit(0x18, dst, pseudo, 0, static_cast<int32_t>(value));
  Emit(0, 0, 0, 0, static_cast<int32_t>(value >> 32));
}

void MapProgramGenerator::Stack(uint8_t dst, int16_t offset) {
  Move(dst, kFrame);
  Emit(0x07, dst, 0, 0, offset);
}

void MapProgramGenerator::Fold(uint8_t source) {
  Emit(0x27, kSum, 0, 0, 31);
  Emit(0x0f, kSum, source, 0, 0);
}

void MapProgramGenerator::KeyOnStack(const MapSpec& spec) {
  std::vector<std::byte> key = KeyBytes(spec, Below(KeysOf(spec)));
  key.resize((key.size() + 7) / 8 * 8);
  for (size_t i = 0; i < key.size(); i += 8) {
    uint64_t word = 0;
    std::memcpy(&word, key.data() + i, sizeof word);
    Wide(0, 0, word);
    Emit(kStore64, kFrame, 0, static_cast<int16_t>(kKeyAt + static_cast<int>(i)), 0);
  }
}

void MapProgramGenerator::ValueOnStack(uint32_t size) {
  const auto first = static_cast<int32_t>(random_() % 1000);
  for (uint32_t i = 0; i < (size + 7) / 8 * 8; i += 8) {
    Emit(kStoreImm64, kFrame, 0, static_cast<int16_t>(kValueAt + static_cast<int>(i)),
         first + static_cast<int32_t>(i));
  }
}

// r0 points to a value or is null.
void MapProgramGenerator::UseFound(uint32_t value_size, bool may_write) {
  const size_t check = out_.size();
  Emit(kJumpEqualImm, 0, 0, 0, 0);
  Move(kFound, 0);
  const uint32_t width = value_size >= 8 && !OneIn(4) ? 8 : value_size >= 4 && OneIn(2) ? 4 : 1;
  const auto at = static_cast<int16_t>(Below(value_size / width) * width);
  const uint8_t size_bits = width == 8 ? 0x18 : width == 4 ? 0 : 0x10;
  Emit(static_cast<uint8_t>(0x61 | size_bits), 0, kFound, at, 0);
  Fold(0);
  if (may_write && OneIn(2)) {
    Emit(static_cast<uint8_t>(0x62 | size_bits), kFound, 0, at, static_cast<int32_t>(Below(900)));
  } else if (may_write && width == 8) {
    MoveImm(1, static_cast<int32_t>(Below(9)));
    Emit(0xdb, kFound, 1, at, 0);  // lock *(u64 *)(r7 + at) += r1
  }
  out_[check].off = static_cast<int16_t>(out_.size() - check - 1);
}

void MapProgramGenerator::LookUp(uint32_t index) {
  const MapSpec& spec = (*maps_)[index];
  KeyOnStack(spec);
  Map(1, index);
  Stack(2, kKeyAt);
  Call(1);
  UseFound(spec.value_size, true);
}

void MapProgramGenerator::Update(uint32_t index) {
  constexpr uint64_t kFlags[] = {0, 0, 0, 0, 1, 1, 2, 2, 3, 4, 8, uint64_t{1} << 32};
  const MapSpec& spec = (*maps_)[index];
  KeyOnStack(spec);
  ValueOnStack(spec.value_size);
  Map(1, index);
  Stack(2, kKeyAt);
  Stack(3, kValueAt);
  Wide(4, 0, Of(kFlags));
  Call(2);
  Fold(0);
}

void MapProgramGenerator::Delete(uint32_t index) {
  KeyOnStack((*maps_)[index]);
  Map(1, index);
  Stack(2, kKeyAt);
  Call(3);
  Fold(0);
}

void MapProgramGenerator::OtherCpu(uint32_t index) {
  const MapSpec& spec = (*maps_)[index];
  KeyOnStack(spec);
  Map(1, index);
  Stack(2, kKeyAt);
  MoveImm(3, static_cast<int32_t>(Below(4)) - (OneIn(8) ? 4 : 0));
  Call(195);
  UseFound(spec.value_size, true);
}

void MapProgramGenerator::ForEach(uint32_t index) {
  Emit(kStoreImm64, kFrame, 0, kBoxAt, static_cast<int32_t>(Below(50)));
  Map(1, index);
  callbacks_.push_back({out_.size(), index});
  Wide(2, 4, 0);
  Stack(3, kBoxAt);
  MoveImm(4, OneIn(12) ? 1 : 0);
  Call(164);
  Fold(0);
  Emit(0x79, 1, kFrame, kBoxAt, 0);
  Fold(1);
}

// long f(map, key, value, box): box += the first byte of key and of value. Sums do not
// depend on the order of hashes; arrays may stop early, hashes lose elements.
void MapProgramGenerator::Callback(uint32_t index) {
  const MapSpec& spec = (*maps_)[index];
  Emit(0x71, 5, 3, 0, 0);  // r5 = *(u8 *)(value)
  Emit(0x71, 0, 2, 0, 0);
  Emit(0x0f, 5, 0, 0, 0);
  Emit(0x79, 0, 4, 0, 0);
  Emit(0x0f, 0, 5, 0, 0);
  Emit(kStore64, 4, 0, 0, 0);
  if (OneIn(2)) Emit(0x72, 3, 0, 0, static_cast<int32_t>(Below(100)));  // value[0] = n
  if (!IsArray(spec.type) && OneIn(2)) {
    Call(3);  // r1 and r2 are the map and the key
    MoveImm(0, 0);
  } else if (IsArray(spec.type) && OneIn(2)) {
    Emit(0x57, 5, 0, 0, 7);
    MoveImm(0, 0);
    Emit(0x55, 5, 0, 1, 0);
    MoveImm(0, 1);
  } else {
    MoveImm(0, 0);
  }
  Emit(0x95, 0, 0, 0, 0);
}

void MapProgramGenerator::Queue(uint32_t index) {
  const MapSpec& spec = (*maps_)[index];
  const bool bloom = spec.type == MapType::kBloomFilter;
  ValueOnStack(spec.value_size);
  if (bloom) Emit(kStoreImm64, kFrame, 0, kValueAt, static_cast<int32_t>(Below(16)));
  Map(1, index);
  Stack(2, kValueAt);
  switch (Below(3)) {
    case 0: {
      constexpr int32_t kFlags[] = {0, 0, 2, 2, 1, 4};
      MoveImm(3, Of(kFlags));
      Call(87);
      Fold(0);
      return;
    }
    case 1:
      Call(bloom ? 89 : 88);
      break;
    default:
      Call(89);
  }
  Fold(0);
  // What came, or zeroes.
  Emit(0x71, 0, kFrame, kValueAt, 0);
  Fold(0);
}

void MapProgramGenerator::Record(uint32_t index) {
  if (OneIn(4)) {
    Map(1, index);
    MoveImm(2, static_cast<int32_t>(Below(4)));
    Call(134);  // how much there is, and where
    Fold(0);
    return;
  }
  const uint32_t size = 1 + Below(kMostValue);
  if (OneIn(2)) {
    ValueOnStack(size);
    Map(1, index);
    Stack(2, kValueAt);
    MoveImm(3, static_cast<int32_t>(size));
    MoveImm(4, static_cast<int32_t>(Below(4)));
    Call(130);
    Fold(0);
    return;
  }
  Map(1, index);
  MoveImm(2, static_cast<int32_t>(size));
  MoveImm(3, 0);
  Call(131);
  Emit(kJumpEqualImm, 0, 0, static_cast<int16_t>(size + 3), 0);
  for (uint32_t i = 0; i < size; ++i) {
    Emit(0x72, 0, 0, static_cast<int16_t>(i), static_cast<int32_t>(i * 3));
  }
  Move(1, 0);
  MoveImm(2, static_cast<int32_t>(Below(3)));
  Call(OneIn(3) ? 133 : 132);
}

// A lookup in a map that a lookup found, or an update of it.
void MapProgramGenerator::Inner(uint32_t index) {
  const MapSpec& spec = (*maps_)[index];
  const MapSpec& inner = *spec.inner;
  KeyOnStack(spec);
  Map(1, index);
  Stack(2, kKeyAt);
  Call(1);
  const size_t check = out_.size();
  Emit(kJumpEqualImm, 0, 0, 0, 0);
  Move(kFound, 0);
  KeyOnStack(inner);
  if (OneIn(2)) {
    Move(1, kFound);
    Stack(2, kKeyAt);
    Call(1);
    UseFound(inner.value_size, true);
  } else {
    ValueOnStack(inner.value_size);
    Move(1, kFound);
    Stack(2, kKeyAt);
    Stack(3, kValueAt);
    MoveImm(4, static_cast<int32_t>(Below(3)));
    Call(2);
    Fold(0);
  }
  out_[check].off = static_cast<int16_t>(out_.size() - check - 1);
}

void MapProgramGenerator::Operation(uint32_t index) {
  const MapType type = (*maps_)[index].type;
  if (IsQueue(type) || type == MapType::kBloomFilter) return Queue(index);
  if (type == MapType::kRingbuf) return Record(index);
  if (type == MapType::kArrayOfMaps || type == MapType::kHashOfMaps) return Inner(index);
  switch (Below(8)) {
    case 0:
    case 1:
      return Update(index);
    case 2:
      return Delete(index);
    case 3:
      if (IsPercpu(type)) return OtherCpu(index);
      return Update(index);
    case 4:
      if (type != MapType::kLpmTrie) return ForEach(index);
      return LookUp(index);
    default:
      return LookUp(index);
  }
}

Program MapProgramGenerator::Next(const std::vector<MapSpec>& maps) {
  maps_ = &maps;
  out_.clear();
  callbacks_.clear();
  MoveImm(kSum, 1);
  const uint32_t operations = 3 + Below(20);
  for (uint32_t i = 0; i < operations; ++i) Operation(Below(static_cast<uint32_t>(maps.size())));
  Move(0, kSum);
  Emit(0x95, 0, 0, 0, 0);
  std::vector<Subprogram> functions = {{.name = "f", .start = 0}};
  for (const Wanted& wanted : callbacks_) {
    const auto start = static_cast<uint32_t>(out_.size());
    functions.back().end = start;
    functions.push_back({.name = "f", .start = start});
    out_[wanted.load].imm = static_cast<int32_t>(start - wanted.load - 1);
    Callback(wanted.index);
  }
  functions.back().end = static_cast<uint32_t>(out_.size());
  for (Subprogram& function : functions) function.btf_type_id = tools::kFunctionType;
  ProgramData data;
  data.name = "maps";
  data.type = ProgramTypeId::kXdp;
  data.license = "GPL";
  data.insns = out_;
  data.subprograms = std::move(functions);
  data.btf = *btf::Btf::Parse(tools::FunctionTypes(), btf::Origin::kObjectFile);
  data.maps = maps;
  auto program = Program::Create(std::move(data));
  SKEP_CHECK(program.has_value());
  return *std::move(program);
}

}  // namespace skep::test
