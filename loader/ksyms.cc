// SPDX-License-Identifier: Apache-2.0
// Section .ksyms: functions and variables of the kernel, found by name in its
// BTF, and addresses of its symbols, found in a table like /proc/kallsyms. Names
// of functions are taken without their flavour: `bpf_cpumask_any___old` is
// bpf_cpumask_any, declared with another prototype.
#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "btf/compatible.h"
#include "btf/name_index.h"
#include "loader/externs.h"

namespace skep::loader {
namespace {

std::string_view WhatIs(const Extern& one) {
  return one.kind == ExternKind::kFunction ? "kernel function (kfunc)" : "kernel variable";
}

void ResolveTyped(const btf::Btf& btf, const ObjectOptions& options, Extern& one) {
  if (options.target_btf == nullptr) {
    one.error = Error{ErrorCode::kUnresolved,
                      fmt::format("{} '{}' needs the kernel's types (BTF), which were not given",
                                  WhatIs(one), one.name)};
    return;
  }
  const btf::Btf& target = *options.target_btf;
  const bool function = one.kind == ExternKind::kFunction;
  const uint32_t id = function ? target.Find(btf::EssentialName(one.name), btf::Kind::kFunc)
                               : target.Find(one.name, btf::Kind::kVar);
  if (id == 0) {
    if (!one.weak) {
      one.error =
          Error{ErrorCode::kUnresolved,
                fmt::format("{} '{}' is not in the kernel's types", WhatIs(one), one.name), ESRCH};
    }
    return;
  }
  // A weak function of another prototype counts as missing; a weak variable
  // does not, as in libbpf.
  const uint32_t local_type = btf.type(one.type).size_or_type;
  if (!btf::AreCompatible(btf, local_type, target, target.type(id).size_or_type)) {
    if (function && one.weak) return;
    one.error = Error{ErrorCode::kUnresolved,
                      fmt::format("{} '{}' is declared with another {} than the kernel's",
                                  WhatIs(one), one.name, function ? "prototype" : "type"),
                      EINVAL};
    return;
  }
  one.found = true;
  one.value = id;
}

using Wanted = std::unordered_map<std::string_view, Extern*>;

// "ffffffff81000000 T _text", and more behind the name for modules' symbols.
void ReadLine(const char* line, const Wanted& wanted) {
  uint64_t address = 0;
  char type = 0;
  char name[512] = {};
  if (std::sscanf(line, "%" SCNx64 " %c %511s", &address, &type, name) != 3) return;
  std::string_view key = name;
  if (type == 'd') key = key.substr(0, key.find(".llvm."));
  const auto it = wanted.find(key);
  if (it == wanted.end() || it->second->error) return;
  Extern& symbol = *it->second;
  if (symbol.found && symbol.value != address) {
    symbol.error = Error{ErrorCode::kUnresolved,
                         fmt::format("kernel symbol '{}' is ambiguous: {:#x} or {:#x}", symbol.name,
                                     symbol.value, address),
                         EINVAL};
  }
  symbol.found = true;
  symbol.value = address;
}

void ReadSymbols(const std::string& path, const Wanted& wanted) {
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  const std::unique_ptr<std::FILE, Closer> file(path.empty() ? nullptr
                                                             : std::fopen(path.c_str(), "re"));
  char line[1024];
  while (file != nullptr && std::fgets(line, sizeof line, file.get()) != nullptr) {
    ReadLine(line, wanted);
  }
  for (const auto& [name, symbol] : wanted) {
    if (symbol->found || symbol->error || (symbol->weak && file != nullptr)) continue;
    symbol->error = Error{
        ErrorCode::kUnresolved,
        file != nullptr
            ? fmt::format("kernel symbol '{}' is not in {}", name, path)
            : fmt::format("kernel symbol '{}' needs a table of the kernel's symbols, {}", name,
                          path.empty() ? "which was not given" : path + " cannot be read"),
        ESRCH};
  }
}

}  // namespace

void ResolveKernelSymbols(const btf::Btf& btf, const ObjectOptions& options,
                          std::span<Extern> externs) {
  Wanted wanted;
  for (Extern& one : externs) {
    if (one.kind == ExternKind::kSymbol) {
      wanted.emplace(one.name, &one);
    } else {
      ResolveTyped(btf, options, one);
    }
  }
  if (!wanted.empty()) ReadSymbols(options.kallsyms, wanted);
}

}  // namespace skep::loader
