// SPDX-License-Identifier: Apache-2.0
// Linux walks the type and prints as it goes. An aggregate inside another one is
// walked twice: first silently, to see whether anything in it would be shown, and
// then aloud. What is printed depends on state that outlives the walk of a part
// (whether we are in an array, which member is being shown), and some of it is
// reset early. The state is kept here with the same life, so that the same odd
// text comes out.
#include "btf/linux_show.h"

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <string_view>

#include <fmt/format.h>

namespace skep::btf {
namespace {

constexpr uint32_t kMaxSteps = 1u << 20;
constexpr int kMaxNameSteps = 10;   // of pointers, arrays and typedefs in a name
constexpr size_t kNameSize = 80;    // of a member with its type, with its NUL
constexpr size_t kMaxIndent = 32;   // blanks
constexpr uint32_t kWindow = 32;    // bytes of the object that are copied at a time
constexpr uint32_t kBaseType = 16;  // bytes of the largest number
constexpr uint32_t kOverread = 16;  // an enum of one byte is read as four
constexpr uint16_t kEncodingChar = 2;

// As Linux's isprint: Latin-1 counts.
bool IsPrintable(uint8_t c) { return (c >= 0x20 && c < 0x7f) || c >= 0xa0; }

class LinuxShow {
 public:
  LinuxShow(const Btf& btf, std::span<const std::byte> object, uint64_t flags,
            ConcealAddress conceal, std::string& out)
      : btf_(btf), object_(object), flags_(flags), conceal_(conceal), out_(out) {}

  int Run(uint32_t id) {
    Show(id, id, 0, 0);
    return steps_ > kMaxSteps ? -E2BIG : 0;
  }

 private:
  bool Has(uint64_t flag) const { return (flags_ & flag) != 0; }

  // ---- text around values

  void Print(std::string_view text) {
    if (depth_check_ == 0) out_ += text;
  }
  std::string_view Indent() const {
    static constexpr std::string_view kBlanks = "                                ";
    static_assert(kBlanks.size() == kMaxIndent);
    return Has(kShowCompact) ? "" : kBlanks.substr(0, std::min<size_t>(depth_, kMaxIndent));
  }
  const char* NewLine() const { return Has(kShowCompact) ? "" : "\n"; }
  const char* Delimiter() const {
    if (depth_ == 0) return "";
    return Has(kShowCompact) && kind_ == Kind::kUnion ? "|" : ",";
  }
  void PrintValue(std::string_view value) {
    Print(fmt::format("{}{}{}{}{}", Indent(), Name(), value, Delimiter(), NewLine()));
    depth_to_show_ = std::max(depth_to_show_, depth_);
  }
  void PrintUnlessZero(bool is_zero, std::string_view value) {
    if (!is_zero || Has(kShowZero) || depth_ == 0) PrintValue(value);
  }

  // ".member = (struct name *[]){": what comes before a value.
  std::string Name() const {
    if (in_array_) return "";
    std::string_view member;
    uint32_t id = type_id_;
    if (has_member_) {
      member = member_.name;
      id = member_.type;
    }
    std::string_view name, prefix, parens;
    bool saw_typedef = false, saw_array = false, saw_pointer = false;
    int arrays = 0, pointers = 0;
    Type type = btf_.type(id);
    for (int i = 0;; ++i) {
      if (i == kMaxNameSteps) return "";
      if (type.kind == Kind::kTypedef) {
        if (!saw_typedef) name = type.name;
        saw_typedef = true;
        id = type.size_or_type;
      } else if (type.kind == Kind::kArray) {
        saw_array = true;
        parens = "[";
        ++arrays;
        id = btf_.array(id).element;
      } else if (type.kind == Kind::kPtr) {
        saw_pointer = true;
        ++pointers;
        id = type.size_or_type;
      } else {
        break;
      }
      if (id == 0) break;
      id = SkipQualifiers(id);
      type = btf_.type(id);
    }
    if (!saw_typedef) name = type.name;
    if (type.kind == Kind::kStruct || type.kind == Kind::kUnion) {
      prefix = type.kind == Kind::kStruct ? "struct" : "union";
      if (!saw_array) parens = "{";
    } else if (type.kind == Kind::kEnum || type.kind == Kind::kEnum64) {
      prefix = "enum";
    }
    if (saw_pointer) parens = "";
    if (saw_typedef) prefix = "";
    if (Has(kShowNoName)) return std::string(parens);
    std::string text;
    if (!member.empty()) text = fmt::format(".{} = ", member);
    text += fmt::format("({}{}{}{}", prefix, !prefix.empty() && !name.empty() ? " " : "", name,
                        pointers > 0 ? " " : "");
    text.append(static_cast<size_t>(pointers), '*');
    for (int i = 0; i < arrays; ++i) text += "[]";
    text += ")";
    text += parens;
    return text.substr(0, kNameSize - 1);
  }

