// SPDX-License-Identifier: Apache-2.0
// The verifier's log, in Linux's notation for registers and stack.
//
// Text is only made when the level asks for it. Log keeps at most `limit`
// bytes: the newest ones.

#ifndef SKEP_VERIFIER_LOG_H_
#define SKEP_VERIFIER_LOG_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "skep/map_spec.h"

#include "btf/btf.h"
#include "verifier/state.h"

namespace skep::btf {
class Btf;
}

namespace skep::verifier {

inline constexpr uint32_t kLogSummary = 1;
inline constexpr uint32_t kLogEveryInsn = 2;
inline constexpr uint32_t kLogStatistics = 4;

class Log {
 public:
  Log(uint32_t level, uint64_t limit) : level_(level), limit_(limit) {}

  // True if any of `bits` is asked for.
  bool On(uint32_t bits) const { return (level_ & bits) != 0; }
  // Paths are printed (levels 1 and 2).
  bool Paths() const { return On(kLogSummary | kLogEveryInsn); }
  bool Any() const { return level_ != 0; }
  void Append(std::string_view text);
  // Level 1 drops the text of finished paths: it goes back to a place marked
  // before.
  size_t position() const { return text_.size(); }
  void RollBack(size_t position);
  std::string Take();

 private:
  uint32_t level_;
  uint64_t limit_;
  std::string text_;
};

// The registers and stack slots that one instruction touched.
struct StateChanges {
  uint16_t regs = 0;
  uint64_t slots[kMaxFrames] = {};
  uint32_t frame = 0;
  bool references = false;
  void Clear() { *this = StateChanges{}; }
};

// "scalar", "map_value_or_null", ...: a register's kind.
std::string KindName(const Register& reg);
// "STRUCT", "FUNC_PROTO", ...: a BTF type's kind, "UNKNOWN" for void.
std::string BtfKindText(const btf::Btf& btf, uint32_t id);
// "(0x0; 0xff)"
std::string TnumText(Tnum bits);
// "smin=0 smax=7 ": the bounds of a return value that is out of range.
std::string BoundsText(const Scalar& value);
// What registers refer to by number.
struct Referents {
  std::span<const MapSpec* const> maps;
  const btf::Btf* program_btf = nullptr;
  const btf::Btf* target_btf = nullptr;
};
// The name of a kBtfId's type; empty if there is none.
std::string_view BtfTypeName(const Register& reg, const Referents& referents);
// One register's value: "R1=" is not included.
std::string RegisterText(const Register& reg, const Referents& referents, uint32_t frame);
// " R0=0 R10=fp0 fp-8=mmmmmmmm refs=2": a frame, with a leading space before
// each item. `only`: print just these changes; null prints everything.
std::string FrameText(const State& state, uint32_t frame, const Referents& referents,
                      const StateChanges* only);

}  // namespace skep::verifier

#endif  // SKEP_VERIFIER_LOG_H_
