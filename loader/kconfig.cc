// SPDX-License-Identifier: Apache-2.0
// Section .kconfig: variables whose values come from the text of a kernel
// configuration (CONFIG_HZ=250), or that the loader itself knows (LINUX_...).
// Which values fit which types, and what is too large, is as in libbpf.
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <limits>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "loader/externs.h"

namespace skep::loader {
namespace {

// Linux whose rules programs are verified by, where the options name no other.
constexpr uint32_t kDefaultVersion = 6u << 16 | 18u << 8;
constexpr uint32_t kBpfCookieSince = 5u << 16 | 15u << 8;
constexpr uint32_t kSyscallWrapperSince = 4u << 16 | 17u << 8;

constexpr uint32_t kTristateNo = 0, kTristateYes = 1, kTristateModule = 2;  // enum libbpf_tristate

enum class ValueKind { kUnsupported, kBool, kTristate, kChar, kInteger, kText };

struct ValueType {
  ValueKind kind = ValueKind::kUnsupported;
  bool is_signed = false;
};

ValueType TypeOfInteger(const btf::Btf& btf, uint32_t id) {
  const btf::IntInfo info = btf.integer(id);
  const uint32_t size = btf.type(id).size_or_type;
  if (info.is_bool) return {size == 1 ? ValueKind::kBool : ValueKind::kUnsupported, false};
  if (size == 1) return {ValueKind::kChar, info.is_signed};
  const bool supported = size == 2 || size == 4 || size == 8;
  return {supported ? ValueKind::kInteger : ValueKind::kUnsupported, info.is_signed};
}

ValueType TypeOf(const btf::Btf& btf, uint32_t id) {
  id = btf.SkipModifiers(id);
  switch (btf.kind(id)) {
    case btf::Kind::kInt:
      return TypeOfInteger(btf, id);
    case btf::Kind::kEnum:
    case btf::Kind::kEnum64: {
      const bool tristate = btf.name(id) == "libbpf_tristate" && btf.SizeOf(id) == 4u;
      return {tristate ? ValueKind::kTristate : ValueKind::kUnsupported, false};
    }
    case btf::Kind::kArray: {
      const btf::ArrayInfo array = btf.array(id);
      const uint32_t element = btf.SkipModifiers(array.element);
      const bool text = array.count != 0 && btf.kind(element) == btf::Kind::kInt &&
                        TypeOfInteger(btf, element).kind == ValueKind::kChar;
      return {text ? ValueKind::kText : ValueKind::kUnsupported, false};
    }
    case btf::Kind::kVoid:
    case btf::Kind::kPtr:
    case btf::Kind::kStruct:
    case btf::Kind::kUnion:
    case btf::Kind::kFwd:
    case btf::Kind::kTypedef:
    case btf::Kind::kVolatile:
    case btf::Kind::kConst:
    case btf::Kind::kRestrict:
    case btf::Kind::kFunc:
    case btf::Kind::kFuncProto:
    case btf::Kind::kVar:
    case btf::Kind::kDatasec:
    case btf::Kind::kFloat:
    case btf::Kind::kDeclTag:
    case btf::Kind::kTypeTag:
      break;
  }
  return {};
}

// Of what a value can be; anything else counts as the strictest.
uint64_t AlignmentOf(const btf::Btf& btf, uint32_t id) {
  id = btf.SkipModifiers(id);
  while (btf.kind(id) == btf::Kind::kArray) id = btf.SkipModifiers(btf.array(id).element);
  const btf::Kind kind = btf.kind(id);
  if (kind != btf::Kind::kInt && kind != btf::Kind::kEnum) return 8;
  return std::min(8u, btf.SizeOf(id).value_or(8));
}

// A value that the loader knows, not the configuration.
bool IsVirtual(const Extern& variable) { return !variable.name.starts_with("CONFIG_"); }

Error Mismatch(const Extern& variable, std::string_view value, std::string_view needed) {
  return {ErrorCode::kInvalidArgument,
          fmt::format("extern '{}' of .kconfig: value {} needs a variable of type {}",
                      variable.name, value, needed),
          EINVAL};
}

// Writes the values of one section.
class Writer {
 public:
  Writer(const btf::Btf& btf, std::span<std::byte> bytes) : btf_(btf), bytes_(bytes) {}

