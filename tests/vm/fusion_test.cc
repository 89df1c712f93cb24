// SPDX-License-Identifier: Apache-2.0
// Every row of vm/fusions.def, in every way its instructions can depend on one
// another, does what its instructions do one by one: registers, memory, fuel.
// Random programs on all engines: tests/differential_test.cc, tests/jit/random_test.cc.
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mman.h>

#include "isa/semantics.h"
#include "model/execution_layout.h"
#include "model/fuel.h"
#include "tests/vm/engine_fixture.h"
#include "vm/fusions.h"
#include "vm/interpreter.h"

namespace skep {
namespace {

using interpreter::Fusion;
using interpreter::Fusions;
using interpreter::kDstLink;
using interpreter::kLinkBits;
using interpreter::kSrcLink;
using model::ExecInsn;
using model::ExecProgram;

std::string NameOf(const Fusion& fusion) {
  std::string name;
  for (uint32_t i = 0; i < fusion.size; ++i) {
    name += (i == 0 ? "" : ", ") + std::string(Info(fusion.ops[i]).name);
  }
  return name;
}

bool IsJump(Op op) { return ClassOf(op) == OpClass::kBranch || ClassOf(op) == OpClass::kJump; }
bool UsesSrc(Op op) {
  return UsesSrcRegister(Info(op).operands) || Info(op).operands == Operands::kDstMem;
}
bool UsesDst(Op op) { return Info(op).Has(kReadsDst | kWritesDst); }

// Memory that 32-bit arithmetic can address, so that sequences which compute an
// address in 32 bits can be run too.
class LowMemory {
 public:
  static constexpr size_t kBytes = 1 << 16;
  LowMemory() {
    void* hint = reinterpret_cast<void*>(uintptr_t{0x20000000});
    void* memory = mmap(hint, kBytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (memory != MAP_FAILED) start_ = static_cast<std::byte*>(memory);
  }
  ~LowMemory() {
    if (start_ != nullptr) munmap(start_, kBytes);
  }
  LowMemory(const LowMemory&) = delete;
  LowMemory& operator=(const LowMemory&) = delete;
  bool ok() const { return start_ != nullptr; }
  uint64_t middle() const { return reinterpret_cast<uintptr_t>(start_) + kBytes / 2; }
  bool Holds(uint64_t address) const {
    const auto low = reinterpret_cast<uintptr_t>(start_);
    return address >= low && address + 8 <= low + kBytes;
  }
  std::vector<std::byte> Copy() const { return {start_, start_ + kBytes}; }
  // Words that are addresses again, so that a loaded pointer can be followed.
  void Fill() {
    for (uint64_t i = 0; i < kBytes; i += 8) {
      const uint64_t word = WordAt(i);
      std::memcpy(start_ + i, &word, sizeof word);
    }
  }
  // What Fill leaves at an address inside.
  uint64_t Filled(uint64_t address) const {
    const uint64_t at = address - reinterpret_cast<uintptr_t>(start_);
    const uint64_t words[2] = {WordAt(at & ~uint64_t{7}), WordAt((at & ~uint64_t{7}) + 8)};
    uint64_t value;
    std::memcpy(&value, reinterpret_cast<const std::byte*>(words) + (at & 7), sizeof value);
    return value;
  }

 private:
  uint64_t WordAt(uint64_t at) const { return middle() + at * 0x9e3779b1 % 4096; }
  std::byte* start_ = nullptr;
};

// One try at a row: operands and what the registers hold.
struct Case {
  std::vector<ExecInsn> insns;
  std::array<uint64_t, 10> r;
};

class Fused : public test::EngineTest {
 protected:
  // Operands at random, with the wanted equalities of registers and no others.
  Case MakeCase(const Fusion& fusion, unsigned links) {
    Case out;
    for (uint64_t& value : out.r) value = Value();
    uint8_t before = 0;
    for (uint32_t i = 0; i < fusion.size; ++i) {
      const unsigned link = i == 0 ? 0 : links >> (kLinkBits * (i - 1));
      ExecInsn insn;
      insn.op = fusion.ops[i];
      insn.dst = (link & kDstLink) != 0 ? before : Other(before, i);
      insn.src = UsesSrc(insn.op) ? ((link & kSrcLink) != 0 ? before : Other(before, i)) : 0;
      insn.off = static_cast<int16_t>(random_() % 256);
      insn.imm = static_cast<int32_t>(random_() % 2 == 0 ? Value() : random_() % 32);
      if (insn.op == Op::kLdImm64) insn.set_wide(memory_.middle() + random_() % 1024);
      before = insn.dst;
      out.insns.push_back(insn);
    }
    return out;
  }
  // Numbers, addresses, and what becomes an address when doubled or swapped.
  uint64_t Value() {
    const uint64_t address = memory_.middle() + random_() % 1024;
    switch (random_() % 8) {
      case 0:
        return random_() % 64;
      case 1:
        return random_();
      case 2:
        return address / 2;
      case 3:
        return SwapBytes(address, 64);
      case 4:
        return SwapBytes(address / 2, 64);
      default:
        return address;
    }
  }
  uint8_t Other(uint8_t taken, uint32_t i) {
    for (;;) {
      const auto r = static_cast<uint8_t>(random_() % 10);
      if (i == 0 || r != taken) return r;
    }
  }

