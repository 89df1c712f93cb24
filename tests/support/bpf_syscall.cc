// SPDX-License-Identifier: Apache-2.0
#include "tests/support/bpf_syscall.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>

#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace skep::test {
namespace {

enum Command {
  kMapCreate = 0,
  kMapLookup = 1,
  kMapUpdate = 2,
  kMapDelete = 3,
  kMapNextKey = 4,
  kProgramLoad = 5,
  kProgramRun = 10,
  kObjectInfo = 15,
  kRawTracepointOpen = 17,
  kMapLookupAndDelete = 21,
  kBtfLoad = 18,
  kMapFreeze = 22,
};

struct CreateAttr {
  uint32_t type, key_size, value_size, max_entries, flags, inner_fd, numa_node;
  char name[16];
  uint32_t ifindex, btf_fd, btf_key, btf_value, btf_vmlinux_value;
  uint64_t extra;
};
struct ElementAttr {
  uint32_t fd, padding;
  uint64_t key, value, flags;
};
struct LoadAttr {
  uint32_t type, insn_count;
  uint64_t insns, license;
  uint32_t log_level, log_size;
  uint64_t log_buffer;
  uint32_t kernel_version, flags;
  char name[16];
  uint32_t ifindex, attach_type;
  uint32_t btf, function_record;
  uint64_t functions;
  uint32_t function_count;
  uint32_t line_record;
  uint64_t lines;
  uint32_t line_count, attach_btf_id, attach_program, relocation_count;
  uint64_t fd_array;
};
static_assert(offsetof(LoadAttr, fd_array) == 120);
struct RunAttr {
  uint32_t fd, result, in_size, out_size;
  uint64_t in, out;
  uint32_t repeat, duration, context_in_size, context_out_size;
  uint64_t context_in, context_out;
};

template <class Attr>
int Bpf(Command command, Attr& attr) {
  const long result = syscall(SYS_bpf, command, &attr, sizeof attr);
  return result < 0 ? -errno : static_cast<int>(result);
}

uint64_t Address(const void* p) { return reinterpret_cast<uint64_t>(p); }

Insn Encode(uint8_t code, int dst, int src, int16_t offset, int32_t imm) {
  Insn insn;
  insn.code = code;
  insn.dst = static_cast<uint8_t>(dst) & 15;
  insn.src = static_cast<uint8_t>(src) & 15;
  insn.off = offset;
  insn.imm = imm;
  return insn;
}

int Element(Command command, const Fd& map, const void* key, const void* value, uint64_t flags) {
  ElementAttr attr{static_cast<uint32_t>(map.get()), 0, Address(key), Address(value), flags};
  return Bpf(command, attr);
}

Insns Wide(int dst, int source, uint32_t low, uint32_t high) {
  return {Encode(0x18, dst, source, 0, static_cast<int32_t>(low)),
          Encode(0, 0, 0, 0, static_cast<int32_t>(high))};
}

}  // namespace

namespace {
constexpr const char* kPossibleCpus = "/sys/devices/system/cpu/possible";
}

std::string WhyNoKernel() {
  // Per-CPU values cannot be read without the number of CPUs.
  if (access(kPossibleCpus, R_OK) != 0) return std::string(kPossibleCpus) + " cannot be read";
  MapSpec spec;
  spec.type = MapType::kHash;
  spec.key_size = spec.value_size = 4;
  spec.max_entries = 1;
  const Fd fd = KernelMapCreate(spec);
  return fd.ok() ? std::string() : std::string("bpf(2) is refused: ") + std::strerror(-fd.get());
}

bool KernelIsAtLeast(int major, int minor) {
  utsname name{};
  int found_major = 0, found_minor = 0;
  if (uname(&name) != 0 || std::sscanf(name.release, "%d.%d", &found_major, &found_minor) != 2) {
    return false;
  }
  return found_major > major || (found_major == major && found_minor >= minor);
}

uint32_t PossibleCpus() {
  // "0-3", or "0".
  std::ifstream file(kPossibleCpus);
  std::string text;
  file >> text;
  const size_t dash = text.rfind('-');
  return static_cast<uint32_t>(std::stoul(dash == text.npos ? text : text.substr(dash + 1))) + 1;
}

Fd::~Fd() {
  if (fd_ >= 0) close(fd_);
}

Fd KernelMapCreate(const MapSpec& spec, int inner, int btf) {
  CreateAttr attr{};
  attr.type = static_cast<uint32_t>(spec.type);
  attr.key_size = spec.key_size;
  attr.value_size = spec.value_size;
  attr.max_entries = spec.max_entries;
  attr.flags = spec.flags;
  attr.inner_fd = static_cast<uint32_t>(inner);
  if (btf != 0) {
    attr.btf_fd = static_cast<uint32_t>(btf);
    attr.btf_key = spec.btf_key_type_id;
    attr.btf_value = spec.btf_value_type_id;
  }
  attr.extra = spec.map_extra;
  return Fd(Bpf(kMapCreate, attr));
}

