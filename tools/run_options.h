// SPDX-License-Identifier: Apache-2.0
// What `skep run` was asked to do.

#ifndef SKEP_TOOLS_RUN_OPTIONS_H_
#define SKEP_TOOLS_RUN_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/target.h"

namespace skep::tools {

struct RunOptions {
  std::string object;
  TargetOptions target;
  std::string program;
  std::vector<std::string> engines;
  std::string backend = "skep";
  std::string type;
  std::string ctx_file;
  std::optional<std::string> ctx_hex;
  std::optional<std::string> packet_hex;
  std::string pcap;
  std::string clock;
  uint64_t repeat = 1;
  uint32_t threads = 1;
  uint64_t budget = 0;
  uint64_t seed = 0;
  bool has_seed = false;
  bool show_maps = false;
  bool unprivileged = false;
  bool json = false;
};

}  // namespace skep::tools

#endif  // SKEP_TOOLS_RUN_OPTIONS_H_
