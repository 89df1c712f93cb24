// SPDX-License-Identifier: Apache-2.0
// The running kernel as an oracle of register states: loads a program with the
// verifier log on and reads the scalars of each instruction out of the log.

#ifndef SKEP_TESTS_VERIFIER_KERNEL_LOG_H_
#define SKEP_TESTS_VERIFIER_KERNEL_LOG_H_

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "skep/insn.h"

#include "tests/support/bpf_syscall.h"
#include "verifier/scalar.h"

namespace skep::verifier {

struct LoadResult {
  int error = 0;  // errno, 0 if the kernel accepted
  std::string log;
};

inline LoadResult Load(std::span<const Insn> code) {
  constexpr uint32_t kSocketFilter = 1, kEveryInsn = 2;
  LoadResult result;
  const test::Fd program = test::KernelProgramLoad(
      kSocketFilter, code, &result.log, {.log_level = kEveryInsn, .log_size = size_t{1} << 20});
  result.error = program.ok() ? 0 : -program.get();
  return result;
}

// ---- The log ---------------------------------------------------------------

// "-5", "0xffff", "P7", "scalar(id=1,smin=smin32=0,...,var_off=(0x0; 0xff))".
inline std::optional<Scalar> ParseScalar(std::string text) {
  if (!text.empty() && text[0] == 'P') text.erase(0, 1);
  if (text.rfind("scalar(", 0) != 0) {
    char* end = nullptr;
    const uint64_t v = std::strtoull(text.c_str(), &end, 0);
    if (end == text.c_str() || *end != '\0') return std::nullopt;
    return Scalar::Const(v);
  }
  Scalar s;
  std::string body = text.substr(7, text.size() - 8);
  const size_t var_off = body.find("var_off=(");
  if (var_off != std::string::npos) {
    unsigned long long value = 0, mask = 0;
    if (std::sscanf(body.c_str() + var_off, "var_off=(%llx; %llx)", &value, &mask) != 2) {
      return std::nullopt;
    }
    s.bits = {value, mask};
    body.erase(var_off);
  }
  std::stringstream fields(body);
  for (std::string field; std::getline(fields, field, ',');) {
    // name=name=value: each name has this value.
    const uint64_t value = std::strtoull(field.c_str() + field.rfind('=') + 1, nullptr, 0);
    std::stringstream names(field.substr(0, field.rfind('=')));
    for (std::string name; std::getline(names, name, '=');) {
      if (name == "smin") s.wide.smin = static_cast<int64_t>(value);
      if (name == "smax") s.wide.smax = static_cast<int64_t>(value);
      if (name == "umin") s.wide.umin = value;
      if (name == "umax") s.wide.umax = value;
      if (name == "smin32") s.low.smin = static_cast<int32_t>(value);
      if (name == "smax32") s.low.smax = static_cast<int32_t>(value);
      if (name == "umin32") s.low.umin = static_cast<uint32_t>(value);
      if (name == "umax32") s.low.umax = static_cast<uint32_t>(value);
    }
  }
  return s;
}

using Registers = std::map<int, Scalar>;

// The scalars among "R6=... R7=..." in a line.
inline Registers ParseRegisters(const std::string& text) {
  Registers registers;
  for (size_t at = 0; (at = text.find('R', at)) != std::string::npos; ++at) {
    if (at > 0 && text[at - 1] != ' ') continue;
    const size_t equals = text.find('=', at);
    if (equals == std::string::npos) break;
    size_t end = equals + 1;
    for (int depth = 0; end < text.size() && (depth > 0 || text[end] != ' '); ++end) {
      depth += text[end] == '(' ? 1 : text[end] == ')' ? -1 : 0;
    }
    const auto value = ParseScalar(text.substr(equals + 1, end - equals - 1));
    if (value) registers[std::atoi(text.c_str() + at + 1)] = *value;
  }
  return registers;
}

struct Log {
  std::map<int, Registers> after;  // by instruction, the first time it is walked
  std::map<int, Registers> entry;  // by target of "from A to B:"
  // On the first path, the one that goes on where a state is split in two:
  std::set<int> walked;        // instructions
  std::set<int> came_back_to;  // jumps of which the other way was walked too
};

inline Log ParseLog(const std::string& text) {
  constexpr int kNoSplit = std::numeric_limits<int>::max();
  int split = kNoSplit;
  Log log;
  std::stringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    int pc = 0, target = 0, used = 0;
    if (std::sscanf(line.c_str(), "from %d to %d:%n", &pc, &target, &used) == 2) {
      // "from A to A" resumes the other half of a split at A: until then, the
      // first path; after it, side exits of before A, and the other half's.
      if (pc == target) split = std::min(split, pc);
      if (pc < split) log.came_back_to.insert(pc);
      log.entry.emplace(target, ParseRegisters(line.substr(static_cast<size_t>(used))));
    } else if (std::sscanf(line.c_str(), "%d: (%n", &pc, &used) == 1 && used > 0) {
      if (split == kNoSplit) log.walked.insert(pc);
      const size_t state = line.find("; ");
      if (state != std::string::npos) log.after.emplace(pc, ParseRegisters(line.substr(state)));
    }
  }
  return log;
}

}  // namespace skep::verifier

#endif  // SKEP_TESTS_VERIFIER_KERNEL_LOG_H_
