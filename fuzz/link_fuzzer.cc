// SPDX-License-Identifier: Apache-2.0
// Any bytes link with themselves, alone, or there is an error that says why not:
// what comes out is an object with the same programs. A second object is made of
// the first by a byte that the input's end names, so that names and types clash.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "skep/link.h"
#include "skep/program.h"

#include "tests/loader/counted_memory.h"
#include "tests/loader/visit_object.h"

// Where sums go, so that reading is not optimised away.
static volatile uint64_t sink;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const skep::LinkInput one{"one.bpf.o", bytes};
  const skep::loader::MemoryPeak memory;
  const auto alone = skep::LinkObjects(std::span(&one, 1));
  if (memory.bytes() > memory.Allowed(size)) std::abort();
  if (!alone) {
    if (alone.error().message.empty()) std::abort();
    return 0;
  }
  const auto before = skep::Object::Parse(bytes, "one.bpf.o");
  const auto after = skep::Object::Parse(*alone, "linked.bpf.o");
  if (before && after && before->programs().size() != after->programs().size()) std::abort();
  if (after) sink = skep::Visit(*after);

  std::vector<std::byte> changed(bytes.begin(), bytes.end());
  if (size > 0) changed[(size_t{data[size - 1]} << 8 | data[size / 2]) % size] ^= std::byte{1};
  const skep::LinkInput two[] = {one, {"two.bpf.o", changed}};
  const auto linked = skep::LinkObjects(two);
  if (!linked) return 0;
  if (const auto object = skep::Object::Parse(*linked, "linked.bpf.o")) sink = skep::Visit(*object);
  return 0;
}
