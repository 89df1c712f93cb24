// SPDX-License-Identifier: Apache-2.0
#include "tools/target.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>

#include <CLI/CLI.hpp>
#include <sys/utsname.h>
#include <unistd.h>
#include <zlib.h>

#include "btf/btf.h"
#include "tools/input.h"

namespace skep::tools {
namespace {

constexpr const char* kKernelBtf = "/sys/kernel/btf/vmlinux";
constexpr const char* kKernelSymbols = "/proc/kallsyms";
constexpr size_t kMaxBtf = 64u << 20;
constexpr size_t kMaxConfig = 16u << 20;

Result<std::shared_ptr<const btf::Btf>> ReadBtf(const std::string& path) {
  SKEP_TRY(const auto bytes, ReadFile(path, kMaxBtf));
  return btf::Btf::Parse(bytes, btf::Origin::kKernel).At(path);
}

struct GzCloser {
  void operator()(gzFile_s* file) const { gzclose(file); }
};

// A text, packed by gzip or not.
Result<std::string> ReadConfig(const std::string& path) {
  const std::unique_ptr<gzFile_s, GzCloser> file(gzopen(path.c_str(), "rbe"));
  if (!file) return Error{ErrorCode::kSystem, path + ": " + std::strerror(errno), errno};
  std::string text;
  char buffer[65536];
  int got = 0;
  while ((got = gzread(file.get(), buffer, sizeof buffer)) > 0) {
    text.append(buffer, static_cast<size_t>(got));
    if (text.size() > kMaxConfig) {
      return Error{ErrorCode::kResourceLimit,
                   path + ": more than " + std::to_string(kMaxConfig) + " bytes"};
    }
  }
  if (got < 0) {
    int code = 0;
    return Error{ErrorCode::kSystem, path + ": " + gzerror(file.get(), &code)};
  }
  return text;
}

uint32_t KernelVersion(const utsname& names) {
  unsigned major = 0, minor = 0, patch = 0;
  if (std::sscanf(names.release, "%u.%u.%u", &major, &minor, &patch) < 2) return 0;
  return major << 16 | (minor & 0xff) << 8 | (patch > 255 ? 255 : patch);
}

// Of the running kernel: where distributions put it, or what it says itself.
std::string RunningConfig(const utsname& names) {
  for (const std::string& path :
       {std::string("/proc/config.gz"), "/boot/config-" + std::string(names.release)}) {
    if (auto text = ReadConfig(path)) return *std::move(text);
  }
  return {};
}

}  // namespace

void AddTargetOptions(CLI::App* command, TargetOptions& options) {
  command->add_option("--btf", options.btf,
                      "BTF of the target kernel; else " + std::string(kKernelBtf));
  command->add_option("--kconfig", options.kconfig,
                      "Configuration of the target kernel; else that of the running one");
}

Result<ObjectOptions> ReadTarget(const TargetOptions& options) {
  ObjectOptions target;
  utsname names{};
  uname(&names);
  if (!options.btf.empty()) {
    SKEP_TRY(target.target_btf, ReadBtf(options.btf));
  } else if (access(kKernelBtf, R_OK) == 0) {
    SKEP_TRY(target.target_btf, ReadBtf(kKernelBtf));
  }
  if (!options.kconfig.empty()) {
    SKEP_TRY(target.kconfig, ReadConfig(options.kconfig));
  } else {
    target.kconfig = RunningConfig(names);
  }
  target.kernel_version = KernelVersion(names);
  if (access(kKernelSymbols, R_OK) == 0) target.kallsyms = kKernelSymbols;
  return target;
}

}  // namespace skep::tools
