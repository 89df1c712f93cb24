// SPDX-License-Identifier: Apache-2.0
// What the tool reads: objects (ELF or .ebpf text), packet captures, bytes.

#ifndef SKEP_TOOLS_INPUT_H_
#define SKEP_TOOLS_INPUT_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "skep/program.h"
#include "skep/result.h"

#include "tools/target.h"
#include "vm/test_file.h"

namespace skep::tools {

// The whole file; "-" is standard input. Fails with kSystem, or kResourceLimit
// beyond `limit` bytes.
Result<std::vector<std::byte>> ReadFile(const std::string& path, size_t limit = size_t{1} << 30);

struct Input {
  Object object;
  std::vector<std::byte> bytes{};  // of the file
  std::optional<TestFile> test{};  // if it is a .ebpf or .data file
};

// Reads an ELF object or a test file, told apart by their first bytes. Objects
// are linked against `target`; its BTF is read if they refer to it, or if the
// command line names one.
Result<Input> OpenInput(const std::string& path, const TargetOptions& target);

// The program type that a name (as bpftool prints it) or number stands for.
Result<ProgramTypeId> ParseProgramType(const std::string& text);

// All packets of a classic pcap or pcapng file with Ethernet frames. Fails,
// without packets, if any of it is malformed.
Result<std::vector<std::vector<std::byte>>> ReadCapture(const std::string& path);

// The packet that packet programs get when none is named: 1536 bytes, always
// the same.
std::vector<std::byte> DefaultPacket();

}  // namespace skep::tools

#endif  // SKEP_TOOLS_INPUT_H_