  // `value` is what follows the '=' in a configuration.
  Result<void> Set(const Extern& variable, std::string_view value) {
    if (value[0] == 'y' || value[0] == 'n' || value[0] == 'm') return SetLetter(variable, value[0]);
    if (value[0] == '"') return SetText(variable, value);
    return SetNumber(variable, value);
  }

  Result<void> SetInteger(const Extern& variable, uint64_t value, std::string_view text) {
    const ValueType type = Type(variable);
    // Numbers of a configuration are for integers; what the loader knows may
    // also be a truth.
    const bool truth = type.kind == ValueKind::kBool && value <= 1 && IsVirtual(variable);
    if (type.kind != ValueKind::kInteger && type.kind != ValueKind::kChar && !truth)
      return Mismatch(variable, text, "integer or char");
    if (!InRange(value, variable.size, type.is_signed)) {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("extern '{}' of .kconfig: value {} does not fit into {} bytes",
                               variable.name, text, variable.size),
                   ERANGE};
    }
    Put(variable, value, variable.size);
    return {};
  }

 private:
  ValueType Type(const Extern& variable) const {
    return TypeOf(btf_, btf_.type(variable.type).size_or_type);
  }

  static bool InRange(uint64_t value, uint32_t size, bool is_signed) {
    if (size == 8) return true;
    const uint32_t bits = 8 * size;
    if (is_signed) return value + (uint64_t{1} << (bits - 1)) < uint64_t{1} << bits;
    return value >> bits == 0;
  }

  Result<void> SetLetter(const Extern& variable, char letter) {
    switch (Type(variable).kind) {
      case ValueKind::kBool:
        if (letter == 'm') return Mismatch(variable, "m", "tristate or char");
        Put(variable, letter == 'y' ? 1 : 0, 1);
        return {};
      case ValueKind::kTristate:
        Put(variable,
            letter == 'y'   ? kTristateYes
            : letter == 'm' ? kTristateModule
                            : kTristateNo,
            4);
        return {};
      case ValueKind::kChar:
        Put(variable, static_cast<uint8_t>(letter), 1);
        return {};
      case ValueKind::kUnsupported:
      case ValueKind::kInteger:
      case ValueKind::kText:
        break;
    }
    return Mismatch(variable, std::string_view(&letter, 1), "bool, tristate or char");
  }

  // What is too long is cut, and ends in a NUL all the same.
  Result<void> SetText(const Extern& variable, std::string_view value) {
    if (Type(variable).kind != ValueKind::kText) return Mismatch(variable, value, "char array");
    if (value.size() < 2 || value.back() != '"') {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("extern '{}' of .kconfig: text {} does not end in a quote",
                               variable.name, value),
                   EINVAL};
    }
    value = value.substr(1, value.size() - 2).substr(0, variable.size - 1);
    std::memcpy(bytes_.data() + variable.value, value.data(), value.size());
    return {};
  }

  Result<void> SetNumber(const Extern& variable, std::string_view text) {
    std::string_view digits = text;
    const bool negative = digits.starts_with('-');
    if (negative || digits.starts_with('+')) digits.remove_prefix(1);
    int base = 10;
    if (digits.starts_with("0x") || digits.starts_with("0X")) {
      base = 16;
      digits.remove_prefix(2);
    } else if (digits.size() > 1 && digits[0] == '0') {
      base = 8;
    }
    uint64_t value = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (error != std::errc() || end != digits.data() + digits.size()) {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("extern '{}' of .kconfig: value {} is no 64-bit integer",
                               variable.name, text),
                   EINVAL};
    }
    return SetInteger(variable, negative ? 0 - value : value, text);
  }

  void Put(const Extern& variable, uint64_t value, uint32_t size) {
    SKEP_CHECK(variable.value + size <= bytes_.size());
    std::memcpy(bytes_.data() + variable.value, &value, size);
  }

  const btf::Btf& btf_;
  const std::span<std::byte> bytes_;
};

void Take(Extern& variable, Result<void> result) {
  if (result) {
    variable.found = true;
  } else {
    variable.error = std::move(result).error();
  }
}

