// SPDX-License-Identifier: Apache-2.0
// skep-conformance-plugin: speaks the protocol of bpf_conformance. The program
// comes as hex on standard input, memory as hex in the first argument; r0 goes
// to standard output as hex. Anything else ends in a message and status 1.
#include <cinttypes>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "vm/test_file.h"
#include "vm/test_runner.h"

namespace {

constexpr const char* kUsage =
    "usage: skep-conformance-plugin [MEMORY_HEX] [--interp|--jit|--checked]\n"
    "Reads a program as hex from standard input, runs it over the memory and prints r0 in hex.\n\n"
    "Example:\n"
    "  echo 'b7 00 00 00 2a 00 00 00 95 00 00 00 00 00 00 00' | skep-conformance-plugin --jit\n";

int Fail(const std::string& message) {
  std::fprintf(stderr, "skep-conformance-plugin: %s\n", message.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  skep::Engine engine = skep::Engine::kJit;
  std::optional<std::string> memory_hex;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--help" || argument == "-h") {
      std::fputs(kUsage, stdout);
      return 0;
    }
    const auto named =
        argument.starts_with("--") ? skep::EngineByName(argument.substr(2)) : std::nullopt;
    if (named) {
      engine = *named;
    } else if (argument.starts_with("--")) {
      return Fail("unknown option '" + argument + "'");
    } else if (!memory_hex) {
      memory_hex = argument;
    } else {
      return Fail("unexpected argument '" + argument + "'");
    }
  }
  const std::string program_hex{std::istreambuf_iterator<char>(std::cin), {}};
  auto code = skep::ParseHex(program_hex);
  if (!code) return Fail("program: " + code.error().message);
  std::optional<std::vector<std::byte>> memory;
  if (memory_hex && !memory_hex->empty()) {
    auto bytes = skep::ParseHex(*memory_hex);
    if (!bytes) return Fail("memory: " + bytes.error().message);
    memory = *std::move(bytes);
  }
  auto file = skep::TestFileFromCode(*code, std::move(memory));
  if (!file) return Fail(file.error().message);
  auto value = skep::RunOnce(*file, engine, {});
  if (!value) return Fail(value.error().message);
  std::printf("%" PRIx64 "\n", *value);
  return std::fflush(stdout) == 0 ? 0 : Fail("standard output cannot be written");
}
