// SPDX-License-Identifier: Apache-2.0
#include "tools/typed_value.h"

#include <algorithm>
#include <cstring>
#include <string>

#include <fmt/format.h>

namespace skep::tools {
namespace {

using btf::Kind;

// Unions of arrays of unions show the same bytes again and again.
constexpr uint64_t kMaxParts = 1'000'000;

bool IsText(std::span<const std::byte> bytes) {
  const auto end = std::find(bytes.begin(), bytes.end(), std::byte{0});
  const bool rest_is_zero =
      std::all_of(end, bytes.end(), [](std::byte b) { return b == std::byte{0}; });
  return end != bytes.end() && rest_is_zero && std::all_of(bytes.begin(), end, [](std::byte b) {
           return b >= std::byte{0x20} && b < std::byte{0x7f};
         });
}

class Shower {
 public:
  explicit Shower(const btf::Btf& btf) : btf_(btf) {}

  Json Show(uint32_t type_id, std::span<const std::byte> bytes) {
    if (++parts_ > kMaxParts) return nullptr;
    const uint32_t id = btf_.SkipModifiers(type_id);
    switch (btf_.kind(id)) {
      case Kind::kInt:
        return Integer(id, Bits(bytes, 0, static_cast<uint32_t>(bytes.size()) * 8), bytes);
      case Kind::kEnum:
      case Kind::kEnum64:
        return Enumeration(id, Bits(bytes, 0, static_cast<uint32_t>(bytes.size()) * 8),
                           static_cast<uint32_t>(bytes.size()) * 8);
      case Kind::kPtr:
        return fmt::format("{:#x}", Bits(bytes, 0, 64));
      case Kind::kFloat:
        return Float(bytes);
      case Kind::kArray:
        return Array(id, bytes);
      case Kind::kStruct:
      case Kind::kUnion:
        return Members(id, bytes);
      case Kind::kDatasec:
        return Variables(id, bytes);
      case Kind::kVar:
        return Show(btf_.type(id).size_or_type, bytes);
      case Kind::kVoid:
      case Kind::kFwd:
      case Kind::kTypedef:
      case Kind::kVolatile:
      case Kind::kConst:
      case Kind::kRestrict:
      case Kind::kFunc:
      case Kind::kFuncProto:
      case Kind::kDeclTag:
      case Kind::kTypeTag:
        break;
    }
    return Hex(bytes.data(), bytes.size());
  }
  bool complete() const { return parts_ <= kMaxParts; }

 private:
  // Up to 64 bits of a little-endian number.
  static uint64_t Bits(std::span<const std::byte> bytes, uint32_t first, uint32_t count) {
    uint64_t value = 0;
    count = std::min<uint32_t>(count, 64);
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t at = first + i;
      if (at / 8 >= bytes.size()) break;
      const uint64_t bit = std::to_integer<uint64_t>(bytes[at / 8]) >> (at % 8) & 1;
      value |= bit << i;
    }
    return value;
  }
  static int64_t Extended(uint64_t value, uint32_t bits) {
    if (bits == 0 || bits >= 64) return static_cast<int64_t>(value);
    const uint64_t sign = uint64_t{1} << (bits - 1);
    return static_cast<int64_t>((value ^ sign) - sign);
  }

  Json Integer(uint32_t id, uint64_t value, std::span<const std::byte> bytes) const {
    if (bytes.size() > 8) return "0x" + BigEndianHex(bytes);
    const btf::IntInfo info = btf_.integer(id);
    return Number(info, value, std::min<uint32_t>(info.bits, 64));
  }
  static Json Number(const btf::IntInfo& info, uint64_t value, uint32_t bits) {
    if (info.is_bool && value <= 1) return value == 1;
    return info.is_signed ? Json(Extended(value, bits)) : Json(value);
  }
  static std::string BigEndianHex(std::span<const std::byte> bytes) {
    std::vector<std::byte> reversed(bytes.rbegin(), bytes.rend());
    return Hex(reversed.data(), reversed.size());
  }

