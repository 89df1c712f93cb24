// SPDX-License-Identifier: Apache-2.0
// One mutex guards all items, fields and queues; it is never held while a
// callback runs or a program is let go.
#include "model/async_service.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <ctime>
#include <mutex>
#include <set>
#include <thread>
#include <tuple>
#include <utility>

#include "base/memory_access.h"
#include "base/region.h"
#include "model/execution_layout.h"
#include "model/value_type.h"

namespace skep::model {
namespace {

constexpr uint64_t kTimerAbsolute = 1;  // BPF_F_TIMER_ABS
constexpr uint64_t kTimerPinned = 2;    // BPF_F_TIMER_CPU_PIN
constexpr uint64_t kMaxClocks = 16;

uint64_t Now(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

// `time` of `clock` as a time of the monotonic clock; the past is now.
uint64_t ToMonotonic(uint64_t time, clockid_t clock) {
  if (clock == CLOCK_MONOTONIC) return time;
  const uint64_t now = Now(clock);
  return Now(CLOCK_MONOTONIC) + (time > now ? time - now : 0);
}

uint64_t AddSaturated(uint64_t a, uint64_t b) {
  uint64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? ~uint64_t{0} : sum;
}

}  // namespace

struct AsyncService::Item {
  Kind kind;
  clockid_t clock;
  Map* map;
  std::byte* value;  // of the map; may be used as long as the field has this item

  std::shared_ptr<const Executable> program;  // null: no callback
  ProgramHandle::CallLater call = nullptr;
  uint64_t function = 0;

  uint64_t due = 0;       // while it is armed: its key in the queue
  uint64_t sequence = 0;  // the same
  bool armed = false;     // in its worker's queue
  bool running = false;   // on its worker's thread
  int cancelling = 0;     // threads that wait for the callback to end
};

struct AsyncService::Worker {
  explicit Worker(std::unique_ptr<ExecutionContext> with) : context(std::move(with)) {}

  const std::unique_ptr<ExecutionContext> context;
  // By time, and among equals by order.
  std::set<std::tuple<uint64_t, uint64_t, ItemPtr>> queue;
  uint64_t sequence = 0;
  ItemPtr current;
  std::condition_variable wake;
  std::thread thread;
};

struct AsyncService::State {
  std::mutex mutex;
  std::condition_variable idle;  // a callback ended
  MakeContext make_context;
  std::unique_ptr<Worker> workers[2];  // by Kind
  bool stopping = false;

  Worker& WorkerOf(const Item& item) { return *workers[static_cast<size_t>(item.kind)]; }

  // Fields hold a shared_ptr of their own, since they are bytes of a map.
  static ItemPtr At(std::byte* field) {
    const auto* own =
        reinterpret_cast<const ItemPtr*>(LoadRelaxed<uint64_t>(reinterpret_cast<uint64_t>(field)));
    return own != nullptr ? *own : nullptr;
  }
  static void Put(std::byte* field, ItemPtr item) {
    StoreRelaxed(reinterpret_cast<uint64_t>(field),
                 reinterpret_cast<uint64_t>(new ItemPtr(std::move(item))));
  }
  static void Clear(std::byte* field) {
    const auto address = reinterpret_cast<uint64_t>(field);
    delete reinterpret_cast<ItemPtr*>(LoadRelaxed<uint64_t>(address));
    StoreRelaxed<uint64_t>(address, 0);
  }

  void Unarm(const ItemPtr& item) {
    if (!item->armed) return;
    WorkerOf(*item).queue.erase({item->due, item->sequence, item});
    item->armed = false;
  }
};

AsyncService::AsyncService(MakeContext make_context) : state_(std::make_unique<State>()) {
  state_->make_context = std::move(make_context);
}

AsyncService::~AsyncService() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    for (const auto& worker : state_->workers) {
      if (worker == nullptr) continue;
      worker->context->Interrupt();
      worker->wake.notify_all();
    }
  }
  for (const auto& worker : state_->workers) {
    if (worker != nullptr) worker->thread.join();
  }
}

// REQUIRES: the mutex is held.
int AsyncService::StartWorker(Kind kind) {
  std::unique_ptr<Worker>& worker = state_->workers[static_cast<size_t>(kind)];
  if (worker != nullptr) return 0;
  auto context = state_->make_context();
  if (!context) return -ENOMEM;
  worker = std::make_unique<Worker>(*std::move(context));
  worker->thread = std::thread([state = state_.get(), w = worker.get()] { Work(*state, *w); });
  return 0;
}

namespace {

// The key of the element that holds `value`. An array's is its index.
std::byte* KeyOf(const Map& map, std::byte* value, uint32_t* index) {
  if (map.type() != MapType::kArray) return value - RoundUp(map.spec().key_size, 8);
  const DirectView view = map.direct_view();
  *index = static_cast<uint32_t>(static_cast<uint64_t>(value - view.base) / view.stride);
  return reinterpret_cast<std::byte*>(index);
}

}  // namespace

