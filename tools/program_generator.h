// SPDX-License-Identifier: Apache-2.0
// Random programs aimed at a verifier: pointers of every kind, bounds checks
// that are right, wrong or missing, spills, loops, calls. About half of them
// are safe.
//
// Threads: one generator a thread.

#ifndef SKEP_TOOLS_PROGRAM_GENERATOR_H_
#define SKEP_TOOLS_PROGRAM_GENERATOR_H_

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "skep/insn.h"
#include "skep/map_spec.h"
#include "skep/program.h"

namespace skep::tools {

// An array of one element, a hash, a ring buffer.
std::vector<MapSpec> GeneratedProgramMaps();

struct GeneratedProgram {
  std::vector<Insn> insns;  // map references are indexes into GeneratedProgramMaps()
  std::vector<Subprogram> subprograms;
  // Uses bpf_loop: its functions need types. They have kFunctionType then, of
  // the BTF that FunctionTypes gives.
  bool calls_back = false;
  // As an XDP program, with the maps and the types.
  Program ToProgram() const;
};

inline constexpr uint32_t kFunctionType = 3;  // int f(void)
std::vector<std::byte> FunctionTypes();

class ProgramGenerator {
 public:
  explicit ProgramGenerator(uint64_t seed) : random_(seed) {}
  // A program that works on an XDP context.
  GeneratedProgram Next();

 private:
  uint32_t Below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  bool Chance(uint32_t percent) { return Below(100) < percent; }
  uint8_t AnyRegister() { return static_cast<uint8_t>(Below(10)); }
  uint8_t Scalar();
  int32_t Immediate();
  void Emit(uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm);
  void MoveImm(uint8_t dst, int32_t imm) { Emit(0xb7, dst, 0, 0, imm); }
  void Move(uint8_t dst, uint8_t src) { Emit(0xbf, dst, src, 0, 0); }

  void Alu();
  void Random();
  void Stack();
  void VariableStack();
  void Lookup(int32_t map);
  void UseValue(uint32_t size);
  void MapAccess();
  void HashAccess();
  void ValueAddress();
  void Record();
  void LinkedIndex();
  void Packet();
  void Branch();
  void Loop();
  void MayGoto();
  void HelperMemory();
  void Call();
  void Callback();
  void LoopBody(int steps, std::vector<size_t>* exits);
  void LoadContext();
  void Function(std::string name, const std::vector<size_t>& users, GeneratedProgram& result);
  void Atomic();
  void Spill();
  void Block(int depth);

  std::mt19937_64 random_;
  std::vector<Insn> out_;
  std::vector<size_t> calls_;
  std::vector<size_t> callbacks_;  // loads of the callback's address
  bool in_subprogram_ = false;
  bool in_callback_ = false;  // r6 points to a number on the caller's stack
  int loops_ = 0;
};

}  // namespace skep::tools

#endif  // SKEP_TOOLS_PROGRAM_GENERATOR_H_