  Json Enumeration(uint32_t id, uint64_t bits, uint32_t count) const {
    const btf::Type type = btf_.type(id);
    const int64_t value = type.kind_flag ? Extended(bits, count) : static_cast<int64_t>(bits);
    for (uint32_t i = 0; i < type.vlen; ++i) {
      const btf::Enumerator one = btf_.enumerator(id, i);
      if (one.value == value) return std::string(one.name);
    }
    return type.kind_flag ? Json(value) : Json(bits);
  }

  static Json Float(std::span<const std::byte> bytes) {
    float narrow = 0;
    double wide = 0;
    if (bytes.size() == sizeof(narrow)) std::memcpy(&narrow, bytes.data(), sizeof(narrow));
    if (bytes.size() == sizeof(wide)) std::memcpy(&wide, bytes.data(), sizeof(wide));
    if (bytes.size() == sizeof(narrow)) return narrow;
    return bytes.size() == sizeof(wide) ? Json(wide) : Json(Hex(bytes.data(), bytes.size()));
  }

  Json Array(uint32_t id, std::span<const std::byte> bytes) {
    const btf::ArrayInfo array = btf_.array(id);
    const uint32_t element = btf_.SkipModifiers(array.element);
    const uint32_t size = btf_.SizeOf(element).value_or(0);
    if (btf_.kind(element) == Kind::kInt && btf_.name(element) == "char" && IsText(bytes)) {
      const auto* text = reinterpret_cast<const char*>(bytes.data());
      return std::string(text, strnlen(text, bytes.size()));
    }
    Json list = Json::array();
    for (uint64_t i = 0; size != 0 && i < array.count && (i + 1) * size <= bytes.size(); ++i) {
      list.push_back(Show(array.element, bytes.subspan(i * size, size)));
      if (!complete()) break;
    }
    return list;
  }

  Json Members(uint32_t id, std::span<const std::byte> bytes) {
    Json object = Json::object();
    for (uint32_t i = 0; i < btf_.type(id).vlen && complete(); ++i) {
      const btf::Member member = btf_.member(id, i);
      const uint32_t type = btf_.SkipModifiers(member.type);
      const uint32_t size = btf_.SizeOf(type).value_or(0);
      Json value;
      if (member.bitfield_size != 0) {
        value = Bitfield(type, Bits(bytes, member.bit_offset, member.bitfield_size),
                         member.bitfield_size);
      } else if (member.bit_offset / 8 + uint64_t{size} <= bytes.size()) {
        value = Show(member.type, bytes.subspan(member.bit_offset / 8, size));
      }
      if (member.name.empty() && value.is_object()) {
        for (auto& [name, inner] : value.items()) Put(object, name, std::move(inner));
      } else {
        Put(object, std::string(member.name), std::move(value));
      }
    }
    return object;
  }

  Json Bitfield(uint32_t type, uint64_t bits, uint32_t count) {
    if (++parts_ > kMaxParts) return nullptr;
    if (btf_.kind(type) == Kind::kInt) return Number(btf_.integer(type), bits, count);
    return Enumeration(type, bits, count);
  }

  Json Variables(uint32_t id, std::span<const std::byte> bytes) {
    Json object = Json::object();
    for (uint32_t i = 0; i < btf_.type(id).vlen && complete(); ++i) {
      const btf::SectionVariable variable = btf_.section_variable(id, i);
      if (variable.offset + uint64_t{variable.size} > bytes.size()) continue;
      Put(object, std::string(btf_.name(variable.type)),
          Show(variable.type, bytes.subspan(variable.offset, variable.size)));
    }
    return object;
  }

  // Static variables of several functions may share a name.
  static void Put(Json& object, std::string name, Json value) {
    while (object.contains(name)) name += '_';
    object[std::move(name)] = std::move(value);
  }

  const btf::Btf& btf_;
  uint64_t parts_ = 0;
};

}  // namespace

Json TypedValue(const btf::Btf& btf, uint32_t id, std::span<const std::byte> bytes) {
  if (btf.SizeOf(id) != bytes.size()) return nullptr;
  Shower shower(btf);
  Json value = shower.Show(id, bytes);
  return shower.complete() ? value : Json(nullptr);
}

}  // namespace skep::tools
