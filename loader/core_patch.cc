// SPDX-License-Identifier: Apache-2.0
#include "loader/core_patch.h"

#include <limits>

#include <fmt/format.h>

namespace skep::loader {
namespace {

constexpr uint8_t kClassMask = 0x07;
constexpr uint8_t kClassLd = 0x00;
constexpr uint8_t kClassLdx = 0x01;
constexpr uint8_t kClassSt = 0x02;
constexpr uint8_t kClassStx = 0x03;
constexpr uint8_t kClassAlu = 0x04;
constexpr uint8_t kClassAlu64 = 0x07;
constexpr uint8_t kSourceRegister = 0x08;
constexpr uint8_t kSizeMask = 0x18;
constexpr uint8_t kCodeWideLoad = 0x18;
constexpr uint8_t kCodeCall = 0x85;

Error Malformed(std::string message) { return {ErrorCode::kMalformedObject, std::move(message)}; }

Insn InvalidInsn() {
  Insn insn{};
  insn.code = kCodeCall;
  insn.imm = kUnresolvedHelper;
  return insn;
}

Patched MakeInvalid(std::span<Insn> code) {
  // Both slots of a wide load, or the second would be an odd instruction.
  if (code[0].code == kCodeWideLoad && code.size() > 1) code[1] = InvalidInsn();
  code[0] = InvalidInsn();
  return Patched::kMadeInvalid;
}

Result<void> CheckCompiled(const CoreResolution& resolution, uint64_t found) {
  if (!resolution.checked || found == resolution.compiled) return {};
  return Malformed(fmt::format("the instruction holds {}, need {} by the object's types", found,
                               resolution.compiled));
}

uint32_t AccessSize(const Insn& insn) {
  constexpr uint32_t kBytes[] = {4, 2, 1, 8};  // BPF_W, BPF_H, BPF_B, BPF_DW
  return kBytes[(insn.code & kSizeMask) >> 3];
}

Result<uint8_t> SizeBits(uint32_t bytes) {
  if (bytes == 4) return uint8_t{0x00};
  if (bytes == 2) return uint8_t{0x08};
  if (bytes == 1) return uint8_t{0x10};
  if (bytes == 8) return uint8_t{0x18};
  return Malformed(fmt::format("the target's field has {} bytes, need 1, 2, 4 or 8", bytes));
}

Result<Patched> PatchMemory(const CoreResolution& resolution, std::span<Insn> code) {
  Insn& insn = code[0];
  SKEP_TRY_VOID(CheckCompiled(resolution, static_cast<uint64_t>(int64_t{insn.off})));
  if (resolution.value > static_cast<uint64_t>(std::numeric_limits<int16_t>::max()))
    return Malformed(fmt::format("the target's offset is {}, need at most {}", resolution.value,
                                 std::numeric_limits<int16_t>::max()));
  if (!resolution.resizable) return MakeInvalid(code);
  if (resolution.size != resolution.compiled_size) {
    if (AccessSize(insn) != resolution.compiled_size)
      return Malformed(fmt::format("{} bytes are accessed, need {} by the object's types",
                                   AccessSize(insn), resolution.compiled_size));
    SKEP_TRY(const uint8_t bits, SizeBits(resolution.size));
    insn.code = static_cast<uint8_t>((insn.code & ~kSizeMask) | bits);
  }
  insn.off = static_cast<int16_t>(resolution.value);
  return Patched::kValue;
}

Result<Patched> PatchWideLoad(const CoreResolution& resolution, std::span<Insn> code) {
  if (code[0].code != kCodeWideLoad || code.size() < 2 || code[0].src != 0 || code[0].off != 0 ||
      code[1].code != 0 || code[1].dst != 0 || code[1].src != 0 || code[1].off != 0)
    return Malformed("the instruction is no wide load of a number");
  const uint64_t found = static_cast<uint32_t>(code[0].imm) |
                         static_cast<uint64_t>(static_cast<uint32_t>(code[1].imm)) << 32;
  SKEP_TRY_VOID(CheckCompiled(resolution, found));
  code[0].imm = static_cast<int32_t>(static_cast<uint32_t>(resolution.value));
  code[1].imm = static_cast<int32_t>(static_cast<uint32_t>(resolution.value >> 32));
  return Patched::kValue;
}

}  // namespace

Result<Patched> PatchCore(const CoreResolution& resolution, std::span<Insn> code) {
  if (!resolution.found) return MakeInvalid(code);
  Insn& insn = code[0];
  switch (insn.code & kClassMask) {
    case kClassAlu:
    case kClassAlu64:
      if ((insn.code & kSourceRegister) != 0)
        return Malformed("the instruction has no immediate operand");
      SKEP_TRY_VOID(CheckCompiled(resolution, static_cast<uint64_t>(int64_t{insn.imm})));
      insn.imm = static_cast<int32_t>(static_cast<uint32_t>(resolution.value));
      return Patched::kValue;
    case kClassLdx:
    case kClassSt:
    case kClassStx:
      return PatchMemory(resolution, code);
    case kClassLd:
      return PatchWideLoad(resolution, code);
    default:
      return Malformed(fmt::format("opcode {:#04x} is neither arithmetic nor a load or store",
                                   unsigned{insn.code}));
  }
}

}  // namespace skep::loader
