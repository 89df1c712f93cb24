// SPDX-License-Identifier: Apache-2.0
#include "model/ringbuf.h"

#include "helpers/functions.h"
#include "helpers/registers.h"

namespace skep::helpers {

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
                       ExecutionContext&) noexcept {
  Ringbuf::Commit(AsBytes(data), flags, false);
  return 0;
}

uint64_t RingbufDiscard(uint64_t data, uint64_t flags, uint64_t, uint64_t, uint64_t,
                        ExecutionContext&) noexcept {
  Ringbuf::Commit(AsBytes(data), flags, true);
  return 0;
}

uint64_t RingbufQuery(uint64_t map, uint64_t what, uint64_t, uint64_t, uint64_t,
                      ExecutionContext&) noexcept {
  return Ringbuf::Of(AsMap(map)).Query(what);
}

}  // namespace skep::helpers
