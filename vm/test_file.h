// SPDX-License-Identifier: Apache-2.0
// TestFile: a program as text with what it should do; `.ebpf` files and the
// `.data` files of the BPF conformance suite. The format is in docs/test-files.md.
//
// Threads: values.

#ifndef SKEP_VM_TEST_FILE_H_
#define SKEP_VM_TEST_FILE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "skep/program.h"
#include "skep/result.h"
#include "skep/verify.h"

namespace skep {

enum class Expectation : uint8_t {
  kNothing,  // the file says no verdict
  kAccept,
  kReject,
};

struct TestFile {
  std::string name;
  ProgramData program;                           // not linked any further; Program::Create takes it
  std::optional<std::vector<std::byte>> memory;  // memory, packet or context
  bool unprivileged = false;                     // judged by the rules for Rights::kUnprivileged
  Expectation verdict = Expectation::kNothing;
  std::vector<std::string> reject_texts;  // each must be in the log
  std::optional<uint64_t> result;         // r0
  bool expect_error = false;              // the run, or loading, must fail
  // With expect_error: why the code is not even a program; else empty.
  std::string load_error;
};

// Any bytes may come in. Fails with kMalformedObject: one line that says where
// ("file.ebpf:12: ...", in code "file.ebpf: line 12, column 3: ..."), what was found and what was
// expected. An error in the code of a file that expects one is no failure: load_error holds it.
Result<TestFile> ParseTestFile(std::string_view text, const std::string& name);

// The test of a plain memory program that comes as the bytes of its slots. Fails
// with kMalformedObject if they are no whole number of slots, or none.
Result<TestFile> TestFileFromCode(std::span<const std::byte> code,
                                  std::optional<std::vector<std::byte>> memory);

// The test of a plain memory program that is assembly text alone. Fails with
// kMalformedObject: "file.s: line 2, column 6: ...".
Result<TestFile> TestFileFromAssembly(std::string_view text, const std::string& name);

// Bytes as hex digits, spaces anywhere between bytes. Fails with
// kMalformedObject.
Result<std::vector<std::byte>> ParseHex(std::string_view text);

}  // namespace skep

#endif  // SKEP_VM_TEST_FILE_H_
