// SPDX-License-Identifier: Apache-2.0
#include "tools/input.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include <pcap/pcap.h>

#include "model/program_type_name.h"

namespace skep::tools {
namespace {

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using FilePtr = std::unique_ptr<std::FILE, FileCloser>;

struct PcapCloser {
  void operator()(pcap_t* capture) const { pcap_close(capture); }
};

bool IsElf(const std::vector<std::byte>& bytes) {
  return bytes.size() >= 4 && std::memcmp(bytes.data(), "\177ELF", 4) == 0;
}

bool LooksLikeText(const std::vector<std::byte>& bytes) {
  return !bytes.empty() && std::memchr(bytes.data(), 0, bytes.size()) == nullptr;
}

Error SystemError(const std::string& path) {
  return Error{ErrorCode::kSystem, path + ": " + std::strerror(errno), errno};
}

}  // namespace

Result<std::vector<std::byte>> ReadFile(const std::string& path, size_t limit) {
  FilePtr opened;
  std::FILE* file = stdin;
  if (path != "-") {
    opened.reset(std::fopen(path.c_str(), "rb"));
    if (!opened) return SystemError(path);
    file = opened.get();
  }
  std::vector<std::byte> bytes;
  std::byte buffer[65536];
  errno = 0;
  while (const size_t got = std::fread(buffer, 1, sizeof buffer, file)) {
    bytes.insert(bytes.end(), buffer, buffer + got);
    if (bytes.size() > limit) {
      return Error{ErrorCode::kResourceLimit,
                   path + ": more than " + std::to_string(limit) + " bytes"};
    }
  }
  if (std::ferror(file) != 0) return SystemError(path);
  return bytes;
}

namespace {

Result<Input> OpenTest(std::string_view text, const std::string& path,
                       const TargetOptions& target) {
  SKEP_TRY(auto test, ParseTestFile(text, path));
  if (!test.load_error.empty()) return Error{ErrorCode::kMalformedObject, test.load_error};
  if (!target.btf.empty() || NeedsTargetBtf(test.program)) {
    SKEP_TRY(test.program.target_btf, ReadTargetBtf(target));
  }
  std::vector<ObjectProgram> programs;
  programs.push_back({.name = test.program.name,
                      .section = test.program.section,
                      .program = Program::Create(test.program).At(path),
                      .type = test.program.type});
  Object object = Object::FromPrograms(path, std::move(programs), test.program.maps);
  return Input{.object = std::move(object), .test = std::move(test)};
}

// What an object refers to is known once it is read, and reading it is cheap
// beside reading a kernel's BTF.
Result<Input> OpenObject(std::span<const std::byte> bytes, const std::string& path,
                         const TargetOptions& target) {
  SKEP_TRY(ObjectOptions options, ReadTarget(target));
  if (!target.btf.empty()) {
    SKEP_TRY(options.target_btf, ReadTargetBtf(target));
  }
  SKEP_TRY(auto object, Object::Parse(bytes, path, options));
  const bool needed = object.needs_target_btf() ||
                      std::any_of(object.programs().begin(), object.programs().end(),
                                  [](const ObjectProgram& entry) {
                                    return entry.program && NeedsTargetBtf(entry.program->data());
                                  });
  if (options.target_btf != nullptr || !needed) return Input{.object = std::move(object)};
  SKEP_TRY(options.target_btf, ReadTargetBtf(target));
  if (options.target_btf == nullptr) return Input{.object = std::move(object)};
  SKEP_TRY(auto linked, Object::Parse(bytes, path, options));
  return Input{.object = std::move(linked)};
}

}  // namespace

Result<Input> OpenInput(const std::string& path, const TargetOptions& target) {
  SKEP_TRY(auto bytes, ReadFile(path));
  if (IsElf(bytes)) {
    SKEP_TRY(Input input, OpenObject(bytes, path, target));
    input.bytes = std::move(bytes);
    return input;
  }
  if (!LooksLikeText(bytes)) {
    return Error{ErrorCode::kMalformedObject,
                 path + ": neither an ELF object nor a test file (.ebpf, .data)"};
  }
  SKEP_TRY(Input input,
           OpenTest({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path, target));
  input.bytes = std::move(bytes);
  return input;
}

Result<ProgramTypeId> ParseProgramType(const std::string& text) {
  if (const auto id = ProgramTypeByName(text)) return *id;
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && !text.empty()) {
    return static_cast<ProgramTypeId>(number);
  }
  return Error{ErrorCode::kInvalidArgument,
               "unknown program type '" + text + "', expected a name such as xdp or a number"};
}

Result<std::vector<std::vector<std::byte>>> ReadCapture(const std::string& path) {
  FilePtr file(std::fopen(path.c_str(), "rb"));
  if (!file) return SystemError(path);
  char message[PCAP_ERRBUF_SIZE] = {};
  const std::unique_ptr<pcap_t, PcapCloser> capture(pcap_fopen_offline(file.get(), message));
  if (!capture) return Error{ErrorCode::kMalformedObject, path + ": " + message};
  static_cast<void>(file.release());  // closed with the capture
  if (pcap_datalink(capture.get()) != DLT_EN10MB) {
    const char* name = pcap_datalink_val_to_name(pcap_datalink(capture.get()));
    return Error{ErrorCode::kUnsupported,
                 path + ": link type " + (name == nullptr ? "unknown" : name) + ", need Ethernet"};
  }
  std::vector<std::vector<std::byte>> packets;
  pcap_pkthdr* header = nullptr;
  const u_char* data = nullptr;
  int got = 0;
  while ((got = pcap_next_ex(capture.get(), &header, &data)) == 1) {
    const auto* bytes = reinterpret_cast<const std::byte*>(data);
    packets.emplace_back(bytes, bytes + header->caplen);
  }
  if (got != PCAP_ERROR_BREAK) {
    return Error{ErrorCode::kMalformedObject, path + ": packet " +
                                                  std::to_string(packets.size() + 1) + ": " +
                                                  pcap_geterr(capture.get())};
  }
  if (packets.empty()) return Error{ErrorCode::kMalformedObject, path + ": no packets"};
  return packets;
}

std::vector<std::byte> DefaultPacket() {
  std::vector<std::byte> packet(1536);
  uint64_t state = 0x5ce9;
  for (std::byte& byte : packet) {
    state = state * 6364136223846793005 + 1442695040888963407;
    byte = static_cast<std::byte>(state >> 56);
  }
  return packet;
}

}  // namespace skep::tools
