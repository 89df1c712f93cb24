// SPDX-License-Identifier: Apache-2.0
#include "kernel/program_btf.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>

#include "btf/btf.h"
#include "kernel/btf_rules.h"
#include "vm/value_types.h"

namespace skep::kernel {
namespace {

using Bytes = std::vector<std::byte>;

// struct btf_header.
struct Header {
  uint16_t magic;
  uint8_t version, flags;
  uint32_t hdr_len, type_off, type_len, str_off, str_len;
};

// Adds strings to the end of serialized BTF, whose last section they are.
class Strings {
 public:
  explicit Strings(Bytes& bytes) : bytes_(bytes) {
    std::memcpy(&header_, bytes.data(), sizeof header_);
  }
  uint32_t Add(std::string_view text) {
    const auto [at, added] = offsets_.try_emplace(text, header_.str_len);
    if (added) {
      const auto* data = reinterpret_cast<const std::byte*>(text.data());
      bytes_.insert(bytes_.end(), data, data + text.size());
      bytes_.push_back(std::byte{0});
      header_.str_len += static_cast<uint32_t>(text.size()) + 1;
    }
    return at->second;
  }
  void Finish() { std::memcpy(bytes_.data(), &header_, sizeof header_); }

 private:
  Bytes& bytes_;
  Header header_;
  std::map<std::string_view, uint32_t> offsets_;
};

int LoadBytes(const Bytes& bytes) {
  BtfLoadAttr attr{};
  attr.btf = Address(bytes.data());
  attr.btf_size = static_cast<uint32_t>(bytes.size());
  return Bpf(Command::kBtfLoad, attr);
}

// The kernel wants a line for the first instruction of each subprogram, and at
// most one an instruction.
std::vector<LineInfo> Lines(const ProgramData& data, Strings& strings) {
  std::vector<LineInfo> lines;
  for (const SourceLine& line : data.lines) {
    if (!lines.empty() && lines.back().insn_off == line.insn) continue;
    if (data.insns[line.insn].code == 0) continue;  // second half of a wide load
    lines.push_back({line.insn, strings.Add(line.file), strings.Add(line.text),
                     line.line << 10 | (line.column & 0x3ff)});
  }
  for (const Subprogram& sub : data.subprograms) {
    const auto at = std::lower_bound(
        lines.begin(), lines.end(), sub.start,
        [](const LineInfo& line, uint32_t start) { return line.insn_off < start; });
    if (at == lines.end() || at->insn_off != sub.start) return {};
  }
  return lines;
}

}  // namespace

namespace {

// Maps inside maps count: programs reach their values, too.
bool MapsOwnObjects(const ProgramData& data) {
  const auto owns = [&](const MapSpec& map) {
    const auto type = ReadValueType(data.btf.get(), map);
    return type != nullptr && type->Find(model::kOwners) != nullptr;
  };
  return std::any_of(data.maps.begin(), data.maps.end(), [&](const MapSpec& map) {
    return owns(map) || (map.inner != nullptr && owns(*map.inner));
  });
}

// The kernel takes function information for all functions or for none, and lines
// only with it.
void AddFunctions(const ProgramData& data, ProgramBtf* out) {
  for (const Subprogram& sub : data.subprograms) {
    if (sub.btf_type_id != 0) out->functions.push_back({sub.start, sub.btf_type_id});
  }
  if (out->functions.size() == data.subprograms.size()) return;
  out->functions.clear();
  out->lines.clear();
}

}  // namespace

ProgramBtf LoadProgramBtf(const Program& program, const Fd& map_types) {
  ProgramBtf out;
  const ProgramData& data = program.data();
  if (data.btf == nullptr) return out;
  if (map_types.valid() && MapsOwnObjects(data)) {
    out.fd = Fd(fcntl(map_types.get(), F_DUPFD_CLOEXEC, 0));
    AddFunctions(data, &out);
    return out;
  }
  Bytes bytes = ForKernel(data.btf->Serialize());
  Strings strings(bytes);
  out.lines = Lines(data, strings);
  strings.Finish();
  const int fd = LoadBytes(bytes);
  if (fd < 0) {
    out.lines.clear();
    out.refused = SystemError(Command::kBtfLoad, -fd).message;
    return out;
  }
  out.fd = Fd(fd);
  AddFunctions(data, &out);
  return out;
}

Fd LoadBtf(const btf::Btf* btf) {
  if (btf == nullptr) return Fd();
  const int fd = LoadBytes(ForKernel(btf->Serialize()));
  return fd < 0 ? Fd() : Fd(fd);
}

}  // namespace skep::kernel