void AsyncService::Work(State& state, Worker& worker) {
  std::unique_lock lock(state.mutex);
  while (!state.stopping) {
    if (worker.queue.empty()) {
      worker.wake.wait(lock);
      continue;
    }
    const auto first = worker.queue.begin();
    const uint64_t due = std::get<0>(*first);
    const uint64_t now = Now(CLOCK_MONOTONIC);
    if (due > now) {
      // In steps, so that a time far away does not overflow.
      const uint64_t nanoseconds = std::min<uint64_t>(due - now, 3'600'000'000'000);
      worker.wake.wait_for(lock, std::chrono::nanoseconds(nanoseconds));
      continue;
    }
    ItemPtr item = std::get<2>(*first);
    worker.queue.erase(first);
    item->armed = false;
    std::shared_ptr<const Executable> program = item->program;
    if (program == nullptr) continue;
    const ProgramHandle::CallLater call = item->call;
    const uint64_t function = item->function;
    item->running = true;
    worker.current = item;
    lock.unlock();
    uint32_t index = 0;
    std::byte* key = KeyOf(*item->map, item->value, &index);
    call(*program, *worker.context, function, reinterpret_cast<uint64_t>(item->map),
         reinterpret_cast<uint64_t>(key), reinterpret_cast<uint64_t>(item->value));
    lock.lock();
    item->running = false;
    worker.current = nullptr;
    state.idle.notify_all();
    // The last owner may be this thread, and programs let maps go.
    lock.unlock();
    program = nullptr;
    item = nullptr;
    lock.lock();
  }
  worker.queue.clear();
}

int AsyncService::Init(Kind kind, Map& map, std::byte* field, uint64_t flags) {
  clockid_t clock = CLOCK_MONOTONIC;
  if (kind == Kind::kTimer) {
    clock = static_cast<clockid_t>(flags & (kMaxClocks - 1));
    if (flags >= kMaxClocks ||
        (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME && clock != CLOCK_BOOTTIME)) {
      return -EINVAL;
    }
  } else if (flags != 0) {
    return -EINVAL;
  }
  const SpecialKind field_kind =
      kind == Kind::kTimer ? SpecialKind::kTimer : SpecialKind::kWorkqueue;
  const ValueField* at = map.value_type()->Find(MaskOf(field_kind));
  const std::lock_guard lock(state_->mutex);
  if (State::At(field) != nullptr) return -EBUSY;
  if (!map.has_user()) return -EPERM;
  if (const int refused = StartWorker(kind); refused != 0) return refused;
  auto item = std::make_shared<Item>();
  item->kind = kind;
  item->clock = clock;
  item->map = &map;
  item->value = field - at->offset;
  State::Put(field, std::move(item));
  return 0;
}

int AsyncService::SetCallback(std::byte* field, const ProgramHandle& handle, uint64_t function) {
  std::shared_ptr<const Executable> program = handle.program.lock();  // let go without the mutex
  const std::lock_guard lock(state_->mutex);
  const ItemPtr item = State::At(field);
  if (item == nullptr) return -EINVAL;
  if (!item->map->has_user()) return -EPERM;
  if (program == nullptr) return -ENOENT;
  item->function = function;
  item->call = handle.call;
  std::swap(item->program, program);
  return 0;
}

// A timer that is armed is armed anew; work that waits stays where it is.
int AsyncService::Arm(std::byte* field, Kind kind, uint64_t due) {
  const std::lock_guard lock(state_->mutex);
  const ItemPtr item = State::At(field);
  if (item == nullptr || item->program == nullptr) return -EINVAL;
  if (kind == Kind::kWork && item->armed) return 0;
  state_->Unarm(item);
  Worker& worker = state_->WorkerOf(*item);
  item->due = due;
  item->sequence = worker.sequence++;
  item->armed = true;
  worker.queue.emplace(due, item->sequence, item);
  worker.wake.notify_one();
  return 0;
}

int AsyncService::Start(std::byte* field, uint64_t nanoseconds, uint64_t flags) {
  if ((flags & ~(kTimerAbsolute | kTimerPinned)) != 0) return -EINVAL;
  clockid_t clock = CLOCK_MONOTONIC;
  {
    const std::lock_guard lock(state_->mutex);
    const ItemPtr item = State::At(field);
    if (item == nullptr) return -EINVAL;
    clock = item->clock;
  }
  const bool absolute = (flags & kTimerAbsolute) != 0;
  return Arm(
      field, Kind::kTimer,
      absolute ? ToMonotonic(nanoseconds, clock) : AddSaturated(Now(CLOCK_MONOTONIC), nanoseconds));
}

int AsyncService::StartWork(std::byte* field, uint64_t flags) {
  if (flags != 0) return -EINVAL;
  return Arm(field, Kind::kWork, 0);
}

int AsyncService::Cancel(std::byte* field, ExecutionContext& caller) {
  std::shared_ptr<const Executable> program;  // let go without the mutex
  std::unique_lock lock(state_->mutex);
  const ItemPtr item = State::At(field);
  if (item == nullptr) return -EINVAL;
  const Worker& worker = state_->WorkerOf(*item);
  if (const ItemPtr& own = worker.current; worker.context.get() == &caller && own != nullptr) {
    // To wait for oneself would take for ever, and so may to wait for somebody
    // who waits for us.
    if (own == item || own->cancelling > 0) return -EDEADLK;
  }
  const bool armed = item->armed;
  state_->Unarm(item);
  item->program.swap(program);
  ++item->cancelling;
  while (item->running) state_->idle.wait(lock);
  --item->cancelling;
  // The callback may have armed it once more.
  const bool again = item->armed;
  state_->Unarm(item);
  return armed || again ? 1 : 0;
}

void AsyncService::Free(std::byte* field) noexcept {
  std::shared_ptr<const Executable> program;  // let go without the mutex
  const std::lock_guard lock(state_->mutex);
  const ItemPtr item = State::At(field);
  if (item == nullptr) return;
  state_->Unarm(item);
  item->program.swap(program);
  State::Clear(field);
}

void AsyncService::WaitForCallbacksOf(const Map& map) noexcept {
  std::unique_lock lock(state_->mutex);
  for (const auto& worker : state_->workers) {
    if (worker == nullptr || worker->thread.get_id() == std::this_thread::get_id()) continue;
    while (worker->current != nullptr && worker->current->map == &map) state_->idle.wait(lock);
  }
}

}  // namespace skep::model
