// SPDX-License-Identifier: Apache-2.0
// Random programs that do nothing but use maps: they look up, update, delete, push, pop,
// peek, iterate and read other CPUs' values, with random keys, flags and sizes, and fold
// what the helpers return and what they find into r0.
//
// Threads: one generator a thread.

#ifndef SKEP_TESTS_MAPS_MAP_PROGRAM_H_
#define SKEP_TESTS_MAPS_MAP_PROGRAM_H_

#include <cstdint>
#include <random>
#include <vector>

#include "skep/insn.h"
#include "skep/map_spec.h"
#include "skep/program.h"

#include "tests/maps/map_keys.h"

namespace skep::test {

// Key sizes are at most kMostKey, value sizes kMostValue.
inline constexpr uint32_t kMostKey = 24, kMostValue = 72;

class MapProgramGenerator {
 public:
  explicit MapProgramGenerator(uint64_t seed) : random_(seed) {}

  // Maps of random types and sizes. A map of maps has `inner` as what it holds.
  std::vector<MapSpec> Maps(std::shared_ptr<const MapSpec> inner);
  // An XDP program over them, accepted by the verifier with root's rights.
  Program Next(const std::vector<MapSpec>& maps);

 private:
  uint32_t Below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  bool OneIn(uint32_t n) { return Below(n) == 0; }
  template <class T, size_t n>
  T Of(const T (&choices)[n]) {
    return choices[Below(n)];
  }
  void Emit(uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm);
  void MoveImm(uint8_t dst, int32_t imm) { Emit(0xb7, dst, 0, 0, imm); }
  void Move(uint8_t dst, uint8_t src) { Emit(0xbf, dst, src, 0, 0); }
  void Wide(uint8_t dst, uint8_t pseudo, uint64_t value);
  void Map(uint8_t dst, uint32_t index) { Wide(dst, 1, index); }
  void Stack(uint8_t dst, int16_t offset);
  void Call(int32_t helper) { Emit(0x85, 0, 0, 0, helper); }
  void Fold(uint8_t source);
  void KeyOnStack(const MapSpec& spec);
  void ValueOnStack(uint32_t size);
  void UseFound(uint32_t value_size, bool may_write);

  void Operation(uint32_t index);
  void LookUp(uint32_t index);
  void Update(uint32_t index);
  void Delete(uint32_t index);
  void OtherCpu(uint32_t index);
  void ForEach(uint32_t index);
  void Queue(uint32_t index);
  void Record(uint32_t index);
  void Inner(uint32_t index);
  void Callback(uint32_t index);

  std::mt19937_64 random_;
  const std::vector<MapSpec>* maps_ = nullptr;
  std::vector<Insn> out_;
  struct Wanted {
    size_t load;     // of the callback's address
    uint32_t index;  // of the map
  };
  std::vector<Wanted> callbacks_;
};

}  // namespace skep::test

#endif  // SKEP_TESTS_MAPS_MAP_PROGRAM_H_
