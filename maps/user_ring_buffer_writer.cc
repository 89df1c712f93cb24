// SPDX-License-Identifier: Apache-2.0
#include "skep/user_ring_buffer_writer.h"

#include <utility>

#include "base/word_copy.h"
#include "maps/ringbuf_map.h"

namespace skep {
namespace {

model::Ringbuf& Ring(const std::shared_ptr<Map>& map) {
  return static_cast<RingbufMap&>(*map).ring();
}

}  // namespace

UserRingBufferWriter::UserRingBufferWriter(std::shared_ptr<Map> map) : map_(std::move(map)) {}
UserRingBufferWriter::~UserRingBufferWriter() = default;

Result<std::unique_ptr<UserRingBufferWriter>> UserRingBufferWriter::Create(
    std::shared_ptr<Map> map) {
  if (map == nullptr || map->type() != MapType::kUserRingbuf) {
    return Error{ErrorCode::kInvalidArgument, "user ring buffer writer: need a user_ringbuf map"};
  }
  return std::unique_ptr<UserRingBufferWriter>(new UserRingBufferWriter(std::move(map)));
}

std::byte* UserRingBufferWriter::Reserve(uint32_t size) {
  return Ring(map_).ReserveUserSample(size);
}
void UserRingBufferWriter::Submit(std::byte* sample) { Ring(map_).CommitUserSample(sample, false); }
void UserRingBufferWriter::Discard(std::byte* sample) { Ring(map_).CommitUserSample(sample, true); }

bool UserRingBufferWriter::Write(std::span<const std::byte> sample) {
  std::byte* room = Reserve(static_cast<uint32_t>(sample.size()));
  if (room == nullptr) return false;
  CopyWords(room, sample.data(), sample.size());
  Submit(room);
  return true;
}

}  // namespace skep
