// SPDX-License-Identifier: Apache-2.0
#include "tools/program_generator.h"

#include <cstring>
#include <utility>

#include "base/check.h"
#include "btf/btf.h"

namespace skep::tools {
namespace {

constexpr uint8_t kAlu[] = {0x07, 0x0f, 0x17, 0x1f, 0x27, 0x2f, 0x37, 0x47, 0x4f, 0x57, 0x5f,
                            0x67, 0x77, 0x97, 0xa7, 0xaf, 0xc7, 0x04, 0x0c, 0x14, 0x1c, 0x44,
                            0x54, 0x5c, 0x64, 0x74, 0xa4, 0xc4, 0xbc, 0x87, 0xb4, 0xbf, 0xb7};
constexpr uint8_t kJumps[] = {0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d, 0x45, 0x55, 0x5d, 0x65, 0x6d,
                              0x75, 0xa5, 0xad, 0xb5, 0xbd, 0xc5, 0xcd, 0xd5, 0xdd, 0x16, 0x26,
                              0x2e, 0x36, 0x46, 0x56, 0x66, 0xa6, 0xb6, 0xc6, 0xd6, 0xae};
constexpr uint8_t kLoads[] = {0x71, 0x69, 0x61, 0x79, 0x91, 0x89, 0x81};
constexpr uint8_t kStores[] = {0x73, 0x6b, 0x63, 0x7b, 0x72, 0x6a, 0x62, 0x7a};

constexpr int32_t kArray = 0, kHash = 1, kRing = 2;  // in GeneratedProgramMaps()
constexpr uint32_t kArrayValue = 64, kHashValue = 40;

bool HasRegisterOperand(uint8_t code) { return (code & 0x08) != 0; }

}  // namespace

std::vector<MapSpec> GeneratedProgramMaps() {
  const auto spec = [](const char* name, MapType type, uint32_t key, uint32_t value,
                       uint32_t entries) {
    MapSpec map;
    map.name = name;
    map.type = type;
    map.key_size = key;
    map.value_size = value;
    map.max_entries = entries;
    return map;
  };
  return {spec("array", MapType::kArray, 4, kArrayValue, 1),
          spec("hash", MapType::kHash, 4, kHashValue, 8),
          spec("ring", MapType::kRingbuf, 0, 0, 4096)};
}

Program GeneratedProgram::ToProgram() const {
  const auto btf = btf::Btf::Parse(FunctionTypes(), btf::Origin::kObjectFile);
  SKEP_CHECK(btf.has_value());
  ProgramData data;
  data.name = "random";
  data.type = ProgramTypeId::kXdp;
  data.license = "GPL";
  data.insns = insns;
  data.subprograms = subprograms;
  data.btf = *btf;
  data.maps = GeneratedProgramMaps();
  Result<Program> program = Program::Create(std::move(data));
  SKEP_CHECK(program.has_value());
  return *std::move(program);
}

void ProgramGenerator::Emit(uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm) {
  Insn insn;
  insn.code = code;
  insn.dst = dst & 15;
  insn.src = src & 15;
  insn.off = off;
  insn.imm = imm;
  out_.push_back(insn);
}

// r7 .. r9 hold numbers most of the time, r6 the context.
uint8_t ProgramGenerator::Scalar() {
  return static_cast<uint8_t>(Chance(98) ? 7 + Below(3) : Below(6));
}

int32_t ProgramGenerator::Immediate() {
  switch (Below(6)) {
    case 0:
      return static_cast<int32_t>(Below(8));
    case 1:
      return static_cast<int32_t>(Below(70));
    case 2:
      return -static_cast<int32_t>(Below(70));
    case 3:
      return static_cast<int32_t>(1u << Below(32));
    case 4:
      return static_cast<int32_t>((uint64_t{1} << Below(32)) - 1);
    default:
      return static_cast<int32_t>(random_());
  }
}

void ProgramGenerator::Alu() {
  const uint8_t code = kAlu[Below(std::size(kAlu))];
  const uint8_t dst = Scalar();
  if (HasRegisterOperand(code)) return Emit(code, dst, Scalar(), 0, 0);
  int32_t imm = Immediate();
  const uint8_t op = code & 0xf0;
  if (op == 0x60 || op == 0x70 || op == 0xc0) imm = static_cast<int32_t>(Below(33));
  if (op == 0x80) imm = 0;
  if ((op == 0x30 || op == 0x90) && imm == 0) imm = 3;
  Emit(code, dst, 0, 0, imm);
}

void ProgramGenerator::Random() {
  Emit(0x85, 0, 0, 0, 7);  // get_prandom_u32
  Move(static_cast<uint8_t>(7 + Below(3)), 0);
}

void ProgramGenerator::Stack() {
  const uint32_t size_log = Below(4);
  const int size = 1 << size_log;
  int16_t off = static_cast<int16_t>(-8 * static_cast<int>(1 + Below(4)));
  off = static_cast<int16_t>(off + size * static_cast<int>(Below(static_cast<uint32_t>(8 / size))));
  if (Chance(1)) off = static_cast<int16_t>(off + 1);
  if (Chance(55)) {
    const bool immediate = Chance(30);
    Emit(kStores[size_log + (immediate ? 4 : 0)], 10, immediate ? 0 : Scalar(), off,
         immediate ? Immediate() : 0);
  } else {
    const uint32_t load = Chance(20) && size < 8 ? size_log + 4 : size_log;
    Emit(kLoads[load], Scalar(), 10, off, 0);
  }
}

// A whole register of any kind to the stack and back.
void ProgramGenerator::Spill() {
  const auto off = static_cast<int16_t>(-8 * static_cast<int>(5 + Below(3)));
  Emit(0x7b, 10, Chance(90) ? static_cast<uint8_t>(6 + Below(5)) : AnyRegister(), off, 0);
  if (Chance(50)) Emit(0x79, Scalar(), 10, off, 0);
}

void ProgramGenerator::VariableStack() {
  const uint8_t index = Scalar();
  Emit(0x57, index, 0, 0, static_cast<int32_t>(Chance(90) ? 24 : Below(64)));
  Move(2, 10);
  Emit(0x07, 2, 0, 0, -32);
  Emit(0x0f, 2, index, 0, 0);
  if (Chance(50)) {
    Emit(kLoads[Below(4)], Scalar(), 2, 0, 0);
  } else {
    Emit(kStores[Below(4)], 2, Scalar(), 0, 0);
  }
}

// r0 = the map's element, or null.
void ProgramGenerator::Lookup(int32_t map) {
  if (map == kHash && Chance(40)) {
    Emit(0x63, 10, Scalar(), -4, 0);
  } else {
    Emit(0x62, 10, 0, -4, static_cast<int32_t>(Below(3)));
  }
  Move(2, 10);
  Emit(0x07, 2, 0, 0, -4);
  Emit(0x18, 1, 1, 0, map);
  Emit(0, 0, 0, 0, 0);
  Emit(0x85, 0, 0, 0, 1);
}

// Accesses the `size` bytes at r0, mostly inside.
void ProgramGenerator::UseValue(uint32_t size) {
  const uint8_t index = Scalar();
  if (Chance(60)) {
    if (Chance(50)) {
      Emit(0x57, index, 0, 0, static_cast<int32_t>(Chance(70) ? size / 2 - 1 : Below(80)));
    } else {
      Emit(Chance(50) ? 0x25 : 0x65, index, 0, 1, static_cast<int32_t>(Below(size + 6)));
    }
    Emit(Chance(90) ? 0x0f : 0x1f, 0, index, 0, 0);
  }
  const uint32_t size_log = Below(4);
  const auto off =
      static_cast<int16_t>(static_cast<int>(Below(size * 5 / 8)) - (Chance(5) ? 10 : 0));
  if (Chance(50)) {
    Emit(kLoads[size_log], Scalar(), 0, off, 0);
  } else if (Chance(85)) {
    Emit(kStores[size_log], 0, Scalar(), off, 0);
  } else {
    Emit(Chance(50) ? 0xdb : 0xc3, 0, Scalar(), static_cast<int16_t>(off & ~7), 0x01);
  }
}

void ProgramGenerator::MapAccess() {
  const bool hash = Chance(30);
  Lookup(hash ? kHash : kArray);
  size_t check = 0;
  if (Chance(97)) {
    check = out_.size();
    Emit(0x15, 0, 0, 0, 0);  // if r0 == 0 goto the end of this
  }
  UseValue(hash ? kHashValue : kArrayValue);
  if (check != 0) out_[check].off = static_cast<int16_t>(out_.size() - check - 1);
}

// Puts stack bytes into the hash, or takes an element out.
void ProgramGenerator::HashAccess() {
  Emit(0x63, 10, Scalar(), -4, 0);
  Move(2, 10);
  Emit(0x07, 2, 0, 0, -4);
  Emit(0x18, 1, 1, 0, kHash);
  Emit(0, 0, 0, 0, 0);
  if (Chance(70)) {
    Move(3, 10);
    Emit(0x07, 3, 0, 0, -static_cast<int32_t>(kHashValue) - 8 * static_cast<int32_t>(Below(3)));
    MoveImm(4, 0);
    Emit(0x85, 0, 0, 0, 2);
  } else {
    Emit(0x85, 0, 0, 0, 3);
  }
  if (Chance(30)) Move(static_cast<uint8_t>(7 + Below(3)), 0);
}

// r0 = an address inside the array's value.
void ProgramGenerator::ValueAddress() {
  const uint32_t off = Below(Chance(90) ? kArrayValue / 2 : kArrayValue + 4);
  Emit(0x18, 0, 2, 0, kArray);
  Emit(0, 0, 0, 0, static_cast<int32_t>(off));
  UseValue(kArrayValue > off ? kArrayValue - off + 1 : 8);
}

// Reserves a record, writes to it and gives it back.
void ProgramGenerator::Record() {
  const uint32_t size = 8 + Below(40);
  Emit(0x18, 1, 1, 0, kRing);
  Emit(0, 0, 0, 0, 0);
  MoveImm(2, static_cast<int32_t>(size));
  MoveImm(3, 0);
  Emit(0x85, 0, 0, 0, 131);
  const size_t check = out_.size();
  Emit(0x15, 0, 0, 0, 0);
  constexpr int16_t kSlot = -40;
  const bool spilled = Chance(40);
  Emit(0x7b, 10, 0, kSlot, 0);
  if (Chance(70)) UseValue(size);
  if (spilled && Chance(50)) Emit(0x85, 0, 0, 0, 7);
  if (Chance(97)) {
    Emit(0x79, 1, 10, kSlot, 0);
    MoveImm(2, 0);
    Emit(0x85, 0, 0, 0, Chance(50) ? 132 : 133);
  }
  out_[check].off = static_cast<int16_t>(out_.size() - check - 1);
}

// A copy of a number, perhaps moved by a constant; a bound on one of the two, an
// access by the other. What lies between may end a path at an older state.
void ProgramGenerator::LinkedIndex() {
  const auto copy = static_cast<uint8_t>(7 + Below(3));
  const uint8_t from = copy == 9 ? 7 : static_cast<uint8_t>(copy + 1);
  Move(copy, from);
  if (Chance(40)) Emit(0x07, copy, 0, 0, static_cast<int32_t>(Below(8)));
  if (Chance(30)) Emit(0x7b, 10, copy, -48, 0);
  const size_t check = out_.size();
  Emit(0x25, from, 0, 0, static_cast<int32_t>(Below(40)));  // if from > bound goto the end
  if (Chance(50)) Branch();
  Emit(0x18, 0, 2, 0, kArray);
  Emit(0, 0, 0, 0, 0);
  Emit(0x0f, 0, Chance(85) ? copy : from, 0, 0);
  Emit(kLoads[Below(4)], copy, 0, static_cast<int16_t>(Below(20)), 0);
  out_[check].off = static_cast<int16_t>(out_.size() - check - 1);
}

// data, data_end, a comparison of some form, an access.
void ProgramGenerator::Packet() {
  if (in_subprogram_) return Alu();
  const bool meta = Chance(15);  // metadata, which ends where the packet starts
  Emit(0x61, 2, 6, meta ? 8 : 0, 0);
  Emit(0x61, 3, 6, meta ? 0 : 4, 0);
  const bool variable = Chance(40);
  if (variable) {
    const uint8_t index = Scalar();
    Emit(0x57, index, 0, 0, static_cast<int32_t>(Chance(80) ? 15 : Below(0x20000)));
    Emit(0x0f, 2, index, 0, 0);
  }
  Move(4, 2);
  const auto length = static_cast<int32_t>(Below(20));
  Emit(0x07, 4, 0, 0, length);
  constexpr uint8_t kCompare[] = {0x2d, 0x3d, 0xad, 0xbd};
  const bool swapped = Chance(50);
  const uint32_t wrong = Chance(20) ? 2 : 0;  // the other direction
  const uint8_t code = kCompare[(Below(2) + (swapped ? 2 : 0) + wrong) % 4];
  const size_t check = out_.size();
  Emit(code, swapped ? 3 : 4, swapped ? 4 : 3, 0, 0);
  const uint32_t size_log = Below(4);
  const uint32_t size = 1u << size_log;
  // Mostly inside what the right comparison proves.
  const uint32_t most =
      static_cast<uint32_t>(length) + 1 > size ? static_cast<uint32_t>(length) + 1 - size : 1;
  const auto off = static_cast<int16_t>(Below(Chance(85) ? most : 24));
  if (Chance(60)) {
    Emit(kLoads[size_log], Scalar(), Chance(80) ? 2 : 4, off, 0);
  } else {
    Emit(kStores[size_log], Chance(80) ? 2 : 4, Scalar(), off, 0);
  }
  out_[check].off = static_cast<int16_t>(out_.size() - check - 1);
}

void ProgramGenerator::Atomic() {
  const auto off = static_cast<int16_t>(-8 * static_cast<int>(1 + Below(4)));
  constexpr int32_t kOps[] = {0x00, 0x40, 0x50, 0xa0, 0x01, 0x41, 0xe1, 0xf1};
  Emit(Chance(70) ? 0xdb : 0xc3, 10, Scalar(), off, kOps[Below(8)]);
}

void ProgramGenerator::Branch() {
  const uint8_t code = kJumps[Below(std::size(kJumps))];
  const size_t at = out_.size();
  if (HasRegisterOperand(code)) {
    Emit(code, Scalar(), Scalar(), 0, 0);
  } else {
    Emit(code, Scalar(), 0, 0, Immediate());
  }
  const uint32_t skipped = 1 + Below(3);
  for (uint32_t i = 0; i < skipped; ++i) Chance(70) ? Alu() : Stack();
  out_[at].off = static_cast<int16_t>(out_.size() - at - 1);
}

// Whatever a round of a loop does; jumps out of it go to `exits`.
void ProgramGenerator::LoopBody(int steps, std::vector<size_t>* exits) {
  for (int i = 0; i < steps; ++i) {
    const uint32_t pick = Below(100);
    if (pick < 35) {
      Alu();
    } else if (pick < 52) {
      Branch();
    } else if (pick < 64) {
      Stack();
    } else if (pick < 71) {
      Spill();
    } else if (pick < 78) {
      VariableStack();
    } else if (pick < 84) {
      MapAccess();
    } else if (pick < 90) {
      Call();
    } else if (pick < 94) {
      LoadContext();
    } else {
      exits->push_back(out_.size());
      const uint8_t code = kJumps[Below(std::size(kJumps))];
      Emit(code, Scalar(), HasRegisterOperand(code) ? Scalar() : 0, 0,
           HasRegisterOperand(code) ? 0 : Immediate());
    }
  }
}

void ProgramGenerator::Loop() {
  if (loops_++ > 1) return Alu();
  const auto counter = static_cast<uint8_t>(7 + Below(3));
  MoveImm(counter, 0);
  const size_t start = out_.size();
  std::vector<size_t> exits;
  LoopBody(1 + static_cast<int>(Below(4)), &exits);
  Emit(0x07, counter, 0, 0, 1);
  const size_t at = out_.size();
  Emit(Chance(50) ? 0xa5 : 0xc5, counter, 0,
       static_cast<int16_t>(-static_cast<int>(at + 1 - start)), static_cast<int32_t>(1 + Below(6)));
  for (const size_t exit : exits) out_[exit].off = static_cast<int16_t>(out_.size() - exit - 1);
}

// A loop that ends when the kernel's counter does.
void ProgramGenerator::MayGoto() {
  if (loops_++ > 2) return Alu();
  const size_t start = out_.size();
  Emit(0xe5, 0, 0, 0, 0);
  std::vector<size_t> exits{start};
  LoopBody(1 + static_cast<int>(Below(5)), &exits);
  const size_t back = out_.size();
  Emit(0x05, 0, 0, static_cast<int16_t>(-static_cast<int>(back + 1 - start)), 0);
  for (const size_t exit : exits) out_[exit].off = static_cast<int16_t>(out_.size() - exit - 1);
}

// In a callback: the number that the rounds share, to and fro.
void ProgramGenerator::LoadContext() {
  if (!in_callback_) return Alu();
  if (Chance(50)) {
    Emit(0x79, Scalar(), 6, 0, 0);
  } else {
    Emit(0x7b, 6, Scalar(), 0, 0);
  }
}

// bpf_loop; the callback shares a number on the stack with the caller.
void ProgramGenerator::Callback() {
  if (in_subprogram_ || callbacks_.size() > 1) return Alu();
  if (Chance(70)) {
    MoveImm(1, static_cast<int32_t>(Chance(50) ? Below(4) : 600));
  } else {
    Move(1, Scalar());
  }
  callbacks_.push_back(out_.size());
  Emit(0x18, 2, 4, 0, 0);
  Emit(0, 0, 0, 0, 0);
  Move(3, 10);
  Emit(0x07, 3, 0, 0, -8 * static_cast<int32_t>(1 + Below(4)));
  MoveImm(4, 0);
  Emit(0x85, 0, 0, 0, 181);
}

// trace_printk reads as many bytes of stack as a number says.
void ProgramGenerator::HelperMemory() {
  Move(1, 10);
  Emit(0x07, 1, 0, 0, -32);
  if (Chance(50)) {
    const uint8_t size = Scalar();
    Emit(0x57, size, 0, 0, static_cast<int32_t>(Chance(80) ? 15 : Below(64)));
    Emit(0x07, size, 0, 0, static_cast<int32_t>(Below(3)));
    Move(2, size);
  } else {
    MoveImm(2, static_cast<int32_t>(1 + Below(34)));
  }
  Emit(0x85, 0, 0, 0, 6);
}

void ProgramGenerator::Call() {
  if (in_subprogram_) return Alu();
  Move(1, Chance(60) ? 10 : Scalar());
  if (out_.back().src == 10) Emit(0x07, 1, 0, 0, -8 * static_cast<int32_t>(1 + Below(4)));
  Move(2, Scalar());
  calls_.push_back(out_.size());
  Emit(0x85, 0, 1, 0, 0);
  if (Chance(60)) Move(static_cast<uint8_t>(7 + Below(3)), 0);
}

void ProgramGenerator::Block(int steps) {
  for (int i = 0; i < steps; ++i) {
    const uint32_t pick = Below(100);
    if (pick < 25) {
      Alu();
    } else if (pick < 28) {
      LinkedIndex();
    } else if (pick < 40) {
      Branch();
    } else if (pick < 55) {
      Stack();
    } else if (pick < 61) {
      MapAccess();
    } else if (pick < 62) {
      HashAccess();
    } else if (pick < 63) {
      ValueAddress();
    } else if (pick < 64) {
      Record();
    } else if (pick < 69) {
      Packet();
    } else if (pick < 75) {
      Random();
    } else if (pick < 81) {
      VariableStack();
    } else if (pick < 86) {
      Call();
    } else if (pick < 89) {
      Loop();
    } else if (pick < 91) {
      MayGoto();
    } else if (pick < 92) {
      Callback();
    } else if (pick < 94) {
      HelperMemory();
    } else if (pick < 97) {
      Spill();
    } else {
      Atomic();
    }
  }
}

GeneratedProgram ProgramGenerator::Next() {
  out_.clear();
  calls_.clear();
  callbacks_.clear();
  in_subprogram_ = in_callback_ = false;
  loops_ = 0;
  Move(6, 1);
  MoveImm(0, 0);
  for (uint8_t r = 7; r < 10; ++r) {
    if (Chance(50)) {
      Emit(0x85, 0, 0, 0, 7);
      Move(r, 0);
    } else {
      MoveImm(r, Immediate());
    }
  }
  if (Chance(80)) {
    for (int off = -32; off < 0; off += 8) Emit(0x7a, 10, 0, static_cast<int16_t>(off), 0);
  }
  Block(3 + static_cast<int>(Below(10)));
  MoveImm(0, static_cast<int32_t>(Below(3)));
  Emit(0x95, 0, 0, 0, 0);

  GeneratedProgram result;
  const auto main_end = static_cast<uint32_t>(out_.size());
  result.subprograms.push_back({"main", 0, main_end, false, 0});
  in_subprogram_ = true;
  if (!calls_.empty()) Function("callee", calls_, result);
  in_callback_ = true;
  result.calls_back = !callbacks_.empty();
  if (result.calls_back) Function("callback", callbacks_, result);
  if (result.calls_back) {
    for (Subprogram& s : result.subprograms) s.btf_type_id = kFunctionType;
  }
  result.insns = out_;
  return result;
}

// A function at the end of the program, entered from `users`.
void ProgramGenerator::Function(std::string name, const std::vector<size_t>& users,
                                GeneratedProgram& result) {
  const auto start = static_cast<uint32_t>(out_.size());
  if (in_callback_) {
    Move(6, 2);
    Move(7, 1);
    Emit(0x79, 8, 6, 0, 0);
  } else {
    Move(7, 2);
    MoveImm(8, 1);
    if (Chance(50)) Emit(kLoads[Below(4)], 8, 1, 0, 0);
  }
  MoveImm(9, Immediate());
  if (!in_callback_ && Chance(40)) Emit(0x7b, 1, 7, 0, 0);
  loops_ = in_callback_ && Chance(50) ? 1 : 2;
  std::vector<size_t> exits;
  if (in_callback_) {
    LoopBody(1 + static_cast<int>(Below(6)), &exits);
  } else {
    Block(1 + static_cast<int>(Below(5)));
  }
  for (const size_t exit : exits) out_[exit].off = static_cast<int16_t>(out_.size() - exit - 1);
  Move(0, Scalar());
  if (in_callback_) Chance(70) ? MoveImm(0, 0) : Emit(0x57, 0, 0, 0, 1);
  Emit(0x95, 0, 0, 0, 0);
  result.subprograms.push_back(
      {std::move(name), start, static_cast<uint32_t>(out_.size()), false, 0});
  for (const size_t at : users) out_[at].imm = static_cast<int32_t>(start - at - 1);
}

std::vector<std::byte> FunctionTypes() {
  constexpr uint32_t kInt = 1u << 24, kFunc = 12u << 24, kFuncProto = 13u << 24;
  constexpr char kNames[] = "\0int\0f";
  constexpr uint32_t kWords[] = {
      0xeb9f | 1u << 16,
      24,
      0,
      40,
      40,
      sizeof(kNames),  // header
      1,
      kInt,
      4,
      1u << 24 | 32,  // 1: int
      0,
      kFuncProto,
      1,  // 2: int(void)
      5,
      kFunc,
      2,  // 3: f
  };
  std::vector<std::byte> bytes(sizeof(kWords) + sizeof(kNames));
  std::memcpy(bytes.data(), kWords, sizeof(kWords));
  std::memcpy(bytes.data() + sizeof(kWords), kNames, sizeof(kNames));
  return bytes;
}

}  // namespace skep::tools
