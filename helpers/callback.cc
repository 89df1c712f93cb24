// SPDX-License-Identifier: Apache-2.0
// Helpers that run a function of the program.
#include <cerrno>

#include "helpers/functions.h"
#include "helpers/registers.h"
#include "model/execution_layout.h"

namespace skep::helpers {
namespace {

constexpr uint32_t kMaxLoops = 1u << 23;  // BPF_MAX_LOOPS

uint64_t RunLoop(uint32_t loops, uint64_t callback, uint64_t argument,
                 ExecutionContext& context) noexcept {
  for (uint32_t i = 0; i < loops; ++i) {
    const uint64_t result = context.Call(callback, i, argument, 0, 0, 0);
    if (context.stopped()) return 0;
    if (result != 0) return uint64_t{i} + 1;
  }
  return loops;
}

struct Visitor {
  ExecutionContext& context;
  model::ExecutionExtras& extras;
  size_t lent;  // the key's place in extras.lent
  uint64_t map;
  uint64_t callback;
  uint64_t argument;
};

bool VisitElement(void* with, const std::byte* key, std::byte* value) {
  const Visitor& v = *static_cast<Visitor*>(with);
  v.extras.lent[v.lent].begin = const_cast<std::byte*>(key);  // lent for reading
  const uint64_t result =
      v.context.Call(v.callback, v.map, FromAddress(key), FromAddress(value), v.argument, 0);
  return result == 0 && !v.context.stopped();
}

}  // namespace

// callback(map, key, value, ctx) returns 0 to go on, 1 to stop. Returns how many
// elements it got.
uint64_t ForEachMapElem(uint64_t map, uint64_t callback, uint64_t argument, uint64_t flags,
                        uint64_t, ExecutionContext& context) noexcept {
  if (flags != 0) return FromResult(-EINVAL);
  model::ExecutionExtras& extras = model::ExecutionLayout::extras(context);
  Visitor visitor{context, extras, extras.lent.size(), map, callback, argument};
  extras.lent.push_back({nullptr, AsMap(map).spec().key_size, false});
  const int64_t visited = AsMap(map).ForEach(context.cpu(), VisitElement, &visitor);
  extras.lent.erase(extras.lent.begin() + static_cast<ptrdiff_t>(visitor.lent));
  return FromResult(visited);
}

// callback(u32 index, void* ctx) returns 0 to go on, 1 to stop. Returns how
// often it ran.
uint64_t Loop(uint64_t count, uint64_t callback, uint64_t argument, uint64_t flags, uint64_t,
              ExecutionContext& context) noexcept {
  const auto loops = static_cast<uint32_t>(count);
  if (flags != 0) return FromResult(-EINVAL);
  if (loops > kMaxLoops) return FromResult(-E2BIG);
  return RunLoop(loops, callback, argument, context);
}

uint64_t LoopInlined(uint64_t count, uint64_t callback, uint64_t argument, uint64_t, uint64_t,
                     ExecutionContext& context) noexcept {
  if (count > kMaxLoops) return static_cast<uint32_t>(-E2BIG);
  return RunLoop(static_cast<uint32_t>(count), callback, argument, context);
}

}  // namespace skep::helpers
