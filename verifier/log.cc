// SPDX-License-Identifier: Apache-2.0
#include "verifier/log.h"

#include <cstdio>
#include <limits>

#include "btf/btf.h"
#include "isa/disasm.h"
#include "verifier/verifier.h"

namespace skep::verifier {
namespace {

std::string Hex(uint64_t v) {
  char text[24];
  std::snprintf(text, sizeof(text), "0x%llx", static_cast<unsigned long long>(v));
  return text;
}

// Printed in decimal.
bool IsSmall(int64_t v) {
  return v >= std::numeric_limits<int16_t>::min() && v <= std::numeric_limits<int16_t>::max();
}

std::string SignedText(int64_t v) {
  return IsSmall(v) ? std::to_string(v) : Hex(static_cast<uint64_t>(v));
}

std::string UnsignedText(uint64_t v) {
  return v <= std::numeric_limits<uint16_t>::max() ? std::to_string(v) : Hex(v);
}

// Adds ",item", or "item" as the first one.
class Items {
 public:
  explicit Items(std::string* out) : out_(out) {}
  void Add(std::string_view text) {
    if (!first_) out_->push_back(',');
    first_ = false;
    out_->append(text);
  }

 private:
  std::string* out_;
  bool first_ = true;
};

// Bounds at their extreme are left out, equal ones are joined: smin=smin32=0.
void AddRanges(const Scalar& v, Items& items) {
  struct Bound {
    std::string_view name;
    uint64_t value;
    bool omit;
  };
  const auto wide = [](int64_t x) { return static_cast<uint64_t>(x); };
  // In hexadecimal without sign extension, as the 64-bit ends would print.
  const auto low = [](int32_t x) {
    return IsSmall(x) ? static_cast<uint64_t>(int64_t{x}) : uint64_t{static_cast<uint32_t>(x)};
  };
  using I64 = std::numeric_limits<int64_t>;
  using I32 = std::numeric_limits<int32_t>;
  Bound bounds[] = {
      {"smin", wide(v.wide.smin), v.wide.smin == I64::min()},
      {"smax", wide(v.wide.smax), v.wide.smax == I64::max()},
      {"umin", v.wide.umin, v.wide.umin == 0},
      {"umax", v.wide.umax, v.wide.umax == ~uint64_t{0}},
      {"smin32", low(v.low.smin), v.low.smin == I32::min()},
      {"smax32", low(v.low.smax), v.low.smax == I32::max()},
      {"umin32", v.low.umin, v.low.umin == 0},
      {"umax32", v.low.umax, v.low.umax == ~uint32_t{0}},
  };
  const auto negative = [](const Bound& b) {
    return b.name[0] == 's' && static_cast<int64_t>(b.value) < 0;
  };
  constexpr size_t kCount = std::size(bounds);
  for (size_t i = 0; i < kCount; ++i) {
    const Bound& b = bounds[i];
    if (b.omit) continue;
    std::string text = std::string(b.name) + "=";
    for (size_t j = i + 2; j < kCount; j += 2) {
      Bound& other = bounds[j];
      if (other.omit || other.value != b.value || negative(other) != negative(b)) continue;
      other.omit = true;
      text += std::string(other.name) + "=";
    }
    text += b.name[0] == 's' ? SignedText(static_cast<int64_t>(b.value)) : UnsignedText(b.value);
    items.Add(text);
  }
}

std::string_view BaseName(RegKind kind) {
  switch (kind) {
    case RegKind::kNotInit:
      return "?";
    case RegKind::kScalar:
      return "scalar";
    case RegKind::kContext:
      return "ctx";
    case RegKind::kMapPointer:
      return "map_ptr";
    case RegKind::kMapValue:
      return "map_value";
    case RegKind::kMapKey:
      return "map_key";
    case RegKind::kStack:
      return "fp";
    case RegKind::kPacket:
      return "pkt";
    case RegKind::kPacketMeta:
      return "pkt_meta";
    case RegKind::kPacketEnd:
      return "pkt_end";
    case RegKind::kMemory:
      return "mem";
    case RegKind::kFunction:
      return "func";
    case RegKind::kFlowKeys:
      return "flow_keys";
    case RegKind::kSocket:
      return "sock";
    case RegKind::kSockCommon:
      return "sock_common";
    case RegKind::kTcpSock:
      return "tcp_sock";
    case RegKind::kXdpSock:
      return "xdp_sock";
    case RegKind::kTracingBuffer:
      return "tp_buffer";
    case RegKind::kBuffer:
      return "buf";
    case RegKind::kBtfId:
      return "ptr_";
    case RegKind::kArena:
      return "arena";
    case RegKind::kDynptr:
      return "dynptr_ptr";
    case RegKind::kIterator:
      return "iter";
  }
  return "?";
}

bool IsMapKind(RegKind kind) {
  return kind == RegKind::kMapPointer || kind == RegKind::kMapValue || kind == RegKind::kMapKey;
}

char ByteChar(StackByte b) {
  switch (b) {
    case StackByte::kInvalid:
      return '?';
    case StackByte::kMisc:
      return 'm';
    case StackByte::kZero:
      return '0';
    case StackByte::kSpill:
      return 'r';
    case StackByte::kDynptr:
      return 'd';
    case StackByte::kIterator:
      return 'i';
    case StackByte::kIrqFlag:
      return 'f';
  }
  return '?';
}

std::string SlotText(const StackSlot& slot, size_t index, const Referents& referents,
                     uint32_t frame) {
  std::string out = " fp-" + std::to_string((index + 1) * kSlotBytes) + "=";
  for (size_t b = kSlotBytes; b-- > 0;) {
    if (slot.IsSpill() && slot.bytes[b] == StackByte::kSpill) break;
    out.push_back(ByteChar(slot.bytes[b]));
  }
  if (slot.IsSpill()) out += RegisterText(slot.reg, referents, frame);
  return out;
}

}  // namespace

void Log::Append(std::string_view text) {
  text_.append(text);
  // Twice the limit before anything is moved, so that moving stays cheap.
  if (text_.size() > 2 * limit_) text_.erase(0, text_.size() - limit_);
}

void Log::RollBack(size_t position) {
  if (position < text_.size()) text_.resize(position);
}

std::string Log::Take() {
  if (text_.size() > limit_) text_.erase(0, text_.size() - limit_);
  return std::move(text_);
}

std::string BtfKindText(const btf::Btf& btf, uint32_t id) {
  if (id == 0) return "UNKNOWN";
  std::string text(btf::KindName(btf.kind(id)));
  for (char& c : text) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return text;
}

std::string KindName(const Register& r) {
  std::string out;
  if ((r.flags & kReadOnly) != 0) out += "rdonly_";
  if ((r.flags & kRingbuf) != 0) out += "ringbuf_";
  if ((r.flags & kUser) != 0) out += "user_";
  if ((r.flags & kPercpu) != 0) out += "percpu_";
  if ((r.flags & kRcu) != 0) out += "rcu_";
  if ((r.flags & kUntrusted) != 0) out += "untrusted_";
  if ((r.flags & kTrusted) != 0) out += "trusted_";
  out += BaseName(r.kind);
  if (r.MaybeNull()) out += r.kind == RegKind::kBtfId ? "or_null_" : "_or_null";
  return out;
}

std::string TnumText(Tnum bits) { return "(" + Hex(bits.value) + "; " + Hex(bits.mask) + ")"; }

// "smin=0 smax=7 ": what Linux says about a bad return value.
std::string BoundsText(const Scalar& value) {
  std::string text;
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  if (value.wide.smin == kMin && value.wide.smax == kMax) return "unknown scalar value ";
  if (value.wide.smin > kMin) text += "smin=" + std::to_string(value.wide.smin) + " ";
  if (value.wide.smax < kMax) text += "smax=" + std::to_string(value.wide.smax) + " ";
  return text;
}

std::string_view BtfTypeName(const Register& r, const Referents& referents) {
  const btf::Btf* btf = r.btf == kTargetBtf ? referents.target_btf : referents.program_btf;
  if (r.kind != RegKind::kBtfId || btf == nullptr || r.btf_id >= btf->type_count()) return {};
  return btf->name(r.btf_id);
}

std::string RegisterText(const Register& r, const Referents& referents, uint32_t frame) {
  std::string out;
  if (r.IsScalar() && r.precise) out += "P";
  if (r.IsScalar() && r.var.bits.IsConst()) {
    return out + SignedText(static_cast<int64_t>(r.var.bits.value));
  }
  out += KindName(r);
  if (r.kind == RegKind::kArena) return out;
  out += BtfTypeName(r, referents);
  if (r.kind == RegKind::kStack) {
    if (r.frame != frame) out += "[" + std::to_string(r.frame) + "]";
    if (r.var.bits.IsConst()) {
      return out + SignedText(r.off + static_cast<int64_t>(r.var.bits.value));
    }
  }
  out.push_back('(');
  Items items(&out);
  if (r.id != 0) {
    std::string id = "id=" + std::to_string(r.id & ~kLinkedByDelta);
    if ((r.id & kLinkedByDelta) != 0) id += (r.off >= 0 ? "+" : "") + std::to_string(r.off);
    items.Add(id);
  }
  if (r.ref_id != 0) items.Add("ref_obj_id=" + std::to_string(r.ref_id));
  if ((r.flags & kNonOwning) != 0) items.Add("non_own_ref");
  if (IsMapKind(r.kind)) {
    const MapSpec& m = *referents.maps[r.map];
    constexpr size_t kNameLength = 15;  // what the kernel keeps of a name
    if (!m.name.empty()) items.Add("map=" + m.name.substr(0, kNameLength));
    items.Add("ks=" + std::to_string(m.key_size));
    items.Add("vs=" + std::to_string(m.value_size));
  }
  if (!r.IsScalar() && r.off != 0) items.Add("off=" + SignedText(r.off));
  if (r.IsPacket()) items.Add("r=" + UnsignedText(static_cast<uint64_t>(int64_t{r.range})));
  if (r.kind == RegKind::kMemory) items.Add("sz=" + UnsignedText(r.size));
  if (r.var.bits.IsConst()) {
    if (r.var.bits.value != 0) {
      items.Add("imm=" + SignedText(static_cast<int64_t>(r.var.bits.value)));
    }
  } else {
    AddRanges(r.var, items);
    if (!r.var.bits.IsUnknown()) items.Add("var_off=" + TnumText(r.var.bits));
  }
  out.push_back(')');
  return out;
}

std::string FrameText(const State& state, uint32_t index, const Referents& referents,
                      const StateChanges* only) {
  const Frame& frame = *state.frames[index];
  std::string out;
  if (index != 0) out += " frame" + std::to_string(index) + ":";
  for (size_t i = 0; i < frame.regs.size(); ++i) {
    if (frame.regs[i].kind == RegKind::kNotInit) continue;
    if (only != nullptr && (only->regs >> i & 1) == 0) continue;
    out += " R" + std::to_string(i) + "=" + RegisterText(frame.regs[i], referents, index);
  }
  for (size_t i = 0; i < frame.stack.size(); ++i) {
    const StackSlot& slot = frame.stack[i];
    bool valid = false;
    for (const StackByte b : slot.bytes) valid = valid || b != StackByte::kInvalid;
    if (!valid || (only != nullptr && (only->slots[index] >> i & 1) == 0)) continue;
    out += SlotText(slot, i, referents, index);
  }
  if (!state.refs.empty()) {
    out += " refs=";
    Items items(&out);
    for (const Reference& r : state.refs) items.Add(std::to_string(r.id));
  }
  return out;
}

// The instruction in Linux's notation, with what the previous one changed.
void Verifier::LogInsn() {
  const State& s = state();
  if (print_full_state_ && previous_insn_ >= 0) {
    if (log_.On(kLogEveryInsn)) {
      log_.Append("\nfrom " + std::to_string(previous_insn_) + " to " + std::to_string(insn_) +
                  ":" + FrameText(s, s.depth, referents(), nullptr) + "\n");
    }
    log_.Append(std::to_string(insn_) + ":" + FrameText(s, s.depth, referents(), nullptr) + "\n");
  } else if (print_full_state_) {
    log_.Append(std::to_string(insn_) + ":" + FrameText(s, s.depth, referents(), nullptr) + "\n");
  } else {
    LogChanges();
  }
  print_full_state_ = false;
  changes_.Clear();
  const SourceLine* line = program_.LineAt(insn_);
  if (line != nullptr && line != last_line_) {
    log_.Append("; " + std::string(line->text) + " @ " + std::string(line->file) + ":" +
                std::to_string(line->line) + "\n");
  }
  last_line_ = line;
  const DecodedInsn& insn = info(insn_).insn;
  char opcode[8];
  std::snprintf(opcode, sizeof(opcode), "(%02x) ", program_.insns()[insn_].code);
  std::string text = std::to_string(insn_) + ": " + opcode;
  const HelperSpec* helper = nullptr;
  if (Info(insn.op).kind == OpKind::kCallHelper) {
    helper = FindAnyHelper(environment_, static_cast<uint32_t>(insn.imm));
  }
  if (helper != nullptr) {
    text += "call bpf_" + std::string(helper->name) + "#" + std::to_string(insn.imm);
  } else {
    text += Disassemble(insn);
  }
  log_.Append(text + "\n");
  insn_text_end_ = log_.position();
  insn_text_size_ = text.size();
}

// A state kept here covers this path.
void Verifier::LogSafe() {
  const std::string here = std::to_string(insn_);
  if (!print_full_state_) return log_.Append(here + ": safe\n");
  log_.Append("\nfrom " + std::to_string(previous_insn_) + " to " + here + ": safe\n");
}

// Behind the last instruction's text if nothing was printed since, else on a
// line of its own.
void Verifier::LogChanges() {
  const State& s = state();
  bool any = changes_.regs != 0 || changes_.references;
  for (const uint64_t slots : changes_.slots) any = any || slots != 0;
  if (!any) return;
  const std::string text = FrameText(s, s.depth, referents(), &changes_);
  if (log_.position() == insn_text_end_ && insn_text_end_ != 0) {
    log_.RollBack(insn_text_end_ - 1);
    const size_t column = (std::max<size_t>(insn_text_size_ + 1 + 4, 40) + 7) / 8 * 8 - 2;
    log_.Append(std::string(column > insn_text_size_ ? column - insn_text_size_ : 1, ' ') + ";" +
                text + "\n");
  } else {
    log_.Append(std::to_string(insn_) + ":" + text + "\n");
  }
}

std::string Verifier::FinishLog(bool accepted, const VerifierStatistics& statistics) {
  if (!log_.Any()) return {};
  // Level 1 keeps only the path that failed.
  if (accepted && !log_.On(kLogEveryInsn)) log_.RollBack(0);
  if (log_.On(kLogStatistics)) {
    log_.Append("verification time " + std::to_string(statistics.time_us) + " usec\n");
    std::string depths;
    for (const SubprogramInfo& sub : structure_.subprograms) {
      depths += (depths.empty() ? "" : "+") + std::to_string(sub.stack_depth);
    }
    log_.Append("stack depth " + depths + "\n");
  }
  log_.Append("processed " + std::to_string(statistics.processed) + " insns (limit " +
              std::to_string(options_.max_processed) + ") max_states_per_insn " +
              std::to_string(statistics.max_states_per_insn) + " total_states " +
              std::to_string(statistics.total_states) + " peak_states " +
              std::to_string(statistics.peak_states) + " mark_read 0\n");
  return log_.Take();
}

}  // namespace skep::verifier
