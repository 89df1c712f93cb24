// SPDX-License-Identifier: Apache-2.0
// Any bytes are an object, or there is an error that says why not. Objects with
// BTF are linked a second time, with their own types as the kernel's: so each
// CO-RE record finds candidates, as hostile as the object.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "skep/program.h"

#include "tests/loader/visit_object.h"

// Where sums go, so that reading is not optimised away.
static volatile uint64_t sink;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto object = skep::Object::Parse(bytes, "input.bpf.o");
  if (!object) {
    if (object.error().message.empty()) std::abort();
    return 0;
  }
  sink = skep::Visit(*object);
  if (object->btf() == nullptr) return 0;
  const auto linked = skep::Object::Parse(bytes, "input.bpf.o", {.target_btf = object->btf()});
  // A target changes what programs become, not whether the file makes sense.
  if (!linked || linked->programs().size() != object->programs().size()) std::abort();
  sink = skep::Visit(*linked);
  return 0;
}
