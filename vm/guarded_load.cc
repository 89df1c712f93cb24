// SPDX-License-Identifier: Apache-2.0
#include "vm/guarded_load.h"

#include "base/check.h"
#include "base/safe_read.h"
#include "isa/op.h"

namespace skep {
namespace {

using model::ExecInsn;

template <class T>
uint64_t Load(uint64_t address, uint64_t, uint64_t, uint64_t, uint64_t,
              ExecutionContext&) noexcept {
  T value = 0;
  return SafeRead(address, &value, sizeof value) == sizeof value ? value : 0;
}

constexpr HelperSpec Spec(std::string_view name, HelperFunction function) {
  return {
      .id = 0, .name = name, .args = {ArgSpec{.kind = ArgKind::kAnything}}, .function = function};
}

Op SignExtends(int width) {
  switch (width) {
    case 8:
      return Op::kMovSx8To64;
    case 16:
      return Op::kMovSx16To64;
    case 32:
      return Op::kMovSx32To64;
  }
  SKEP_UNREACHABLE();
}

}  // namespace

std::span<const HelperSpec> GuardedLoadHelpers() {
  static constexpr std::array kHelpers = {
      Spec("guarded_load_8", Load<uint8_t>), Spec("guarded_load_16", Load<uint16_t>),
      Spec("guarded_load_32", Load<uint32_t>), Spec("guarded_load_64", Load<uint64_t>)};
  return kHelpers;
}

GuardedLoadCode GuardedLoad(const DecodedInsn& load, int16_t stack, int32_t helper) {
  constexpr uint8_t kScratch = 6;  // r0 .. r5
  const OpInfo& info = Info(load.op);
  const auto place = [stack](uint8_t i) { return static_cast<int16_t>(stack + i * 8); };
  GuardedLoadCode out;
  size_t next = 0;
  for (uint8_t r = 0; r < kScratch; ++r) {
    out[next++] = {.op = Op::kStxDw, .dst = kFramePointer, .src = r, .off = place(r)};
  }
  out[next++] = {.op = Op::kMov64Reg, .dst = 1, .src = load.src};
  out[next++] = {.op = Op::kAdd64Imm, .dst = 1, .imm = load.off};
  out[next++] = {.op = Op::kCallHelper, .imm = helper};
  out[next++] = {.op = Op::kStxDw, .dst = kFramePointer, .src = 0, .off = place(kScratch)};
  for (uint8_t r = 0; r < kScratch; ++r) {
    out[next++] = {.op = Op::kLdxDw, .dst = r, .src = kFramePointer, .off = place(r)};
  }
  out[next++] = {.op = Op::kLdxDw, .dst = load.dst, .src = kFramePointer, .off = place(kScratch)};
  const bool extends = info.kind == OpKind::kLoadSx;
  out[next++] = {
      .op = extends ? SignExtends(info.width) : Op::kMov64Reg, .dst = load.dst, .src = load.dst};
  SKEP_CHECK(next == out.size());
  return out;
}

}  // namespace skep