  uint32_t SkipQualifiers(uint32_t id) const {
    for (;;) {
      const Type type = btf_.type(id);
      const bool qualifier = type.kind == Kind::kConst || type.kind == Kind::kVolatile ||
                             type.kind == Kind::kRestrict || type.kind == Kind::kTypeTag;
      if (!qualifier) return id;
      id = type.size_or_type;
    }
  }

  // ---- the object's bytes

  // The value's bytes at `offset`; a window of the object is copied when they lie
  // outside the last one. What lies behind the object stays of earlier windows.
  const std::byte* Bytes(uint32_t id, uint64_t offset) {
    const uint32_t size = btf_.SizeOf(id).value_or(0);
    const uint64_t need = std::min(size, kBaseType);
    if (depth_ != 0 && window_set_ && offset >= window_at_ &&
        offset + need < window_at_ + kWindow) {
      return window_ + (offset - window_at_);
    }
    if (offset <= object_.size()) {
      const size_t left = std::min<size_t>(object_.size() - offset, kWindow);
      if (left != 0) std::memcpy(window_, object_.data() + offset, left);
    }
    window_at_ = offset;
    window_set_ = true;
    return window_;
  }
  template <class T>
  static T Load(const std::byte* from) {
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }

  const std::byte* StartType(uint32_t id, uint32_t shown_id, uint64_t offset) {
    kind_ = btf_.kind(id);
    type_id_ = shown_id;
    return Bytes(id, offset);
  }
  void EndType() {
    kind_ = Kind::kVoid;
    type_id_ = 0;
  }
  void StartAggregate(uint32_t id, uint32_t shown_id, uint64_t offset) {
    StartType(id, shown_id, offset);
    Print(fmt::format("{}{}{}", Indent(), Name(), NewLine()));
    ++depth_;
  }
  void EndAggregate(const char* suffix) {
    --depth_;
    Print(fmt::format("{}{}{}{}", Indent(), suffix, Delimiter(), NewLine()));
    EndType();
  }

  // ---- values by kind

  // `id` is the type itself, `shown_id` the one whose name is printed.
  void Show(uint32_t id, uint32_t shown_id, uint64_t offset, uint32_t bit) {
    if (++steps_ > kMaxSteps) return;
    switch (btf_.kind(id)) {
      case Kind::kInt:
        return ShowInt(id, shown_id, offset, bit);
      case Kind::kPtr:
        return ShowPointer(id, shown_id, offset);
      case Kind::kArray:
      case Kind::kStruct:
      case Kind::kUnion:
        return ShowAggregate(id, shown_id, offset, bit);
      case Kind::kEnum:
      case Kind::kEnum64:
        return ShowEnum(id, shown_id, offset);
      case Kind::kTypedef:
      case Kind::kVolatile:
      case Kind::kConst:
      case Kind::kRestrict:
      case Kind::kTypeTag:
        return Show(btf_.SkipModifiers(id), shown_id, offset, bit);
      case Kind::kFwd:
      case Kind::kFunc:
      case Kind::kFuncProto:
      case Kind::kFloat:
      case Kind::kDeclTag:
        return Print(fmt::format("<unsupported kind:{}>", static_cast<uint32_t>(btf_.kind(id))));
      case Kind::kVoid:
      case Kind::kVar:
      case Kind::kDatasec:
        return;  // ShowAsLinux refuses objects of them
    }
  }

  void ShowAggregate(uint32_t id, uint32_t shown_id, uint64_t offset, uint32_t bit) {
    const bool had_member = has_member_;
    const Member member = member_;
    if (depth_ > 0 && !Has(kShowZero)) {
      if (depth_check_ == 0) {
        depth_check_ = depth_ + 1;
        depth_to_show_ = 0;
      }
      ShowParts(id, shown_id, offset, bit);
      has_member_ = had_member;
      member_ = member;
      if (depth_check_ != depth_ + 1) return;
      depth_check_ = 0;
      if (depth_to_show_ <= depth_) return;
    }
    ShowParts(id, shown_id, offset, bit);
  }
  void ShowParts(uint32_t id, uint32_t shown_id, uint64_t offset, uint32_t bit) {
    if (btf_.kind(id) == Kind::kArray) {
      ShowElements(id, shown_id, offset, bit);
    } else {
      ShowMembers(id, shown_id, offset);
    }
  }

