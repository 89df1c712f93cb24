// SPDX-License-Identifier: Apache-2.0
// Any bytes are BTF, or there is an error that says why not. What Linux would
// take, an object file may have too; what is parsed, parses again after
// Serialize.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "btf/btf.h"
#include "btf/ext.h"
#include "tests/loader/counted_memory.h"
#include "tests/loader/visit_object.h"

// Where sums go, so that reading is not optimised away.
static volatile uint64_t sink;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using skep::btf::Btf;
  using skep::btf::Origin;
  const auto bytes = std::as_bytes(std::span(data, size));
  const skep::loader::MemoryPeak memory;
  const auto object = Btf::Parse(bytes, Origin::kObjectFile);
  const auto kernel = Btf::Parse(bytes, Origin::kKernel);
  if (memory.bytes() > 2 * memory.Allowed(size)) std::abort();
  if (kernel && !object) std::abort();
  if (!object) {
    if (object.error().message.empty()) std::abort();
    return 0;
  }
  sink = skep::Visit(**object);
  const auto again = Btf::Parse((*object)->Serialize(), Origin::kObjectFile);
  if (!again || skep::Visit(**again) != sink) std::abort();
  // The same bytes as a split BTF and as records: both are read to an end.
  if (const auto split = Btf::Parse(bytes, Origin::kObjectFile, *object))
    sink = skep::Visit(**split);
  (void)skep::btf::BtfExt::Parse(bytes, **object).has_value();
  return 0;
}
