// SPDX-License-Identifier: Apache-2.0
// SharedRegion: a SharedFile with a first page that says what is in it and which
// processes are attached.
//
//   page 0, bytes 0 .. 2047      the owner's description, written once
//   page 0, bytes 2048 .. 4095   Control: who is attached, and repairs
//   from page 1 on               the body, laid out by the owner
//
// Each attached process has a slot. It holds the lock on the byte of that number
// (SharedFile), which ends with it, and names itself in lock words by the slot and
// a generation that is another one each time.
//
// A process that is killed may leave its locks behind and what they guard half
// changed. Whoever meets such a lock mends it: a structure with one lock takes it
// over (robust_lock.h); one with many stops all others by a Repair.
//
// What the page says is written by others. Everything here is memory-safe whatever
// it says; a process that lies in it, or stops while it holds a lock, can keep
// others waiting.
//
// Threads: any.

#ifndef SKEP_BASE_SHARED_REGION_H_
#define SKEP_BASE_SHARED_REGION_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "base/region.h"
#include "base/robust_lock.h"
#include "base/shared_file.h"

namespace skep {

class SharedRegion {
 public:
  static constexpr size_t kDescriptionBytes = 2048;
  static constexpr uint32_t kMaxAttached = 128;

  // Joins those that are attached. REQUIRES: the file has a page and a body.
  // `created`: it is new, and has never been attached to.
  // Fails with kResourceLimit if there are kMaxAttached, kSystem otherwise.
  static Result<std::unique_ptr<SharedRegion>> Attach(SharedFile file, bool created);
  ~SharedRegion();
  SharedRegion(const SharedRegion&) = delete;
  SharedRegion& operator=(const SharedRegion&) = delete;

  const SharedFile& file() const { return file_; }
  const LockHolder& holder() const { return holder_; }
  // When we came, somebody had died or nobody was there: the body is to be mended
  // before use.
  bool needs_repair() const { return needs_repair_; }

  // Whether the process that holds a lock with this word (not 0) has died.
  bool IsDead(uint32_t word) const noexcept;
  // Whether somebody has died since the last repair. Asks the system at most once
  // in 10 ms, and says no in between.
  bool SomebodyDied() const noexcept;

  // True while somebody repairs. Whoever has taken a lock of the body must let it
  // go then, and wait.
  bool repairing() const noexcept {
    return control_->repairing.load(std::memory_order_seq_cst) != 0;
  }
  // Waits until nobody does. Returns true if the one who did has died: then the
  // caller must repair.
  bool WaitForRepair() const noexcept;

  // The right to repair. While it lives, `repairing` is true for everybody; its
  // owner waits until the locks of the living are free, and frees those of the
  // dead.
  class Repair {
   public:
    explicit Repair(SharedRegion& region) noexcept;
    ~Repair();
    Repair(const Repair&) = delete;
    Repair& operator=(const Repair&) = delete;
    // False if another one has repaired while we waited.
    bool needed() const { return needed_; }

   private:
    SharedRegion& region_;
    bool needed_ = true;
    // Slots as they were when their process was found dead; 0: not dead.
    std::array<uint32_t, kMaxAttached> dead_{};
  };

 private:
  static constexpr uint32_t kSlotBits = 8;
  static constexpr uint32_t kInUse = 1;  // in a slot, below its generation

  struct Control {
    std::atomic<uint32_t> repair_lock;
    std::atomic<uint32_t> repairing;
    std::atomic<uint32_t> repairs;  // how many there were
    uint32_t reserved[13];
    std::atomic<uint32_t> slots[kMaxAttached];  // generation << 8 | kInUse
  };
  static_assert(sizeof(Control) + kDescriptionBytes <= 4096);

  SharedRegion(SharedFile file, Region page)
      : file_(std::move(file)),
        page_(std::move(page)),
        control_(reinterpret_cast<Control*>(page_.base() + kDescriptionBytes)) {}
  bool SlotIsDead(uint32_t slot) const noexcept;

  const SharedFile file_;
  const Region page_;
  Control* const control_;
  uint32_t slot_ = 0;
  int process_ = 0;  // that attached; a child of fork has only a copy of this object
  LockHolder holder_;
  bool needs_repair_ = false;
  mutable std::atomic<uint64_t> asked_at_{0};  // ms
};

}  // namespace skep

#endif  // SKEP_BASE_SHARED_REGION_H_
