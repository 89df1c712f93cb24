// SPDX-License-Identifier: Apache-2.0
#include "maps/ringbuf_map.h"

#include <cerrno>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>

#include "skep/ring_buffer_reader.h"

#include "tests/support/bpf_syscall.h"

namespace skep {
namespace {

using model::Ringbuf;

constexpr uint32_t kBytes = 4096;
constexpr uint64_t kPage = 4096;

MapSpec Spec(uint32_t bytes) {
  MapSpec spec;
  spec.name = "ring";
  spec.type = MapType::kRingbuf;
  spec.max_entries = bytes;
  return spec;
}

std::shared_ptr<Map> Make(uint32_t bytes = kBytes) {
  auto map = CreateMap(Spec(bytes), {.id = 1, .epochs = std::make_shared<EpochDomain>()});
  EXPECT_TRUE(map) << map.error().message;
  return *std::move(map);
}

Ringbuf& RingOf(const std::shared_ptr<Map>& map) { return Ringbuf::Of(*map); }

std::byte* Pages(const std::shared_ptr<Map>& map) {
  return reinterpret_cast<std::byte*>(&RingOf(map)) + kPage;  // the consumer page on
}

int Put(Ringbuf& ring, std::string_view text, uint64_t flags = 0) {
  return ring.Output(reinterpret_cast<const std::byte*>(text.data()), text.size(), flags);
}

std::vector<std::string> Take(const std::shared_ptr<Map>& map) {
  std::vector<std::string> records;
  auto reader = RingBufferReader::Create(map, [&](std::span<const std::byte> record) {
    records.emplace_back(reinterpret_cast<const char*>(record.data()), record.size());
    return 0;
  });
  EXPECT_TRUE(reader);
  (*reader)->Consume();
  return records;
}

TEST(Ringbuf, DeliversRecordsInOrderAndSkipsDiscardedOnes) {
  const auto map = Make();
  Ringbuf& ring = RingOf(map);
  EXPECT_EQ(Put(ring, "one"), 0);
  std::byte* two = ring.Reserve(3, 0);
  std::byte* three = ring.Reserve(5, 0);
  ASSERT_NE(three, nullptr);
  std::memcpy(two, "two", 3);
  std::memcpy(three, "three", 5);
  Ringbuf::Commit(three, 0, false);
  // Nothing behind a busy record is seen.
  EXPECT_EQ(Take(map), std::vector<std::string>{"one"});
  Ringbuf::Commit(two, 0, true);
  EXPECT_EQ(Put(ring, "four"), 0);
  EXPECT_EQ(Take(map), (std::vector<std::string>{"three", "four"}));
}

TEST(Ringbuf, CountsPositionsAsTheKernel) {
  const auto map = Make();
  Ringbuf& ring = RingOf(map);
  EXPECT_EQ(ring.Query(model::kRingbufRingSize), kBytes);
  EXPECT_EQ(Put(ring, std::string(13, 'x')), 0);
  EXPECT_EQ(ring.Query(model::kRingbufProdPos), 24u);
  EXPECT_EQ(ring.Query(model::kRingbufAvailData), 24u);
  EXPECT_EQ(Take(map).size(), 1u);
  EXPECT_EQ(ring.Query(model::kRingbufConsPos), 24u);
  EXPECT_EQ(ring.Query(model::kRingbufAvailData), 0u);
  EXPECT_EQ(ring.Query(9), 0u);
}

TEST(Ringbuf, RefusesWhatDoesNotFit) {
  const auto map = Make();
  Ringbuf& ring = RingOf(map);
  EXPECT_EQ(ring.Reserve(kBytes - 7, 0), nullptr);
  // As in the kernel, a ring is never filled to the last byte.
  EXPECT_EQ(ring.Reserve(kBytes - 8, 0), nullptr);
  EXPECT_EQ(ring.Reserve(8, 1), nullptr);
  EXPECT_EQ(ring.Reserve(uint64_t{1} << 40, 0), nullptr);
  EXPECT_EQ(Put(ring, "x", 4), -EINVAL);
  EXPECT_EQ(Put(ring, std::string(kBytes - 16, 'x')), 0);
  EXPECT_EQ(Put(ring, "x"), -EAGAIN);
  EXPECT_EQ(Take(map).size(), 1u);
  EXPECT_EQ(Put(ring, "x"), 0);
}

TEST(Ringbuf, DoesNotReuseABusyRecordWhateverTheConsumerSays) {
  const auto map = Make();
  Ringbuf& ring = RingOf(map);
  std::byte* busy = ring.Reserve(1000, 0);
  ASSERT_NE(busy, nullptr);
  std::memset(busy, 'b', 1000);
  // A hostile consumer claims to have read everything, and far more.
  for (const uint64_t position : {uint64_t{1008}, uint64_t{1} << 40, ~uint64_t{0}}) {
    std::memcpy(Pages(map), &position, sizeof position);
    for (int i = 0; i < 20; ++i) Put(ring, std::string(500, 'x'));
    for (int i = 0; i < 1000; ++i) ASSERT_EQ(busy[i], std::byte{'b'});
  }
}

TEST(Ringbuf, RecordsThatReachTheEndDoNotWrap) {
  const auto map = Make();
  Ringbuf& ring = RingOf(map);
  for (int i = 0; i < 100; ++i) {
    const std::string text(static_cast<size_t>(700 + i), static_cast<char>('a' + i % 26));
    ASSERT_EQ(Put(ring, text), 0);
    ASSERT_EQ(Take(map), std::vector<std::string>{text});
  }
}

bool Readable(const RingBufferReader& reader) {
  pollfd wait{reader.fd(), POLLIN, 0};
  return poll(&wait, 1, 0) == 1;
}

TEST(Ringbuf, WakesTheReaderOnlyWhenItHasCaughtUp) {
  const auto map = Make();
  Ringbuf& ring = RingOf(map);
  int seen = 0;
  auto reader = RingBufferReader::Create(map, [&](std::span<const std::byte>) {
    ++seen;
    return 0;
  });
  ASSERT_TRUE(reader);
  EXPECT_EQ((*reader)->Consume(), 0);  // takes the wake-up that a new reader starts with
  EXPECT_FALSE(Readable(**reader));
  EXPECT_EQ((*reader)->Poll(0), 0);
  Put(ring, "a", model::kRingbufNoWakeup);
  EXPECT_FALSE(Readable(**reader));
  Put(ring, "b");  // behind one that was not taken: no wake-up
  EXPECT_FALSE(Readable(**reader));
  Put(ring, "c", model::kRingbufForceWakeup);
  EXPECT_TRUE(Readable(**reader));
  EXPECT_EQ((*reader)->Consume(), 3);
  EXPECT_FALSE(Readable(**reader));
  Put(ring, "d");
  EXPECT_TRUE(Readable(**reader));
  EXPECT_EQ((*reader)->Poll(0), 1);
  // Whoever asks is given what is there, as by poll(2) in Linux.
  Put(ring, "e", model::kRingbufNoWakeup);
  EXPECT_EQ((*reader)->Poll(0), 1);
  EXPECT_EQ(seen, 5);
}

TEST(Ringbuf, StopsWhereTheCallbackSays) {
  const auto map = Make();
  Ringbuf& ring = RingOf(map);
  for (const char* text : {"a", "b", "c"}) Put(ring, text);
  int calls = 0;
  auto reader = RingBufferReader::Create(
      map, [&](std::span<const std::byte>) { return ++calls == 2 ? -5 : 0; });
  ASSERT_TRUE(reader);
  EXPECT_EQ((*reader)->Consume(), -5);
  EXPECT_TRUE(Readable(**reader)) << "there is one more";
  EXPECT_EQ((*reader)->Consume(), 1);
  EXPECT_FALSE(Readable(**reader));
}

TEST(Ringbuf, ReadsSeveralRingsByOneDescriptor) {
  const auto first = Make(), second = Make();
  std::string seen;
  const auto note = [&](const char* who) {
    return [&seen, who](std::span<const std::byte> record) {
      seen += who + std::string(reinterpret_cast<const char*>(record.data()), record.size());
      return record.size() == 4 ? -7 : 0;
    };
  };
  auto reader = RingBufferReader::Create(first, note("1"));
  ASSERT_TRUE(reader);
  ASSERT_TRUE((*reader)->Add(second, note("2")));
  EXPECT_EQ((*reader)->Add(second, note("3")).error().sys_errno, EEXIST);
  EXPECT_FALSE((*reader)->Add(nullptr, note("3")));
  EXPECT_EQ((*reader)->Consume(), 0);
  EXPECT_FALSE(Readable(**reader));
  Put(RingOf(second), "b");
  EXPECT_TRUE(Readable(**reader));
  Put(RingOf(first), "a");
  EXPECT_EQ((*reader)->Poll(-1), 2);
  EXPECT_EQ(seen, "1a2b");
  // A callback that stops the first ring leaves the second one readable.
  Put(RingOf(first), "stop");
  Put(RingOf(second), "c");
  EXPECT_EQ((*reader)->Consume(), -7);
  EXPECT_TRUE(Readable(**reader));
  EXPECT_EQ((*reader)->Poll(-1), 1);
  EXPECT_EQ(seen, "1a2b1stop2c");
  EXPECT_FALSE(Readable(**reader));
}

// Four producers, one reader that sleeps in poll: every record once, in order
// for each producer.
TEST(Ringbuf, LosesNothingBetweenThreads) {
  constexpr uint64_t kProducers = 4, kEach = 20000;
  const auto map = Make(64 * 1024);
  Ringbuf& ring = RingOf(map);
  std::vector<uint64_t> next(kProducers, 0);
  uint64_t total = 0;
  auto reader = RingBufferReader::Create(map, [&](std::span<const std::byte> record) {
    uint64_t message[2];
    EXPECT_EQ(record.size(), sizeof message);
    std::memcpy(message, record.data(), sizeof message);
    EXPECT_EQ(message[1], next[message[0]]++);
    ++total;
    return 0;
  });
  ASSERT_TRUE(reader);
  std::vector<std::thread> producers;
  for (uint64_t p = 0; p < kProducers; ++p) {
    producers.emplace_back([&, p] {
      for (uint64_t i = 0; i < kEach; ++i) {
        const uint64_t message[2] = {p, i};
        std::byte* record = nullptr;
        while ((record = ring.Reserve(sizeof message, 0)) == nullptr) std::this_thread::yield();
        std::memcpy(record, message, sizeof message);
        Ringbuf::Commit(record, 0, false);
      }
    });
  }
  while (total < kProducers * kEach) ASSERT_GT((*reader)->Poll(2000), -1);
  for (std::thread& t : producers) t.join();
  EXPECT_EQ(ring.Query(model::kRingbufAvailData), 0u);
}

// The pages hold the same bytes as the kernel's after the same operations.
TEST(Ringbuf, LaysOutItsPagesAsTheKernel) {
  if (const std::string why = test::WhyNoKernel(); !why.empty()) GTEST_SKIP() << why;
  const test::Fd theirs = test::KernelMapCreate(Spec(kBytes));
  ASSERT_TRUE(theirs.ok());
  const auto map = Make();
  Ringbuf& ring = RingOf(map);

  // Three records: submitted, discarded, submitted.
  const auto record = [&](int32_t bytes, int32_t end) {
    return test::Join({test::LoadMap(1, theirs),
                       test::Mov(2, bytes),
                       test::Mov(3, 0),
                       test::CallHelper(131),
                       {Insn{.code = 0x55, .off = 1}},  // if r0 != 0 goto +1
                       test::Exit(),
                       test::MovReg(1, 0),
                       test::Mov(2, 0),
                       test::CallHelper(end)});
  };
  std::string log;
  const test::Fd program =
      test::KernelProgramLoad(1,
                              test::Join({test::Mov(0, 0), record(20, 132), record(64, 133),
                                          record(7, 132), test::Mov(0, 0), test::Exit()}),
                              &log);
  ASSERT_TRUE(program.ok()) << log;
  for (int run = 0; run < 30; ++run) {
    uint32_t result = 0;
    ASSERT_EQ(test::KernelProgramRun(program, &result), 0);
    for (const auto& [bytes, discard] : {std::pair{20, false}, {64, true}, {7, false}}) {
      std::byte* data = ring.Reserve(static_cast<uint64_t>(bytes), 0);
      if (data == nullptr) break;
      Ringbuf::Commit(data, 0, discard);
    }
  }
  void* pages = mmap(nullptr, 2 * kPage + 2 * kBytes, PROT_READ, MAP_SHARED, theirs.get(), 0);
  ASSERT_NE(pages, MAP_FAILED);
  const auto* kernel = static_cast<const std::byte*>(pages);
  const std::byte* ours = Pages(map);
  EXPECT_EQ(std::memcmp(ours, kernel, 16), 0) << "consumer position";
  EXPECT_EQ(std::memcmp(ours + kPage, kernel + kPage, 16), 0) << "producer, pending position";
  // Records of 32, 72 and 16 bytes: their headers, wherever they are.
  const auto* data = kernel + 2 * kPage;
  for (uint64_t at = 0; at < 3000; at += 120) {
    for (const uint64_t offset : {at, at + 32, at + 104}) {
      EXPECT_EQ(std::memcmp(ours + 2 * kPage + offset, data + offset, 8), 0) << offset;
    }
  }
  EXPECT_EQ(std::memcmp(ours + 2 * kPage, ours + 2 * kPage + kBytes, kBytes), 0);
  munmap(pages, 2 * kPage + 2 * kBytes);
}

}  // namespace
}  // namespace skep
