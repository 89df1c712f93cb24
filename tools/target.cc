// SPDX-License-Identifier: Apache-2.0
#include "tools/target.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>

#include <CLI/CLI.hpp>
#include <sys/utsname.h>
#include <unistd.h>
#include <zlib.h>

#include "skep/helper.h"

#include "helpers/helper_table.h"

namespace skep::tools {
namespace {

constexpr const char* kKernelSymbols = "/proc/kallsyms";
constexpr size_t kMaxConfig = 16u << 20;

constexpr uint8_t kCodeCall = 0x85;
constexpr uint8_t kCodeWideLoad = 0x18;

bool SpeaksOfKernelTypes(const HelperSpec& helper) {
  if (helper.returns == ReturnKind::kBtfId || helper.returns == ReturnKind::kMemOrBtfId)
    return true;
  return std::any_of(helper.args.begin(), helper.args.end(), [](const ArgSpec& arg) {
    return arg.kind == ArgKind::kBtfId || arg.kind == ArgKind::kPercpuBtfId;
  });
}

bool SpeaksOfKernelTypes(const Insn& insn) {
  if (insn.code == kCodeWideLoad) return insn.src == kPseudoBtfId;
  if (insn.code != kCodeCall) return false;
  if (insn.src == kCallKfunc) return true;
  if (insn.src != kCallHelper) return false;
  const auto table = HelperTable();
  return std::any_of(table.begin(), table.end(), [&](const HelperSpec& helper) {
    return helper.id == static_cast<uint32_t>(insn.imm) && SpeaksOfKernelTypes(helper);
  });
}

// Whether a load may go through a pointer to a map, into the kernel's struct
// behind it. Follows the registers in the order of the code.
bool ReadsThroughMapPointer(const std::vector<Insn>& insns) {
  constexpr uint8_t kClassMask = 0x07, kClassLd = 0x00, kClassLdx = 0x01, kClassAlu = 0x04,
                    kClassAlu64 = 0x07, kMove64 = 0xbf;
  uint32_t maps = 0;  // bit i: ri
  for (const Insn& insn : insns) {
    const uint32_t dst = 1u << insn.dst, src = 1u << insn.src;
    const uint8_t insn_class = insn.code & kClassMask;
    if (insn_class == kClassLdx && (maps & src) != 0) return true;
    const bool is_map =
        (insn.code == kCodeWideLoad && (insn.src == kPseudoMapFd || insn.src == kPseudoMapIdx)) ||
        (insn.code == kMove64 && insn.off == 0 && (maps & src) != 0);
    if (is_map) {
      maps |= dst;
    } else if ((insn_class == kClassLd && insn.code == kCodeWideLoad) || insn_class == kClassLdx ||
               insn_class == kClassAlu ||
               (insn_class == kClassAlu64 && (insn.code & 0xf0) == 0xb0)) {
      maps &= ~dst;
    } else if (insn.code == kCodeCall) {
      maps &= ~0x3fu;
    }
  }
  return false;
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
  // The end of a file that was cut off is told by its code alone.
  int code = Z_OK;
  const char* message = gzerror(file.get(), &code);
  if (got < 0 || (code != Z_OK && code != Z_STREAM_END))
    return Error{ErrorCode::kSystem, path + ": " + message};
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

void AddTargetOptions(CLI::App* command, TargetOptions& options, const char* btf_option) {
  command->add_option(btf_option, options.btf,
                      "BTF of the target kernel; else " + std::string(kKernelBtfPath));
  command->add_option("--kconfig", options.kconfig,
                      "Configuration of the target kernel; else that of the running one");
}

Result<ObjectOptions> ReadTarget(const TargetOptions& options) {
  ObjectOptions target;
  utsname names{};
  uname(&names);
  if (!options.kconfig.empty()) {
    SKEP_TRY(target.kconfig, ReadConfig(options.kconfig));
  } else {
    target.kconfig = RunningConfig(names);
  }
  target.kernel_version = KernelVersion(names);
  if (access(kKernelSymbols, R_OK) == 0) target.kallsyms = kKernelSymbols;
  return target;
}

Result<std::shared_ptr<const btf::Btf>> ReadTargetBtf(const TargetOptions& options) {
  if (!options.btf.empty()) return OpenBtf(options.btf);
  if (access(kKernelBtfPath, R_OK) != 0) return std::shared_ptr<const btf::Btf>();
  return OpenBtf(kKernelBtfPath);
}

bool NeedsTargetBtf(const ProgramData& program) {
  const ProgramTypeId type = program.type;
  return type == ProgramTypeId::kTracing || type == ProgramTypeId::kLsm ||
         type == ProgramTypeId::kStructOps || type == ProgramTypeId::kExt ||
         ReadsThroughMapPointer(program.insns) ||
         std::any_of(program.insns.begin(), program.insns.end(),
                     [](const Insn& insn) { return SpeaksOfKernelTypes(insn); });
}

}  // namespace skep::tools
