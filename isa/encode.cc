// SPDX-License-Identifier: Apache-2.0
#include "isa/encode.h"

#include "base/check.h"

namespace skep {

EncodedInsn Encode(const DecodedInsn& insn) {
  SKEP_CHECK(insn.op != Op::kInvalid);
  const OpInfo& info = Info(insn.op);
  EncodedInsn encoded;
  Insn& first = encoded.slots[0];
  first.code = info.code;
  first.dst = static_cast<uint8_t>(insn.dst & 0xf);
  first.src = static_cast<uint8_t>(insn.src & 0xf);
  first.off = insn.off;
  first.imm = insn.imm;
  switch (info.selector.field) {
    case SelectorField::kNone:
      break;
    case SelectorField::kOff:
      first.off = static_cast<int16_t>(info.selector.value);
      break;
    case SelectorField::kImm:
      first.imm = info.selector.value;
      break;
    case SelectorField::kSrc:
      first.src = static_cast<uint8_t>(info.selector.value & 0xf);
      break;
  }
  if (info.Has(kTwoSlots)) {
    first.imm = static_cast<int32_t>(static_cast<uint32_t>(insn.imm64));
    encoded.slots[1].imm = static_cast<int32_t>(insn.imm_high());
    encoded.count = 2;
  }
  return encoded;
}

void AppendEncoded(const DecodedInsn& insn, std::vector<Insn>& code) {
  const EncodedInsn encoded = Encode(insn);
  code.insert(code.end(), encoded.slots.begin(), encoded.slots.begin() + encoded.count);
}

}  // namespace skep
