// SPDX-License-Identifier: Apache-2.0
//
// The reading side of hello_buffer.bpf.o: runs its two programs and takes their
// records out of the perf buffer and of the ring buffer.
//
//   read_events build/examples/hello_buffer.bpf.o

#include <skep/perf_buffer_reader.h>
#include <skep/ring_buffer_reader.h>
#include <skep/skep.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace {

// struct event of hello_buffer.bpf.c
struct Event {
  uint32_t pid;
  uint32_t uid;
  char command[16];
  char message[12];
};

constexpr uint32_t kPagesOfAPerfRing = 8;
constexpr size_t kContextBytes = 168;  // struct pt_regs, which kprobe programs get

int Fail(const char* what, const skep::Error& error) {
  std::fprintf(stderr, "%s: %s\n", what, error.message.c_str());
  return 1;
}

// Prints a record. False if it is too short to be one.
bool Print(const char* from, std::span<const std::byte> record) {
  Event event;
  if (record.size() < sizeof(event)) return false;
  std::memcpy(&event, record.data(), sizeof(event));
  std::printf("%s: pid %u uid %u %.*s: %.*s\n", from, event.pid, event.uid,
              int{sizeof(event.command)}, event.command, int{sizeof(event.message)}, event.message);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s hello_buffer.bpf.o\n", argv[0]);
    return 2;
  }
  const auto object = skep::Object::Open(argv[1]);
  if (!object) return Fail("object", object.error());
  const auto runtime = skep::Runtime::Create({});
  if (!runtime) return Fail("runtime", runtime.error());
  const auto instance = (*runtime)->Instantiate(*object);
  if (!instance) return Fail("maps", instance.error());
  const auto context = (*runtime)->NewContext();
  if (!context) return Fail("context", context.error());

  int records = 0;
  const auto ring = skep::RingBufferReader::Create(
      (*instance)->FindMap("ring"), [&records](std::span<const std::byte> record) {
        records += Print("ring buffer", record) ? 1 : 0;
        return 0;
      });
  if (!ring) return Fail("ring buffer", ring.error());
  const auto perf =
      skep::PerfBufferReader::Create((*instance)->FindMap("output"), kPagesOfAPerfRing,
                                     [&records](uint32_t, std::span<const std::byte> record) {
                                       records += Print("perf buffer", record) ? 1 : 0;
                                     });
  if (!perf) return Fail("perf buffer", perf.error());

  skep::LoadOptions options;
  options.verify.rights = skep::Rights::kRoot;  // what root may load
  for (const char* name : {"hello_perf", "hello_ring"}) {
    const auto program = (*instance)->Load(name, options);
    if (!program) return Fail(name, program.error());
    if (!program->executable) {
      std::fprintf(stderr, "%s: rejected: %s\n", name,
                   program->report.findings.front().message.c_str());
      return 1;
    }
    std::vector<std::byte> registers(kContextBytes);
    if (!program->executable->RunBytes(**context, registers).ok()) return 1;
  }
  (*perf)->Poll(1000);
  (*ring)->Poll(1000);
  return records == 2 ? 0 : 1;
}
