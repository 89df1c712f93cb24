// SPDX-License-Identifier: Apache-2.0
// What `skep run` runs over, and what one engine made of it.

#ifndef SKEP_TOOLS_ENGINE_RUN_H_
#define SKEP_TOOLS_ENGINE_RUN_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "skep/execution_context.h"
#include "skep/program_type.h"
#include "skep/verify.h"

#include "tools/output.h"

namespace skep::tools {

using Bytes = std::vector<std::byte>;

// Types whose programs run over a packet; the others over a block of bytes.
constexpr bool TakesPackets(ProgramTypeId type) {
  switch (type) {
    case ProgramTypeId::kXdp:
    case ProgramTypeId::kSocketFilter:
    case ProgramTypeId::kSchedCls:
    case ProgramTypeId::kSchedAct:
    case ProgramTypeId::kCgroupSkb:
    case ProgramTypeId::kLwtIn:
    case ProgramTypeId::kLwtOut:
    case ProgramTypeId::kLwtXmit:
    case ProgramTypeId::kLwtSeg6local:
    case ProgramTypeId::kFlowDissector:
    case ProgramTypeId::kNetfilter:
      return true;
    default:
      return false;
  }
}

// Whether what became of the packet can be told after a run.
constexpr bool GivesPacketBack(ProgramTypeId type) {
  return TakesPackets(type) && type != ProgramTypeId::kFlowDissector &&
         type != ProgramTypeId::kNetfilter;
}

// What the program runs over: packets, or one block of context bytes.
struct Workload {
  bool packets = false;
  bool context_named = false;  // by --ctx or --ctx-hex
  std::vector<Bytes> inputs;
};

// What one engine did.
struct EngineRun {
  std::string engine;
  VerifierReport report;
  RunResult last;
  std::string trap_detail;
  std::string trap_name;
  std::map<uint64_t, uint64_t> retvals;  // r0 by runs
  std::vector<std::string> trace;
  uint64_t trace_dropped = 0;  // lines beyond kMaxTraceLines
  // What the last run left: the context, or the keys of a flow dissector, in hex;
  // empty if it could not change them.
  std::string left;
  double ns_per_run = 0;
  Json maps;
  Json records;
  std::string maps_text;
  // The packet after the last run over the only one, as BPF_PROG_TEST_RUN gives
  // it: with metadata; for types that see no link-layer header, with zeroes there.
  std::optional<Bytes> packet;
  std::string redirect;  // where the program asked to send it, in words
};

}  // namespace skep::tools

#endif  // SKEP_TOOLS_ENGINE_RUN_H_