  // Narrow loads give no address in this process, so nothing can be read there.
  static bool HasNoOperands(const Fusion& fusion, unsigned links) {
    for (uint32_t i = 1; i < fusion.size; ++i) {
      const unsigned link = links >> (kLinkBits * (i - 1));
      const Op before = fusion.ops[i - 1];
      const OpClass op_class = ClassOf(fusion.ops[i]);
      const unsigned base = op_class == OpClass::kLoad                                    ? kSrcLink
                            : op_class == OpClass::kStore || op_class == OpClass::kAtomic ? kDstLink
                                                                                          : 0u;
      const bool narrow = ClassOf(before) == OpClass::kLoad && Info(before).width < 32;
      if (narrow && (link & base) != 0) return true;
    }
    return false;
  }

  // Follows the case by the functions of semantics.h; false if it would leave
  // the memory.
  bool Stays(const Case& c) const {
    std::array<uint64_t, 10> r = c.r;
    for (const ExecInsn& insn : c.insns) {
      const OpInfo& info = Info(insn.op);
      const uint64_t imm = static_cast<uint64_t>(int64_t{insn.imm});
      const uint64_t off = static_cast<uint64_t>(int64_t{insn.off});
      switch (ClassOf(insn.op)) {
        case OpClass::kAlu:
          r[insn.dst] =
              EvalAlu(info.kind, info.width, r[insn.dst], UsesSrc(insn.op) ? r[insn.src] : imm);
          break;
        case OpClass::kLoad: {
          const uint64_t address = r[insn.src] + off;
          if (!memory_.Holds(address)) return false;
          const uint64_t value = memory_.Filled(address);
          r[insn.dst] = info.kind == OpKind::kLoadSx ? SignExtend(value, info.width)
                                                     : ZeroExtend(value, info.width);
          break;
        }
        case OpClass::kStore:
        case OpClass::kAtomic:
          if (!memory_.Holds(r[insn.dst] + off)) return false;
          if (ClassOf(insn.op) == OpClass::kAtomic && (r[insn.dst] + off) % 8 != 0) return false;
          break;
        case OpClass::kWideLoad:
          r[insn.dst] = insn.wide();
          break;
        default:
          break;
      }
    }
    return true;
  }

