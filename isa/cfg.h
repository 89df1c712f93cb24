// SPDX-License-Identifier: Apache-2.0
// Cfg: subprograms, basic blocks and the edges between them.
//
// Built from the slots of DecodeProgram in time linear in them. Slots keep
// Linux's numbers throughout; the second slot of a wide load belongs to the
// block of the first. A block ends at a jump, at a branch, at exit, before a
// jump target and at the end of its subprogram; calls do not end blocks.
// Code that no path reaches has blocks like any other.
//
// Subprograms start at slot 0, at targets of local calls and at targets of
// subprogram references (callbacks). As in Linux each is one contiguous range
// of slots: no jump leaves it and control cannot run off its end.
//
// Threads: a value; const access from any thread.

#ifndef SKEP_ISA_CFG_H_
#define SKEP_ISA_CFG_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "isa/decode.h"

namespace skep {

struct BasicBlock {
  static constexpr uint32_t kNone = UINT32_MAX;

  uint32_t begin = 0;       // first slot
  uint32_t end = 0;         // one past the last slot
  uint32_t last = 0;        // slot of the last instruction
  uint32_t subprogram = 0;  // index into Cfg::subprograms()
  // Block that follows when no jump is taken, kNone after goto and exit.
  uint32_t fall_through = kNone;
  // Block that the jump at `last` goes to, kNone if it is no jump.
  uint32_t target = kNone;
};

struct SubprogramRange {
  uint32_t begin = 0;  // first slot, its entry
  uint32_t end = 0;    // one past the last slot
  uint32_t first_block = 0;
  uint32_t block_count = 0;
  bool is_called = false;    // by a local call
  bool is_callback = false;  // named by a subprogram reference
};

class Cfg {
 public:
  // `insns` has one entry a slot, as DecodeProgram returns them.
  // Fails with kEmptyProgram, kLastInsn or kJumpRange (a jump that leaves its
  // subprogram), in Linux's order of slots; see error().
  // REQUIRES: every jump and call lands on an instruction (DecodeProgram
  // checked it).
  static Cfg Build(std::span<const DecodedInsn> insns);

  explicit operator bool() const { return error_.rule == DecodeRule::kNone; }
  // error().insn is not set: the raw slot is the caller's.
  const DecodeError& error() const { return error_; }

  const std::vector<BasicBlock>& blocks() const { return blocks_; }
  const std::vector<SubprogramRange>& subprograms() const { return subprograms_; }

  // Index of the block that holds the slot. REQUIRES: slot < number of slots.
  uint32_t BlockAt(size_t slot) const { return block_of_slot_[slot]; }
  // Index of the subprogram that holds the slot.
  uint32_t SubprogramAt(size_t slot) const { return blocks_[BlockAt(slot)].subprogram; }
  // True if a block starts at the slot.
  bool IsLeader(size_t slot) const { return blocks_[BlockAt(slot)].begin == slot; }

  // Blocks with an edge to `block`, ascending; a block whose branch and fall
  // through both lead here is listed twice.
  std::span<const uint32_t> PredecessorsOf(uint32_t block) const {
    return std::span(predecessors_)
        .subspan(predecessor_begin_[block],
                 predecessor_begin_[block + 1] - predecessor_begin_[block]);
  }

  // Blocks of a subprogram that its entry reaches, each before its successors
  // except along back edges.
  std::vector<uint32_t> ReversePostorder(uint32_t subprogram) const;

 private:
  struct Scan;
  static Scan ScanInsns(std::span<const DecodedInsn> insns);
  void FindSubprograms(const Scan& scan);
  bool CheckSubprograms(std::span<const DecodedInsn> insns, const Scan& scan);
  void FindBlocks(std::span<const DecodedInsn> insns, const Scan& scan);
  void LinkBlocks(std::span<const DecodedInsn> insns);

  DecodeError error_;
  std::vector<BasicBlock> blocks_;
  std::vector<SubprogramRange> subprograms_;
  std::vector<uint32_t> block_of_slot_;
  std::vector<uint32_t> predecessor_begin_;  // per block, plus the end
  std::vector<uint32_t> predecessors_;
};

}  // namespace skep

#endif  // SKEP_ISA_CFG_H_
