// SPDX-License-Identifier: Apache-2.0
#include "model/ringbuf.h"

#include <cerrno>

#include "helpers/functions.h"
#include "helpers/registers.h"
#include "model/dynptr.h"
#include "model/execution_layout.h"
#include "model/shared_rings.h"

namespace skep::helpers {

using model::Dynptr;
using model::Ringbuf;

uint64_t RingbufOutput(uint64_t map, uint64_t data, uint64_t size, uint64_t flags, uint64_t,
                       ExecutionContext&) noexcept {
  return FromResult(Ringbuf::Of(AsMap(map)).Output(AsBytes(data), size, flags));
}

uint64_t RingbufReserve(uint64_t map, uint64_t size, uint64_t flags, uint64_t, uint64_t,
                        ExecutionContext&) noexcept {
  return FromAddress(Ringbuf::Of(AsMap(map)).Reserve(size, flags));
}

uint64_t RingbufSubmit(uint64_t data, uint64_t flags, uint64_t, uint64_t, uint64_t,
                       ExecutionContext& context) noexcept {
  model::CommitRecord(context, AsBytes(data), flags, false);
  return 0;
}

uint64_t RingbufDiscard(uint64_t data, uint64_t flags, uint64_t, uint64_t, uint64_t,
                        ExecutionContext& context) noexcept {
  model::CommitRecord(context, AsBytes(data), flags, true);
  return 0;
}

uint64_t RingbufQuery(uint64_t map, uint64_t what, uint64_t, uint64_t, uint64_t,
                      ExecutionContext&) noexcept {
  return Ringbuf::Of(AsMap(map)).Query(what);
}

namespace {

constexpr int kMaxUserSamples = 128 * 1024;  // BPF_MAX_USER_RINGBUF_SAMPLES

// What Drain counts: a discarded sample has its turn but does not count.
int64_t Drain(Ringbuf& ring, uint64_t callback, uint64_t argument, ExecutionContext& context) {
  model::ExecutionExtras& extras = model::ExecutionLayout::extras(context);
  int64_t samples = 0;
  for (int i = 0; i < kMaxUserSamples; ++i) {
    Ringbuf::UserSample sample;
    const int code = ring.PeekUserSample(&sample);
    if (code == -EAGAIN) continue;
    if (code == -ENODATA) break;
    if (code != 0) return code;
    const Dynptr dynptr = Dynptr::Make(Dynptr::Kind::kLocal, FromAddress(sample.data), sample.size);
    extras.lent_dynptr = &dynptr;
    const uint64_t stop =
        context.Call(callback, reinterpret_cast<uint64_t>(&dynptr), argument, 0, 0, 0);
    extras.lent_dynptr = nullptr;
    if (context.stopped()) return 0;
    ring.ReleaseUserSample(sample);
    ++samples;
    if (stop != 0) break;
  }
  return samples;
}

}  // namespace

uint64_t UserRingbufDrain(uint64_t map, uint64_t callback, uint64_t argument, uint64_t flags,
                          uint64_t, ExecutionContext& context) noexcept {
  if ((flags & ~(model::kRingbufNoWakeup | model::kRingbufForceWakeup)) != 0) {
    return FromResult(-EINVAL);
  }
  Ringbuf& ring = Ringbuf::Of(AsMap(map));
  if (!ring.StartDrain()) return FromResult(-EBUSY);
  const int64_t result = Drain(ring, callback, argument, context);
  ring.EndDrain();
  const bool taken = result > 0 && (flags & model::kRingbufNoWakeup) == 0;
  if (taken || (flags & model::kRingbufForceWakeup) != 0) ring.Wake();
  return FromResult(result);
}

}  // namespace skep::helpers
