// SPDX-License-Identifier: Apache-2.0
#include "tools/current_task.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "btf/btf.h"

namespace skep::tools {
namespace {

// Writes a member, as much of it as there is room for.
void Put(const btf::Btf& types, uint32_t task, std::string_view name,
         std::span<const std::byte> value, std::vector<std::byte>& image) {
  for (uint32_t i = 0; i < types.type(task).vlen; ++i) {
    const btf::Member member = types.member(task, i);
    if (member.name != name) continue;
    const size_t size = std::min<size_t>(types.SizeOf(member.type).value_or(0), value.size());
    const size_t at = member.bit_offset / 8;
    if (at + size <= image.size()) std::memcpy(image.data() + at, value.data(), size);
    return;
  }
}

}  // namespace

std::function<uint64_t()> CurrentTask(const Program& program) {
  const btf::Btf* types = program.data().target_btf.get();
  const uint32_t task = types == nullptr ? 0 : types->Find("task_struct", btf::Kind::kStruct);
  if (task == 0) return {};
  auto image = std::make_shared<std::vector<std::byte>>(types->SizeOf(task).value_or(0));
  const auto thread = static_cast<int32_t>(syscall(SYS_gettid));
  const auto process = static_cast<int32_t>(getpid());
  char comm[16] = {};
  prctl(PR_GET_NAME, comm);
  Put(*types, task, "pid", std::as_bytes(std::span(&thread, 1)), *image);
  Put(*types, task, "tgid", std::as_bytes(std::span(&process, 1)), *image);
  Put(*types, task, "comm", std::as_bytes(std::span(comm)), *image);
  return [image] { return reinterpret_cast<uint64_t>(image->data()); };
}

}  // namespace skep::tools
