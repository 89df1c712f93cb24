// SPDX-License-Identifier: Apache-2.0
#include "base/epoch.h"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace skep {
namespace {

constexpr uint64_t kAlive = 0x600dcafe;

struct Object {
  std::atomic<uint64_t> state{kAlive};
  std::atomic<int>* freed = nullptr;
};

void Free(void* p) noexcept {
  auto* object = static_cast<Object*>(p);
  object->state.store(0xdead, std::memory_order_relaxed);
  if (object->freed != nullptr) object->freed->fetch_add(1);
  delete object;
}

TEST(EpochDomain, FreesAtOnceWithoutReaders) {
  EpochDomain domain;
  EpochSlot idle(domain);
  std::atomic<int> freed{0};
  domain.Retire(new Object{.freed = &freed}, &Free);
  EXPECT_EQ(freed, 1);
  EXPECT_EQ(domain.pending(), 0u);
}

TEST(EpochDomain, KeepsAnObjectUntilItsReaderLeaves) {
  EpochDomain domain;
  EpochSlot reader(domain), other(domain);
  std::atomic<int> freed{0};
  reader.Enter();
  domain.Retire(new Object{.freed = &freed}, &Free);
  EXPECT_EQ(freed, 0);

  // A reader that comes later cannot know the object and does not keep it.
  other.Enter();
  EXPECT_EQ(domain.pending(), 1u);
  reader.Leave();
  EXPECT_EQ(freed, 1);
  other.Leave();
}

TEST(EpochDomain, ADeleterMayRetireMore) {
  EpochDomain domain;
  static EpochDomain* current;
  static std::atomic<int> freed;
  current = &domain;
  freed = 0;
  domain.Retire(new Object, [](void* p) noexcept {
    Free(p);
    freed.fetch_add(1);
    current->Retire(new Object{.freed = &freed}, &Free);
  });
  EXPECT_EQ(freed, 2);
}

TEST(EpochDomain, WaitForReadersReturnsAfterTheReaderLeft) {
  EpochDomain domain;
  std::atomic<bool> entered{false}, left{false};
  std::thread thread([&] {
    EpochSlot slot(domain);
    slot.Enter();
    entered = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    left = true;
    slot.Leave();
  });
  while (!entered) std::this_thread::yield();
  domain.WaitForReaders();
  EXPECT_TRUE(left);
  thread.join();
}

// Readers look at an object that a writer replaces all the time; none may ever
// see a freed one, and at the end all but the last are freed.
TEST(EpochDomain, NeverFreesUnderAReader) {
  EpochDomain domain;
  std::atomic<int> freed{0};
  std::atomic<Object*> place{new Object{.freed = &freed}};
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> looks{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      EpochSlot slot(domain);
      while (!stop.load(std::memory_order_relaxed)) {
        slot.Enter();
        const Object* object = place.load(std::memory_order_acquire);
        for (int k = 0; k < 8; ++k) {
          ASSERT_EQ(object->state.load(std::memory_order_relaxed), kAlive);
        }
        slot.Leave();
        looks.fetch_add(1, std::memory_order_relaxed);
      }
    });
  }
  constexpr int kReplacements = 3000;
  for (int i = 0; i < kReplacements; ++i) {
    // Readers and replacements take turns, also where threads start late.
    if (i % 100 == 0) {
      const uint64_t before = looks.load(std::memory_order_relaxed);
      while (looks.load(std::memory_order_relaxed) == before) std::this_thread::yield();
    }
    Object* old = place.exchange(new Object{.freed = &freed}, std::memory_order_acq_rel);
    domain.Retire(old, &Free);
  }
  stop = true;
  for (std::thread& t : readers) t.join();
  domain.Collect();
  EXPECT_EQ(freed, kReplacements);
  EXPECT_GT(looks, 0u);
  delete place.load();
}

}  // namespace
}  // namespace skep
