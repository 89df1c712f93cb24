// SPDX-License-Identifier: Apache-2.0
// CheckedMemory: what one run on the checked engine may touch: its stack, its
// context, its packet, values of its maps, ring buffer records it holds.
//
// Threads: one run's, one thread.

#ifndef SKEP_VM_CHECKED_MEMORY_H_
#define SKEP_VM_CHECKED_MEMORY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "skep/execution_context.h"
#include "skep/map.h"

#include "model/exec_program.h"
#include "model/value_type.h"

namespace skep {

enum class AccessMode : uint8_t { kRead, kWrite, kAtomic };

// Where an access really goes, which for contexts differs from the address that
// the program used.
struct CheckedAccess {
  uint64_t address = 0;
  uint32_t bytes = 0;
};

class CheckedMemory {
 public:
  // `length`: bytes at `context_pointer` for plain blocks.
  CheckedMemory(const model::ExecProgram& program, ExecutionContext& context, void* context_pointer,
                uint64_t length);

  // The program that runs now (a tail call changes it).
  void set_program(const model::ExecProgram& program) { program_ = &program; }
  // The stack in use: [low, top).
  void set_stack(uint64_t low) { stack_low_ = low; }

  // nullopt if the access is forbidden.
  std::optional<CheckedAccess> Check(uint64_t address, uint32_t bytes, AccessMode mode) const;
  // Whether `bytes` bytes at `address` may be read (or written) by a helper.
  bool CheckRange(uint64_t address, uint64_t bytes, bool write) const;
  bool IsContext(uint64_t address) const { return address == context_; }
  uint64_t context() const { return context_; }
  uint64_t context_size() const { return context_size_; }
  uint64_t stack_low() const { return stack_low_; }
  uint64_t stack_top() const { return stack_top_; }
  // The metadata and the bytes of the packet; empty if there is none.
  struct PacketExtent {
    uint64_t meta = 0;
    uint64_t data = 0;
    uint64_t end = 0;
  };
  PacketExtent packet() const;
  // Bytes of the reserved record at `address`; 0 if there is none.
  uint64_t RecordSize(uint64_t address) const;
  bool InStack(uint64_t address) const { return address >= stack_low_ && address <= stack_top_; }
  // Whether `value` names a function of the program, for a helper to call.
  bool IsFunction(uint64_t value) const;

  // The map at this address, if the program may use it; else null.
  Map* FindMap(uint64_t address) const;
  const std::vector<Map*>& inner_maps() const { return inner_maps_; }
  // A map that a lookup in an outer map gave.
  void AddInnerMap(Map* map);

  void AddRecord(uint64_t address, uint64_t bytes);
  bool HasRecord(uint64_t address) const;
  void RemoveRecord(uint64_t address);
  // Whether a helper lent the callback that runs now the dynptr at `address`.
  bool IsLentDynptr(uint64_t address) const;
  // Whether the 16 bytes at `address` are a dynptr over memory of this run, or a
  // null one; `record`: over a reserved record alone.
  bool HoldsDynptr(uint64_t address, bool record) const;
  // Whether an object of the program's own starts at `address`.
  bool IsObject(uint64_t address) const;
  // Whether a special field of these kinds starts at `address`, in a map of the
  // run's or in an object. Always false for programs that are not verified.
  bool InField(uint64_t address, model::SpecialMask kinds) const;
  // Records still held, as at exit.
  std::vector<uint64_t> records() const;

  // "stack [..), context [..), ..." for messages.
  std::string Describe() const;

 private:
  struct Region {
    uint64_t begin = 0;
    uint64_t size = 0;
    bool Holds(uint64_t address, uint64_t bytes) const {
      return address >= begin && bytes <= size && address - begin <= size - bytes;
    }
  };
  Region Packet() const;
  Region Keys() const;
  bool InLent(uint64_t address, uint64_t bytes, bool write) const;
  bool InObjects(uint64_t address, uint64_t bytes) const;
  bool InMaps(uint64_t address, uint64_t bytes, bool write) const;

  const model::ExecProgram* program_;
  ExecutionContext* execution_;
  uint64_t stack_low_;
  uint64_t stack_top_;
  uint64_t context_;
  uint64_t context_size_;
  bool context_is_block_;
  std::vector<Region> records_;
  std::vector<Map*> inner_maps_;
};

}  // namespace skep

#endif  // SKEP_VM_CHECKED_MEMORY_H_