  void ShowElements(uint32_t id, uint32_t shown_id, uint64_t offset, uint32_t bit) {
    const ArrayInfo array = btf_.array(id);
    const uint32_t element = btf_.SkipModifiers(array.element);
    const Type type = btf_.type(element);
    uint32_t stride = 0;  // stays so for arrays and pointers
    if (type.kind == Kind::kInt || type.kind == Kind::kStruct || type.kind == Kind::kUnion ||
        type.kind == Kind::kEnum || type.kind == Kind::kEnum64 || type.kind == Kind::kFloat) {
      stride = type.size_or_type;
    }
    array_encoding_ = 0;
    if (type.kind == Kind::kInt) {
      const IntInfo info = btf_.integer(element);
      array_encoding_ = static_cast<uint16_t>((info.is_signed ? 1 : 0) | (info.is_char ? 2 : 0) |
                                              (info.is_bool ? 4 : 0));
      if (stride == 1) array_encoding_ = kEncodingChar;
    }
    array_ended_ = false;
    StartAggregate(id, shown_id, offset);
    for (uint32_t i = 0; i < array.count && steps_ <= kMaxSteps; ++i) {
      in_array_ = true;
      has_member_ = false;
      Show(element, array.element, offset, bit);
      offset += stride;
      in_array_ = false;
      has_member_ = false;
      if (array_ended_) break;
    }
    array_encoding_ = 0;
    array_ended_ = false;
    EndAggregate("]");
  }

  void ShowMembers(uint32_t id, uint32_t shown_id, uint64_t offset) {
    StartAggregate(id, shown_id, offset);
    const uint32_t count = btf_.type(id).vlen;
    for (uint32_t i = 0; i < count && steps_ <= kMaxSteps; ++i) {
      const Member member = btf_.member(id, i);
      member_ = member;
      has_member_ = true;
      const uint64_t at = offset + member.bit_offset / 8;
      if (member.bitfield_size != 0) {
        const std::byte* bytes = StartType(member.type, member.type, at);
        ShowBits(bytes, member.bit_offset % 8, member.bitfield_size);
        EndType();
      } else {
        Show(member.type, member.type, at, member.bit_offset % 8);
      }
      has_member_ = false;
    }
    EndAggregate("}");
  }

  void ShowWide(uint64_t low, uint64_t high) {
    if (high == 0) {
      PrintUnlessZero(low == 0, fmt::format("0x{:x}", low));
    } else {
      PrintValue(fmt::format("0x{:x}{:016x}", high, low));
    }
  }
  void ShowBits(const std::byte* bytes, uint32_t bit, uint32_t count) {
    unsigned __int128 value = 0;
    std::memcpy(&value, bytes, std::min<size_t>((bit + count + 7) / 8, sizeof value));
    const uint32_t left = 128 - std::min(bit + count, 128u);
    const uint32_t right = 128 - std::min(count, 128u);
    value = left < 128 ? value << left : 0;
    value = right < 128 ? value >> right : 0;
    ShowWide(static_cast<uint64_t>(value), static_cast<uint64_t>(value >> 64));
  }

  void ShowInt(uint32_t id, uint32_t shown_id, uint64_t offset, uint32_t bit) {
    const IntInfo info = btf_.integer(id);
    const std::byte* bytes = StartType(id, shown_id, offset);
    if (bit != 0 || info.bit_offset != 0 || info.bits % 8 != 0) {
      const uint32_t from = bit + info.bit_offset;
      ShowBits(bytes + from / 8, from % 8, info.bits);
    } else {
      ShowWholeInt(bytes, info);
    }
    EndType();
  }
  template <class T>
  void ShowNumber(const std::byte* bytes) {
    const T value = Load<T>(bytes);
    PrintUnlessZero(value == 0, fmt::format("{}", +value));
  }
  void ShowWholeInt(const std::byte* bytes, const IntInfo& info) {
    switch (info.bits) {
      case 128:
        return ShowWide(Load<uint64_t>(bytes), Load<uint64_t>(bytes + 8));
      case 64:
        return info.is_signed ? ShowNumber<int64_t>(bytes) : ShowNumber<uint64_t>(bytes);
      case 32:
        return info.is_signed ? ShowNumber<int32_t>(bytes) : ShowNumber<uint32_t>(bytes);
      case 16:
        return info.is_signed ? ShowNumber<int16_t>(bytes) : ShowNumber<uint16_t>(bytes);
      case 8:
        break;
      default:
        return ShowBits(bytes, 0, info.bits);
    }
    const auto byte = Load<uint8_t>(bytes);
    if (array_encoding_ == kEncodingChar) {
      if (array_ended_) return;
      if (byte == 0) {
        array_ended_ = true;
        return;
      }
      if (IsPrintable(byte))
        return PrintValue({"'" + std::string(1, static_cast<char>(byte)) + "'"});
    }
    return info.is_signed ? ShowNumber<int8_t>(bytes) : ShowNumber<uint8_t>(bytes);
  }