int KernelMapLookup(const Fd& map, const void* key, void* value, uint64_t flags) {
  return Element(kMapLookup, map, key, value, flags);
}
int KernelMapUpdate(const Fd& map, const void* key, const void* value, uint64_t flags) {
  return Element(kMapUpdate, map, key, value, flags);
}
int KernelMapDelete(const Fd& map, const void* key) {
  return Element(kMapDelete, map, key, nullptr, 0);
}
int KernelMapNextKey(const Fd& map, const void* key, void* next) {
  return Element(kMapNextKey, map, key, next, 0);
}
int KernelMapLookupAndDelete(const Fd& map, const void* key, void* value, uint64_t flags) {
  return Element(kMapLookupAndDelete, map, key, value, flags);
}
int KernelMapBatch(int command, const Fd& map, KernelBatch* batch) {
  struct {
    uint64_t in, out, keys, values;
    uint32_t count, fd;
    uint64_t elem_flags, flags;
  } attr{};
  attr.in = Address(batch->in);
  attr.out = Address(batch->out);
  attr.keys = Address(batch->keys);
  attr.values = Address(batch->values);
  attr.count = batch->count;
  attr.fd = static_cast<uint32_t>(map.get());
  attr.elem_flags = batch->elem_flags;
  const int result = Bpf(static_cast<Command>(command), attr);
  batch->count = attr.count;
  return result;
}
uint32_t KernelObjectId(const Fd& object) {
  uint32_t type_and_id[2] = {};
  struct {
    uint32_t fd, length;
    uint64_t info;
  } attr{static_cast<uint32_t>(object.get()), sizeof type_and_id, Address(type_and_id)};
  return Bpf(kObjectInfo, attr) == 0 ? type_and_id[1] : 0;
}
int KernelMapFreeze(const Fd& map) { return Element(kMapFreeze, map, nullptr, nullptr, 0); }

Insns Mov(int dst, int32_t value) { return {Encode(0xb7, dst, 0, 0, value)}; }
Insns MovReg(int dst, int src) { return {Encode(0xbf, dst, src, 0, 0)}; }
Insns AddImm(int dst, int32_t value) { return {Encode(0x07, dst, 0, 0, value)}; }
Insns LoadWide(int dst, uint64_t value) {
  return Wide(dst, 0, static_cast<uint32_t>(value), static_cast<uint32_t>(value >> 32));
}
Insns LoadMap(int dst, const Fd& map) { return Wide(dst, 1, static_cast<uint32_t>(map.get()), 0); }
Insns LoadMapValue(int dst, const Fd& map, uint32_t offset) {
  return Wide(dst, 2, static_cast<uint32_t>(map.get()), offset);
}
Insns StoreReg(int base, int16_t offset, int src) { return {Encode(0x7b, base, src, offset, 0)}; }
Insns CallHelper(int32_t id) { return {Encode(0x85, 0, 0, 0, id)}; }
Insns Exit() { return {Encode(0x95, 0, 0, 0, 0)}; }
Insns Join(std::initializer_list<Insns> parts) {
  Insns all;
  for (const Insns& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

Fd KernelBtfLoad(std::span<const std::byte> btf) {
  struct {
    uint64_t btf, log;
    uint32_t size, log_size, log_level, log_true_size;
  } attr{};
  attr.btf = Address(btf.data());
  attr.size = static_cast<uint32_t>(btf.size());
  return Fd(Bpf(kBtfLoad, attr));
}

Fd KernelProgramLoad(uint32_t type, std::span<const Insn> insns, std::string* log,
                     const LoadOptions& options) {
  static const char kLicense[] = "GPL";
  LoadAttr attr{};
  attr.type = type;
  attr.insn_count = static_cast<uint32_t>(insns.size());
  attr.insns = Address(insns.data());
  attr.license = Address(kLicense);
  attr.attach_type = options.attach_type;
  attr.flags = options.flags;
  attr.fd_array = options.fd_array.empty() ? 0 : Address(options.fd_array.data());
  attr.btf = static_cast<uint32_t>(options.btf);
  attr.functions = options.functions.empty() ? 0 : Address(options.functions.data());
  attr.function_count = static_cast<uint32_t>(options.functions.size());
  attr.attach_btf_id = options.attach_btf_id;
  attr.function_record = options.functions.empty() ? 0 : sizeof(FunctionInfo);
  std::unique_ptr<char[]> buffer;
  if (log != nullptr) {
    buffer = std::make_unique_for_overwrite<char[]>(options.log_size);
    buffer[0] = '\0';
    attr.log_level = options.log_level;
    attr.log_size = static_cast<uint32_t>(options.log_size);
    attr.log_buffer = Address(buffer.get());
  }
  Fd fd(Bpf(kProgramLoad, attr));
  if (log != nullptr) *log = buffer.get();
  return fd;
}

int KernelProgramRun(const Fd& program, std::span<const uint8_t> packet, uint32_t* result) {
  RunAttr attr{};
  attr.fd = static_cast<uint32_t>(program.get());
  attr.in = Address(packet.data());
  attr.in_size = static_cast<uint32_t>(packet.size());
  const int error = Bpf(kProgramRun, attr);
  *result = attr.result;
  return error;
}

int KernelProgramRun(const Fd& program, const RunInput& input, uint32_t* result) {
  RunAttr attr{};
  attr.fd = static_cast<uint32_t>(program.get());
  attr.in = Address(input.data.data());
  attr.in_size = static_cast<uint32_t>(input.data.size());
  attr.out = Address(input.data_out.data());
  attr.out_size = static_cast<uint32_t>(input.data_out.size());
  attr.context_in = Address(input.context.data());
  attr.context_in_size = static_cast<uint32_t>(input.context.size());
  const int error = Bpf(kProgramRun, attr);
  *result = attr.result;
  return error;
}

Fd KernelAttachTracing(const Fd& program) {
  struct {
    uint64_t name;
    uint32_t program, padding;
    uint64_t cookie;
  } attr{};
  attr.program = static_cast<uint32_t>(program.get());
  return Fd(Bpf(kRawTracepointOpen, attr));
}

int KernelProgramRun(const Fd& program, uint32_t* result) {
  return KernelProgramRun(program, std::array<uint8_t, 64>{}, result);
}

}  // namespace skep::test
