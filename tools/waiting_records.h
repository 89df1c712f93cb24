// SPDX-License-Identifier: Apache-2.0
// What programs leave for user space: records in ring buffers and perf event
// arrays, values in queues and stacks.

#ifndef SKEP_TOOLS_WAITING_RECORDS_H_
#define SKEP_TOOLS_WAITING_RECORDS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "skep/map.h"
#include "skep/perf_buffer_reader.h"
#include "skep/result.h"

namespace skep::tools {

struct Records {
  std::vector<std::string> hex;  // in the order in which a reader gets them
  uint64_t lost = 0;             // perf event arrays: records that found no room
};

// Threads: one at a time. Make it before the run: without a reader, a perf
// event array refuses records, as in Linux.
class WaitingRecords {
 public:
  using Maps = std::map<std::string, std::shared_ptr<Map>>;

  // Fails as PerfBufferReader::Create.
  static Result<WaitingRecords> Create(const Maps& maps);
  // Takes all that waits; a row for each map that can hold such, also if none does.
  Result<std::map<std::string, Records>> Take();

 private:
  explicit WaitingRecords(Maps maps) : maps_(std::move(maps)) {}
  Maps maps_;
  // What the readers have found, at addresses that stay when this object moves.
  std::shared_ptr<std::map<std::string, Records>> found_;
  std::vector<std::unique_ptr<PerfBufferReader>> readers_;
};

}  // namespace skep::tools

#endif  // SKEP_TOOLS_WAITING_RECORDS_H_
