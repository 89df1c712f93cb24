// SPDX-License-Identifier: Apache-2.0
// Any bytes are an object, or there is an error that says why not. Objects with
// BTF are linked a second time, with their own types as the kernel's: so each
// CO-RE record finds candidates, as hostile as the object.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "skep/program.h"

#include "tests/loader/counted_memory.h"
#include "tests/loader/visit_object.h"

// Where sums go, so that reading is not optimised away.
static volatile uint64_t sink;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const skep::loader::MemoryPeak memory;
  const auto object = skep::Object::Parse(bytes, "input.bpf.o");
  if (memory.bytes() > memory.Allowed(size)) std::abort();
  if (!object) {
    if (object.error().message.empty()) std::abort();
    return 0;
  }
  sink = skep::Visit(*object);
  if (object->btf() == nullptr) return 0;
  const skep::loader::MemoryPeak more;
  const auto linked = skep::Object::Parse(bytes, "input.bpf.o", {.target_btf = object->btf()});
  if (more.bytes() > more.Allowed(size)) std::abort();
  // A target changes what programs become, not whether the file makes sense.
  if (!linked || linked->programs().size() != object->programs().size()) std::abort();
  sink = skep::Visit(*linked);
  return 0;
}
