// SPDX-License-Identifier: Apache-2.0
#include "kernel/btf_rules.h"

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/check.h"
#include "btf/raw.h"

namespace skep::kernel {
namespace {

constexpr uint32_t kIntBytes = 4;
constexpr uint32_t kExtern = 2, kGlobal = 1;

uint32_t Info(btf::Kind kind, uint32_t vlen) { return static_cast<uint32_t>(kind) << 24 | vlen; }

// The type section as words, the string section as text.
class Editor {
 public:
  explicit Editor(const std::vector<std::byte>& bytes) {
    SKEP_CHECK(bytes.size() >= sizeof header_);
    std::memcpy(&header_, bytes.data(), sizeof header_);
    const std::byte* types = bytes.data() + header_.hdr_len + header_.type_off;
    words_.resize(header_.type_len / sizeof(uint32_t));
    std::memcpy(words_.data(), types, header_.type_len);
    const auto* text = reinterpret_cast<const char*>(bytes.data());
    const uint32_t strings = header_.hdr_len + header_.str_off;
    strings_.assign(text + strings, text + strings + header_.str_len);
    for (size_t at = 0; at < words_.size();) {
      starts_.push_back(at);
      at += btf::kTypeWords + btf::ExtraWords(KindAt(at), VlenAt(at));
    }
  }

  void Edit() {
    // New types are added behind these.
    const size_t count = starts_.size();
    for (size_t i = 0; i < count; ++i) {
      const size_t at = starts_[i];
      if (KindAt(at) == btf::Kind::kFunc) {
        NameParameters(words_[at + 2]);
        if (VlenAt(at) == kExtern) words_[at + 1] = Info(btf::Kind::kFunc, kGlobal);
      } else if (KindAt(at) == btf::Kind::kVar && words_[at + btf::kTypeWords] == kExtern) {
        words_[at + btf::kTypeWords] = kGlobal;
      } else if (KindAt(at) == btf::Kind::kDatasec && NameAt(at) == ".ksyms") {
        LayOut(i);
      }
    }
  }

  std::vector<std::byte> Take() {
    header_.type_off = 0;
    header_.type_len = static_cast<uint32_t>(words_.size() * sizeof(uint32_t));
    header_.str_off = header_.type_len;
    header_.str_len = static_cast<uint32_t>(strings_.size());
    header_.hdr_len = sizeof header_;
    std::vector<std::byte> out(sizeof header_ + header_.type_len + header_.str_len);
    std::memcpy(out.data(), &header_, sizeof header_);
    std::memcpy(out.data() + sizeof header_, words_.data(), header_.type_len);
    std::memcpy(out.data() + sizeof header_ + header_.type_len, strings_.data(), strings_.size());
    return out;
  }

 private:
  // struct btf_header.
  struct Header {
    uint16_t magic;
    uint8_t version, flags;
    uint32_t hdr_len, type_off, type_len, str_off, str_len;
  };

  btf::Kind KindAt(size_t at) const { return static_cast<btf::Kind>(btf::RawKind(words_[at + 1])); }
  uint32_t VlenAt(size_t at) const { return btf::RawVlen(words_[at + 1]); }
  std::string_view NameAt(size_t at) const {
    return words_[at] < strings_.size() ? std::string_view(&strings_[words_[at]])
                                        : std::string_view();
  }
  uint32_t AddString(std::string_view text) {
    const auto at = static_cast<uint32_t>(strings_.size());
    strings_.insert(strings_.end(), text.begin(), text.end());
    strings_.push_back('\0');
    return at;
  }
  // Returns its id.
  uint32_t AddType(std::initializer_list<uint32_t> words) {
    starts_.push_back(words_.size());
    words_.insert(words_.end(), words);
    return static_cast<uint32_t>(starts_.size());
  }

  void NameParameters(uint32_t prototype) {
    if (prototype == 0 || prototype > starts_.size()) return;
    const size_t at = starts_[prototype - 1];
    if (KindAt(at) != btf::Kind::kFuncProto) return;
    for (uint32_t i = 0; i < VlenAt(at); ++i) {
      uint32_t* parameter = &words_[at + btf::kTypeWords + 2 * i];
      if (parameter[0] == 0 && parameter[1] != 0) parameter[0] = ParameterName();
    }
  }
  uint32_t ParameterName() {
    if (parameter_name_ == 0) parameter_name_ = AddString("unnamed");
    return parameter_name_;
  }

  void LayOut(size_t section) {
    constexpr uint32_t kSigned = 1u << 24;
    const uint32_t integer = AddType({AddString("skep_extern_int"), Info(btf::Kind::kInt, 0),
                                      kIntBytes, kSigned | 8 * kIntBytes});
    const size_t at = starts_[section];
    for (uint32_t i = 0; i < VlenAt(at); ++i) {
      const uint32_t variable = AddType({AddString("skep_extern_" + std::to_string(i)),
                                         Info(btf::Kind::kVar, 0), integer, kGlobal});
      uint32_t* entry = &words_[at + btf::kTypeWords + 3 * i];
      entry[0] = variable;
      entry[1] = i * kIntBytes;
      entry[2] = kIntBytes;
    }
    words_[at + 2] = VlenAt(at) * kIntBytes;
  }

  Header header_;
  std::vector<uint32_t> words_;
  std::vector<size_t> starts_;  // by id - 1
  std::vector<char> strings_;
  uint32_t parameter_name_ = 0;
};

}  // namespace

std::vector<std::byte> ForKernel(std::vector<std::byte> bytes) {
  Editor editor(bytes);
  editor.Edit();
  return editor.Take();
}

}  // namespace skep::kernel