  void ShowPointer(uint32_t id, uint32_t shown_id, uint64_t offset) {
    const auto address = Load<uint64_t>(StartType(id, shown_id, offset));
    constexpr uint64_t kFirstErrorCode = ~uint64_t{0} - 4094;
    uint64_t text = address;
    if (!Has(kShowPtrRaw) && conceal_ != nullptr && address != 0 && address < kFirstErrorCode) {
      text = conceal_(address);
    }
    PrintUnlessZero(address == 0, fmt::format("0x{:016x}", text));
    EndType();
  }

  void ShowEnum(uint32_t id, uint32_t shown_id, uint64_t offset) {
    const Type type = btf_.type(id);
    const std::byte* bytes = StartType(id, shown_id, offset);
    const bool wide = type.kind == Kind::kEnum64;
    // Linux reads 4 bytes also where the enum has 1 or 2.
    const auto narrow = Load<uint32_t>(bytes);
    const uint64_t value = wide ? Load<uint64_t>(bytes)
                           : type.kind_flag
                               ? static_cast<uint64_t>(int64_t{static_cast<int32_t>(narrow)})
                               : narrow;
    for (uint32_t i = 0; i < type.vlen; ++i) {
      const Enumerator enumerator = btf_.enumerator(id, i);
      if (static_cast<uint64_t>(enumerator.value) != value) continue;
      PrintValue(enumerator.name);
      return EndType();
    }
    PrintUnlessZero(value == 0, type.kind_flag ? fmt::format("{}", static_cast<int64_t>(value))
                                               : fmt::format("{}", value));
    EndType();
  }

  const Btf& btf_;
  const std::span<const std::byte> object_;
  const uint64_t flags_;
  const ConcealAddress conceal_;
  std::string& out_;
  uint32_t steps_ = 0;

  uint32_t depth_ = 0;
  uint32_t depth_to_show_ = 0;  // the deepest value that the silent walk would show
  uint32_t depth_check_ = 0;    // not 0: a silent walk that began one below this depth
  bool in_array_ = false;
  bool array_ended_ = false;  // a text came to its NUL
  uint16_t array_encoding_ = 0;
  Kind kind_ = Kind::kVoid;
  uint32_t type_id_ = 0;
  bool has_member_ = false;
  Member member_;

  bool window_set_ = false;
  uint64_t window_at_ = 0;
  std::byte window_[kWindow + kOverread] = {};
};

}  // namespace

int ShowAsLinux(const Btf& btf, uint32_t id, std::span<const std::byte> object, uint64_t flags,
                ConcealAddress conceal, std::string& out) {
  if ((flags & ~kShowAll) != 0) return -EINVAL;
  const uint32_t real = btf.SkipModifiers(id);
  const Kind kind = btf.kind(real);
  if (kind == Kind::kVoid || kind == Kind::kVar || kind == Kind::kDatasec) return -EINVAL;
  const uint32_t size = btf.SizeOf(real).value_or(0);
  if (object.size() < size) return -EFAULT;
  return LinuxShow(btf, object.first(size), flags, conceal, out).Run(id);
}

int SnprintfAsLinux(const Btf& btf, uint32_t id, std::span<const std::byte> object, uint64_t flags,
                    ConcealAddress conceal, std::span<char> out) {
  std::string text;
  const int error = ShowAsLinux(btf, id, object, flags, conceal, text);
  if (!out.empty()) {
    const size_t fits = std::min(text.size(), out.size() - 1);
    std::memcpy(out.data(), text.data(), fits);
    out[fits] = '\0';
  }
  return error != 0 ? error : static_cast<int>(text.size());
}

}  // namespace skep::btf
