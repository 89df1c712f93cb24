// SPDX-License-Identifier: Apache-2.0
// EpochDomain: frees what running programs may still hold (inner maps, programs
// in a prog array, attached programs) when no run can hold it any more.
//
//   reader                                writer
//   slot.Enter();                         old = place.exchange(new);
//   p = place.load(acquire); use *p;      domain.Retire(old, deleter);
//   slot.Leave();
//
// Entering is one plain store: the writer pays instead, with the membarrier
// system call, which puts a full fence into every running thread of the
// process. Where the system has no membarrier, entering is a full fence.
//
// Why a retired object is not freed under a reader: Retire runs after the
// object was unpublished. It raises the epoch, then fences all threads, then
// looks at every slot. A reader whose store to its slot came before that fence
// is seen, and waited for if its epoch is an older one. A reader whose store
// came later reads the place after the fence and finds the new value. A reader
// that shows the new epoch read it (with acquire) before the place.
//
// Threads: Retire, Collect and WaitForReaders from any thread; a slot is used
// by one thread at a time. Deleters run on a thread that retires or leaves,
// without any lock held. Lifetime: slots must go before their domain; objects
// that are still retired then are freed with it.

#ifndef SKEP_BASE_EPOCH_H_
#define SKEP_BASE_EPOCH_H_

#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

namespace skep {

class EpochSlot;

class EpochDomain {
 public:
  using Deleter = void (*)(void*) noexcept;

  EpochDomain();
  ~EpochDomain();
  EpochDomain(const EpochDomain&) = delete;
  EpochDomain& operator=(const EpochDomain&) = delete;

  // Calls deleter(object) once no reader that entered before this call is left.
  // REQUIRES: new readers cannot find `object` any more.
  void Retire(void* object, Deleter deleter);

  // Frees what can be freed now; never waits.
  void Collect();

  // Returns when every reader that had entered before the call has left.
  // REQUIRES: the calling thread has not entered.
  void WaitForReaders();

  // Objects that wait for a reader. For tests and statistics.
  size_t pending() const;

 private:
  friend class EpochSlot;

  struct Retired {
    void* object;
    Deleter deleter;
    uint64_t epoch;  // readers that show this epoch or a later one do not know it
  };

  // Starts a new epoch and fences all threads. Returns the new epoch.
  uint64_t Advance();
  // The oldest epoch that a reader shows; all ones if no reader is in.
  uint64_t OldestReader() const;

  // Read by every reader at every entry, written only by writers.
  alignas(64) std::atomic<uint64_t> epoch_{1};
  std::atomic<bool> any_pending_{false};
  const bool has_membarrier_;

  alignas(64) mutable std::mutex mutex_;
  std::vector<EpochSlot*> slots_;  // guarded by mutex_
  std::vector<Retired> retired_;   // guarded by mutex_
};

// One reader: a slot of an ExecutionContext. Inert until Join.
class alignas(64) EpochSlot {
 public:
  EpochSlot() = default;
  explicit EpochSlot(EpochDomain& domain) { Join(domain); }
  ~EpochSlot();
  EpochSlot(const EpochSlot&) = delete;
  EpochSlot& operator=(const EpochSlot&) = delete;

  // REQUIRES: joined to no domain yet.
  void Join(EpochDomain& domain);

  // REQUIRES: joined; not entered.
  void Enter() noexcept {
    shown_.store(domain_->epoch_.load(std::memory_order_acquire), std::memory_order_relaxed);
    if (domain_->has_membarrier_) {
      std::atomic_signal_fence(std::memory_order_seq_cst);
    } else {
      std::atomic_thread_fence(std::memory_order_seq_cst);
    }
  }

  // REQUIRES: entered. Pointers found since Enter must not be used any more.
  void Leave() noexcept {
    shown_.store(0, std::memory_order_release);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (domain_->any_pending_.load(std::memory_order_relaxed)) [[unlikely]]
      domain_->Collect();
  }

  bool entered() const { return shown_.load(std::memory_order_relaxed) != 0; }

 private:
  friend class EpochDomain;

  std::atomic<uint64_t> shown_{0};  // 0: no reader
  EpochDomain* domain_ = nullptr;
};

}  // namespace skep

#endif  // SKEP_BASE_EPOCH_H_
