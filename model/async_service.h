// SPDX-License-Identifier: Apache-2.0
// AsyncService: timers (struct bpf_timer) and work queues (struct bpf_wq) in the
// values of maps. Callbacks run on two threads of the runtime, one for each of
// the two, with an ExecutionContext and so a CPU slot each; the threads start
// when the first field is initialised. All callbacks of one kind see the same CPU,
// also those of timers that were started with BPF_F_TIMER_CPU_PIN on another one:
// a CPU slot belongs to the thread that has its context.
//
// A field holds the address of its item and nothing else. It has one from init
// until its element is deleted or replaced, the map goes, or the map's last user
// leaves. An item keeps the program of its callback alive until the callback is
// cancelled or the item goes.
//
// Threads: any. Methods return Linux's codes. Lifetime: the runtime's.

#ifndef SKEP_MODEL_ASYNC_SERVICE_H_
#define SKEP_MODEL_ASYNC_SERVICE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "skep/execution_context.h"
#include "skep/map.h"

#include "model/program_handle.h"

namespace skep::model {

class AsyncService {
 public:
  enum class Kind : uint8_t { kTimer, kWork };
  using MakeContext = std::function<Result<std::unique_ptr<ExecutionContext>>()>;

  // `make_context` is called once for each of the threads.
  explicit AsyncService(MakeContext make_context);
  // Ends the threads; a callback that runs is interrupted if its code is metered,
  // and waited for.
  ~AsyncService();
  AsyncService(const AsyncService&) = delete;
  AsyncService& operator=(const AsyncService&) = delete;

  // ---- for a field of a map's value ----------------------------------------
  // -EINVAL for unknown flags or clocks, -EBUSY if the field has an item, -EPERM
  // if the map has no user, -ENOMEM if there is no CPU slot for the thread.
  int Init(Kind kind, Map& map, std::byte* field, uint64_t flags);
  // -EINVAL without an item, -EPERM if the map has no user.
  int SetCallback(std::byte* field, const ProgramHandle& program, uint64_t function);
  // -EINVAL for unknown flags, without an item or without a callback.
  int Start(std::byte* field, uint64_t nanoseconds, uint64_t flags);
  int StartWork(std::byte* field, uint64_t flags);
  // 1 if the timer was armed, else 0; waits for a callback that runs. -EINVAL
  // without an item. -EDEADLK from the timer's own callback, and from the
  // callback of a timer that is being cancelled.
  int Cancel(std::byte* field, ExecutionContext& caller);
  // Takes the item away; waits for nothing.
  void Free(std::byte* field) noexcept;

  // Returns when no callback of the map's values runs, but for the caller's own.
  // The map's fields are free.
  void WaitForCallbacksOf(const Map& map) noexcept;

 private:
  struct Item;
  struct Worker;
  using ItemPtr = std::shared_ptr<Item>;
  struct State;

  static void Work(State& state, Worker& worker);
  int StartWorker(Kind kind);
  int Arm(std::byte* field, Kind kind, uint64_t due);

  std::unique_ptr<State> state_;
};

}  // namespace skep::model

#endif  // SKEP_MODEL_ASYNC_SERVICE_H_
