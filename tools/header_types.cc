// SPDX-License-Identifier: Apache-2.0
#include "tools/header_types.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "skep/btf.h"

#include "btf/btf.h"
#include "tools/c_type_names.h"
#include "tools/input.h"
#include "tools/write_file.h"

namespace skep::tools {
namespace {

constexpr const char* kUsualClangs[] = {"clang",    "clang-20", "clang-19", "clang-18",
                                        "clang-17", "clang-16", "clang-15", "clang-14"};

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::error_code error;
    std::string name = (std::filesystem::temp_directory_path(error) / "skep-gen-XXXXXX").string();
    if (!error && mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }  // empty: there is none

 private:
  std::string path_;
};

// Runs a program of $PATH, without a shell. Returns its exit status, or -errno if
// it cannot be started.
int Run(const std::vector<std::string>& arguments) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_t child = 0;
  if (const int error = posix_spawnp(&child, argv[0], nullptr, nullptr, argv.data(), environ);
      error != 0)
    return -error;
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return -errno;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

// What a header of this machine is to be read with: it is compiled for the BPF
// target, which has the same layout, but headers ask for the machine by name.
std::vector<std::string> MachineArguments() {
#if defined(__x86_64__)
  const std::string machine = "x86_64";
#elif defined(__aarch64__)
  const std::string machine = "aarch64";
#else
  const std::string machine;
#endif
  std::vector<std::string> arguments;
  if (!machine.empty()) arguments.push_back("-D__" + machine + "__=1");
  const std::string headers = "/usr/include/" + machine + "-linux-gnu";
  std::error_code ignored;
  if (!machine.empty() && std::filesystem::exists(headers, ignored))
    arguments.insert(arguments.end(), {"-idirafter", headers});
  return arguments;
}

Result<void> Compile(const HeaderOptions& options, std::vector<std::string> arguments) {
  std::vector<std::string> candidates(std::begin(kUsualClangs), std::end(kUsualClangs));
  if (!options.clang.empty()) candidates = {options.clang};
  arguments.insert(arguments.begin(), options.arguments.begin(), options.arguments.end());
  for (const std::string& clang : candidates) {
    std::vector<std::string> command = {clang, "-target", "bpf", "-x", "c"};
    const std::vector<std::string> machine = MachineArguments();
    command.insert(command.end(), machine.begin(), machine.end());
    command.insert(command.end(), arguments.begin(), arguments.end());
    const int status = Run(command);
    if (status == 0) return {};
    if (status > 0 && status != 127)
      return Error{ErrorCode::kMalformedObject, clang + " cannot compile " + options.header};
    if (status != -ENOENT && status != 127)
      return Error{ErrorCode::kSystem, clang + ": " + std::strerror(-status), -status};
  }
  return Error{ErrorCode::kSystem, options.clang.empty()
                                       ? "no clang is installed; name one with --clang"
                                       : options.clang + " is not there"};
}

// A source that uses every type of the header.
std::string UsingAll(const std::string& header, const std::vector<std::string>& names) {
  std::string out = "#include \"" + header + "\"\n";
  for (size_t i = 0; i < names.size(); ++i)
    out += names[i] + " *skep_use_" + std::to_string(i) + ";\n";
  return out;
}

}  // namespace

Result<std::vector<std::byte>> TypesOfHeader(const HeaderOptions& options) {
  if (access(options.header.c_str(), R_OK) != 0)
    return Error{ErrorCode::kSystem, options.header + ": " + std::strerror(errno), errno};
  const TemporaryFolder folder;
  if (folder.path().empty())
    return Error{ErrorCode::kSystem, std::string("no temporary folder: ") + std::strerror(errno)};
  const std::string text = folder.path() + "/types.i", source = folder.path() + "/types.c",
                    object = folder.path() + "/types.o";
  SKEP_TRY_VOID(Compile(options, {"-E", options.header, "-o", text}));
  SKEP_TRY(const std::vector<std::byte> read, ReadFile(text));
  const std::vector<std::string> names =
      CTypeNames({reinterpret_cast<const char*>(read.data()), read.size()});
  if (names.empty())
    return Error{ErrorCode::kMalformedObject, options.header + ": defines no types"};
  std::error_code error;
  const std::string header = std::filesystem::absolute(options.header, error).string();
  if (error) return Error{ErrorCode::kSystem, options.header + ": " + error.message()};
  const std::string uses = UsingAll(header, names);
  SKEP_TRY_VOID(WriteFile(source, std::as_bytes(std::span(uses))));
  SKEP_TRY_VOID(Compile(options, {"-g", "-c", source, "-o", object}));
  SKEP_TRY(const std::shared_ptr<const btf::Btf> btf, OpenBtf(object));
  return btf->Serialize();
}

}  // namespace skep::tools
