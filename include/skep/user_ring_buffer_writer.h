// SPDX-License-Identifier: Apache-2.0
// UserRingBufferWriter: puts samples into a user ring buffer map, for programs to
// take with bpf_user_ringbuf_drain, as libbpf's user_ring_buffer does.
//
//   auto writer = skep::UserRingBufferWriter::Create(map);
//   if (std::byte* sample = (*writer)->Reserve(64)) { ...; (*writer)->Submit(sample); }
//
// Threads: one thread at a time, and one writer for a map. Programs may drain
// meanwhile. Lifetime: keeps the map.

#ifndef SKEP_USER_RING_BUFFER_WRITER_H_
#define SKEP_USER_RING_BUFFER_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "skep/export.h"
#include "skep/map.h"
#include "skep/result.h"

namespace skep {

class SKEP_EXPORT UserRingBufferWriter {
 public:
  // Fails with kInvalidArgument if the map is not a user ring buffer.
  static Result<std::unique_ptr<UserRingBufferWriter>> Create(std::shared_ptr<Map> map);
  ~UserRingBufferWriter();

  // Room for a sample of `size` bytes, 8-byte aligned; null if there is none now.
  // Programs wait at it until it is submitted or discarded.
  std::byte* Reserve(uint32_t size);
  void Submit(std::byte* sample);
  void Discard(std::byte* sample);
  // Reserves, copies and submits. False if there is no room.
  bool Write(std::span<const std::byte> sample);

 private:
  explicit UserRingBufferWriter(std::shared_ptr<Map> map);

  std::shared_ptr<Map> map_;
};

}  // namespace skep

#endif  // SKEP_USER_RING_BUFFER_WRITER_H_
