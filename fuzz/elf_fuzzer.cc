// SPDX-License-Identifier: Apache-2.0
// Any bytes are an object, or there is an error that says why not.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "skep/program.h"

#include "tests/loader/visit_object.h"

// Where sums go, so that reading is not optimised away.
static volatile uint64_t sink;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto object = skep::Object::Parse(std::as_bytes(std::span(data, size)), "input.bpf.o");
  if (object) {
    sink = skep::Visit(*object);
  } else if (object.error().message.empty()) {
    std::abort();
  }
  return 0;
}