// Variables of names that begin with LINUX_.
void ResolveVirtual(const ObjectOptions& options, Extern& variable, Writer& writer) {
  const uint32_t version = options.kernel_version != 0 ? options.kernel_version : kDefaultVersion;
  uint64_t value = 0;
  if (variable.name == "LINUX_KERNEL_VERSION") {
    value = version;
  } else if (variable.name == "LINUX_HAS_BPF_COOKIE") {
    value = version >= kBpfCookieSince ? 1 : 0;
  } else if (variable.name == "LINUX_HAS_SYSCALL_WRAPPER") {
    value = version >= kSyscallWrapperSince ? 1 : 0;
  } else if (variable.name.starts_with("LINUX_") && variable.weak) {
    value = 0;
  } else {
    variable.error =
        Error{ErrorCode::kUnresolved,
              fmt::format("extern '{}' of .kconfig is no name of a configuration (CONFIG_...) or "
                          "of the loader (LINUX_KERNEL_VERSION, LINUX_HAS_BPF_COOKIE, "
                          "LINUX_HAS_SYSCALL_WRAPPER)",
                          variable.name)};
    return;
  }
  Take(variable, writer.SetInteger(variable, value, fmt::format("{:#x}", value)));
}

// The values that `text` gives, by name; the first one counts. Lines that do
// not begin with CONFIG_ are comments.
std::unordered_map<std::string_view, std::string_view> ReadConfiguration(std::string_view text) {
  std::unordered_map<std::string_view, std::string_view> values;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const size_t equals = line.find('=');
    if (!line.starts_with("CONFIG_") || equals == std::string_view::npos) continue;
    if (equals + 1 < line.size()) values.emplace(line.substr(0, equals), line.substr(equals + 1));
  }
  return values;
}

}  // namespace

btf::Btf::SectionLayout LayOutConfig(const btf::Btf& btf, uint32_t datasec) {
  struct Sized {
    btf::SectionVariable variable;
    uint64_t alignment;
    std::string_view name;
  };
  std::vector<Sized> all;
  for (uint32_t i = 0; i < btf.type(datasec).vlen; ++i) {
    btf::SectionVariable variable = btf.section_variable(datasec, i);
    const uint32_t type = btf.type(variable.type).size_or_type;
    variable.size = btf.SizeOf(type).value_or(0);
    all.push_back({variable, AlignmentOf(btf, type), btf.name(variable.type)});
  }
  std::sort(all.begin(), all.end(), [](const Sized& a, const Sized& b) {
    return std::tuple(b.alignment, a.variable.size, a.name) <
           std::tuple(a.alignment, b.variable.size, b.name);
  });
  btf::Btf::SectionLayout layout;
  layout.id = datasec;
  uint64_t offset = 0;
  constexpr uint64_t kMost = std::numeric_limits<uint32_t>::max();
  for (Sized& one : all) {
    offset = (offset + one.alignment - 1) / one.alignment * one.alignment;
    one.variable.offset = static_cast<uint32_t>(std::min(offset, kMost));
    offset += one.variable.size;
    layout.variables.push_back(one.variable);
  }
  layout.size = static_cast<uint32_t>(std::min(offset, kMost));
  return layout;
}

void ResolveConfig(const btf::Btf& btf, const ObjectOptions& options, std::span<Extern> externs,
                   std::span<std::byte> bytes) {
  const auto values = ReadConfiguration(options.kconfig);
  Writer writer(btf, bytes);
  for (Extern& variable : externs) {
    if (TypeOf(btf, btf.type(variable.type).size_or_type).kind == ValueKind::kUnsupported) {
      variable.error = Error{ErrorCode::kUnsupported,
                             fmt::format("extern '{}' of .kconfig: its type is none of bool, char, "
                                         "integer, enum libbpf_tristate and char array",
                                         variable.name)};
      continue;
    }
    if (IsVirtual(variable)) {
      ResolveVirtual(options, variable, writer);
    } else if (const auto it = values.find(variable.name); it != values.end()) {
      Take(variable, writer.Set(variable, it->second));
    } else if (!variable.weak) {
      variable.error =
          Error{ErrorCode::kUnresolved,
                fmt::format("extern '{}' of .kconfig is not in the kernel's configuration{}",
                            variable.name, options.kconfig.empty() ? ", which was not given" : ""),
                ESRCH};
    }
  }
}

}  // namespace skep::loader
