// SPDX-License-Identifier: Apache-2.0
#include "tools/waiting_records.h"

#include <span>
#include <utility>

#include "skep/ring_buffer_reader.h"

#include "tools/output.h"

namespace skep::tools {
namespace {

constexpr uint32_t kPerfPages = 64;  // for each CPU slot, as bpftool has it

Result<void> TakeRing(const std::shared_ptr<Map>& map, Records& out) {
  const auto keep = [&out](std::span<const std::byte> record) {
    out.hex.push_back(Hex(record.data(), record.size()));
    return 0;
  };
  SKEP_TRY(auto reader, RingBufferReader::Create(map, keep));
  reader->Consume();
  return {};
}

void TakeValues(Map& map, Records& out) {
  std::vector<std::byte> value(map.host_value_size());
  for (uint32_t n = 0; n < map.spec().max_entries; ++n) {
    if (map.HostLookupAndDelete(nullptr, value.data()) != 0) break;
    out.hex.push_back(Hex(value.data(), value.size()));
  }
}

}  // namespace

Result<WaitingRecords> WaitingRecords::Create(const Maps& maps) {
  WaitingRecords out(maps);
  out.found_ = std::make_shared<std::map<std::string, Records>>();
  for (const auto& [name, map] : maps) {
    if (map->type() != MapType::kPerfEventArray) continue;
    Records& records = (*out.found_)[name];
    SKEP_TRY(auto reader, PerfBufferReader::Create(
                              map, kPerfPages,
                              [&records](uint32_t, std::span<const std::byte> data) {
                                records.hex.push_back(Hex(data.data(), data.size()));
                              },
                              [&records](uint32_t, uint64_t count) { records.lost += count; }));
    out.readers_.push_back(std::move(reader));
  }
  return out;
}

Result<std::map<std::string, Records>> WaitingRecords::Take() {
  for (const auto& reader : readers_) reader->Consume();
  for (const auto& [name, map] : maps_) {
    if (map->type() == MapType::kRingbuf) {
      SKEP_TRY_VOID(TakeRing(map, (*found_)[name]));
    } else if (map->type() == MapType::kQueue || map->type() == MapType::kStack) {
      TakeValues(*map, (*found_)[name]);
    }
  }
  return *found_;
}

}  // namespace skep::tools