  // registers from wide loads; the sequence; every register to
  // the stack; exit. A jump that is taken skips (or goes back to) code that
  // says so in the last stack word.
  std::shared_ptr<const ExecProgram> Program(const Case& c, bool backward, size_t* at) {
    auto exec = std::make_shared<ExecProgram>();
    exec->name = "fused";
    exec->verified = true;
    const auto add = [&](ExecInsn insn) { exec->insns.push_back(insn); };
    const auto mark = [&](int32_t value) {
      add({.op = Op::kStDw, .dst = 10, .off = -8, .imm = value});
    };
    const auto leave = [&] {
      for (uint8_t i = 0; i < 10; ++i) {
        add({.op = Op::kStxDw, .dst = 10, .src = i, .off = static_cast<int16_t>(-16 - 8 * i)});
      }
      add({.op = Op::kMov64Imm, .dst = 0, .imm = 1});
      add({.op = Op::kExit});
    };
    add({.op = Op::kJa, .target = 0});
    uint32_t taken = 0;
    if (backward) {
      taken = static_cast<uint32_t>(exec->insns.size());
      mark(2);
      leave();
    }
    exec->insns[0].target = static_cast<uint32_t>(exec->insns.size());
    for (uint8_t i = 0; i < 10; ++i) {
      ExecInsn load{.op = Op::kLdImm64, .dst = i};
      load.set_wide(c.r[i]);
      add(load);
    }
    *at = exec->insns.size();
    const size_t last = *at + c.insns.size() - 1;
    for (const ExecInsn& insn : c.insns) add(insn);
    mark(1);
    leave();
    if (!backward) {
      taken = static_cast<uint32_t>(exec->insns.size());
      mark(2);
      leave();
    }
    if (IsJump(exec->insns[last].op)) exec->insns[last].target = taken;
    for (uint32_t i = 0; i < exec->insns.size(); ++i) exec->origin.push_back(i);
    return exec;
  }

  struct Outcome {
    std::vector<std::byte> stack;
    std::vector<std::byte> memory;
    int64_t fuel;
    uint64_t r0;
    bool operator==(const Outcome&) const = default;
  };
  Outcome RunOnce(const ThreadedProgram& code) {
    using model::ExecutionLayout;
    memory_.Fill();
    constexpr size_t kStack = model::kStackBytes;
    std::byte* stack = ExecutionLayout::stack(*context_);
    std::fill_n(stack, kStack, std::byte{0});
    model::StartFuel(*context_);
    Outcome out;
    out.r0 = Interpret(code, *context_, 0, 0);
    out.stack.assign(stack, stack + kStack);
    out.memory = memory_.Copy();
    out.fuel = ExecutionLayout::fuel(*context_);
    return out;
  }

  LowMemory memory_;
  std::mt19937_64 random_{20};
};

TEST_P(Fused, EveryRowDoesWhatItsInstructionsDo) {
  ASSERT_TRUE(memory_.ok());
  for (const Fusion& fusion : Fusions()) {
    unsigned possible = 0;
    for (uint32_t i = 1; i < fusion.size; ++i) {
      const unsigned link =
          (UsesDst(fusion.ops[i]) ? kDstLink : 0) | (UsesSrc(fusion.ops[i]) ? kSrcLink : 0);
      if (Info(fusion.ops[i - 1]).Has(kWritesDst)) possible |= link << (kLinkBits * (i - 1));
    }
    for (unsigned links = 0; links < fusion.variants(); ++links) {
      if ((links & ~possible) != 0 || HasNoOperands(fusion, links)) continue;
      for (const bool backward : {false, true}) {
        if (backward && !IsJump(fusion.last())) continue;
        int done = 0;
        for (int attempt = 0; attempt < 200000 && done < 12; ++attempt) {
          const Case c = MakeCase(fusion, links);
          if (!Stays(c)) continue;
          size_t at = 0;
          const auto exec = Program(c, backward, &at);
          const auto fused = Thread(exec);
          const auto plain = Thread(exec, {.fuse = false});
          ASSERT_TRUE(fused && plain);
          ASSERT_EQ((*plain)->fused, 0u);
          // 10 wide loads and a jump in front, in cells.
          const size_t cell = at + 10;
          ASSERT_EQ((*fused)->cells[cell].handler, fusion.HandlerFor(links, backward))
              << NameOf(fusion) << ", links " << links;
          ASSERT_EQ(RunOnce(**fused), RunOnce(**plain))
              << NameOf(fusion) << ", links " << links << (backward ? ", backward" : "");
          ++done;
        }
        EXPECT_GE(done, 12) << NameOf(fusion) << ", links " << links;
      }
    }
  }
}

TEST_P(Fused, RowsAreUnique) {
  std::vector<std::string> names;
  for (const Fusion& fusion : Fusions()) names.push_back(NameOf(fusion));
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
}

INSTANTIATE_TEST_SUITE_P(Interpreter, Fused, testing::Values(Engine::kInterp),
                         test::EngineParamName);

}  // namespace
}  // namespace skep
