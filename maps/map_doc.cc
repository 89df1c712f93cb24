// SPDX-License-Identifier: Apache-2.0
#include "maps/map_doc.h"

#include <fmt/format.h>

#include "model/map_type_info.h"

namespace skep {
namespace {

struct Word {
  uint32_t bit;
  const char* text;
};

constexpr Word kFlagWords[] = {
    {kMapNoPrealloc, "NO_PREALLOC"}, {kMapNoCommonLru, "NO_COMMON_LRU"},
    {kMapNumaNode, "NUMA_NODE"},     {kMapRdonly, "RDONLY"},
    {kMapWronly, "WRONLY"},          {kMapStackBuildId, "STACK_BUILD_ID"},
    {kMapZeroSeed, "ZERO_SEED"},     {kMapRdonlyProg, "RDONLY_PROG"},
    {kMapWronlyProg, "WRONLY_PROG"}, {kMapClone, "CLONE"},
    {kMapMmapable, "MMAPABLE"},      {kMapPreserveElems, "PRESERVE_ELEMS"},
    {kMapInnerMap, "INNER_MAP"},     {kMapSegvOnFault, "SEGV_ON_FAULT"},
    {kMapNoUserConv, "NO_USER_CONV"}};

std::string Flags(uint32_t flags) {
  std::string text;
  for (const Word& word : kFlagWords) {
    if ((flags & word.bit) == 0) continue;
    if (!text.empty()) text += ", ";
    text += word.text;
  }
  return text;
}

std::string Helpers(const model::MapTypeInfo& info) {
  std::string text;
  for (const uint16_t id : info.helpers) {
    if (id == 0) break;
    text += fmt::format("{}{}", text.empty() ? "" : ", ", id);
  }
  return text;
}

}  // namespace

std::string MapsMarkdown() {
  std::string page =
      "# Map types\n\n"
      "<!-- Made from model/map_types.def by maps/map_doc.cc; do not edit. SKEP_BLESS=1 on the\n"
      "test MapDoc rewrites it. -->\n\n"
      "Every map type of Linux 6.18. This build creates those with \"yes\"; the others are "
      "refused\n"
      "by name. Flags are those of BPF_MAP_CREATE, without BPF_F_. Helpers are by number, as in\n"
      "[helpers.md](helpers.md): they take the map as their map argument.\n\n"
      "| # | type | created | flags | helpers | in sleepable programs |\n"
      "|---|---|---|---|---|---|\n";
  for (const model::MapTypeInfo& info : model::MapTypes()) {
    page += fmt::format("| {} | {} | {} | {} | {} | {} |\n", static_cast<uint32_t>(info.type),
                        info.name, info.built ? "yes" : "", Flags(info.flags), Helpers(info),
                        info.sleepable ? "yes" : "");
  }
  return page;
}

}  // namespace skep
