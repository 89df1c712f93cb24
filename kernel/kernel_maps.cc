// SPDX-License-Identifier: Apache-2.0
#include "kernel/kernel_maps.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <sys/mman.h>
#include <unistd.h>

#include "kernel/program_btf.h"
#include "model/map_type_info.h"

namespace skep::kernel {
namespace {

bool IsMapInMap(MapType type) {
  return type == MapType::kArrayOfMaps || type == MapType::kHashOfMaps;
}

int Element(Command command, int fd, const void* key, const void* value, uint64_t flags) {
  MapElementAttr attr{static_cast<uint32_t>(fd), 0, Address(key), Address(value), flags};
  return Bpf(command, attr);
}

Result<Fd> CreateOne(const MapSpec& spec, const Fd& btf) {
  MapCreateAttr attr{};
  attr.map_type = static_cast<uint32_t>(spec.type);
  attr.key_size = spec.key_size;
  attr.value_size = spec.value_size;
  attr.max_entries = spec.max_entries;
  attr.map_flags = spec.flags;
  attr.map_extra = spec.map_extra;
  CopyName(spec.name, attr.map_name);
  if (spec.type == MapType::kPerfEventArray && spec.max_entries == 0) {
    SKEP_TRY(attr.max_entries, PossibleCpus());
  }
  Fd inner;
  if (spec.inner != nullptr) {
    SKEP_TRY(inner, CreateOne(*spec.inner, btf));
    attr.inner_map_fd = static_cast<uint32_t>(inner.get());
  }
  const bool typed = btf.valid() && spec.btf_value_type_id != 0;
  if (typed) {
    attr.btf_fd = static_cast<uint32_t>(btf.get());
    attr.btf_key_type_id = spec.btf_key_type_id;
    attr.btf_value_type_id = spec.btf_value_type_id;
  }
  int fd = Bpf(Command::kMapCreate, attr);
  if (fd < 0 && typed) {
    // Most map types refuse types; libbpf retries without them too.
    attr.btf_fd = attr.btf_key_type_id = attr.btf_value_type_id = 0;
    fd = Bpf(Command::kMapCreate, attr);
  }
  if (fd < 0) return SystemError(Command::kMapCreate, -fd).At("map '" + spec.name + "'");
  return Fd(fd);
}

Result<MappedMap> MapArena(const MapSpec& spec, const Fd& fd) {
  const size_t size = size_t{spec.max_entries} * static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* const wanted = reinterpret_cast<void*>(spec.map_extra);  // the address to be at
  const int flags = MAP_SHARED | (wanted != nullptr ? MAP_FIXED_NOREPLACE : 0);
  void* const data = mmap(wanted, size, PROT_READ | PROT_WRITE, flags, fd.get(), 0);
  if (data == MAP_FAILED) {
    const int code = errno;
    return Error{ErrorCode::kSystem,
                 "map '" + spec.name + "': cannot map the arena: " + std::strerror(code), code};
  }
  return MappedMap(data, size);
}

// What a consumer that comes late finds. Layout: model/ringbuf.h.
Result<std::vector<std::vector<std::byte>>> TakeRing(const KernelMap& map) {
  constexpr uint32_t kBusy = 1u << 31, kDiscard = 1u << 30;
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t ring = map.spec.max_entries;
  const auto at = [&](int protection, size_t size, size_t offset) {
    void* data =
        mmap(nullptr, size, protection, MAP_SHARED, map.fd.get(), static_cast<off_t>(offset));
    return MappedMap(data == MAP_FAILED ? nullptr : data, size);
  };
  const MappedMap consumer = at(PROT_READ | PROT_WRITE, page, 0);
  const MappedMap producer = at(PROT_READ, page + 2 * ring, page);
  if (consumer.data() == nullptr || producer.data() == nullptr) {
    return Error{ErrorCode::kSystem, "the ring cannot be mapped", EIO};
  }
  auto* const taken = static_cast<uint64_t*>(consumer.data());
  auto* const made = static_cast<uint64_t*>(producer.data());
  const std::byte* const records = static_cast<const std::byte*>(producer.data()) + page;
  std::vector<std::vector<std::byte>> out;
  uint64_t position = *taken;
  while (position < __atomic_load_n(made, __ATOMIC_ACQUIRE)) {
    const std::byte* const record = records + position % ring;
    const uint32_t head =
        __atomic_load_n(reinterpret_cast<const uint32_t*>(record), __ATOMIC_ACQUIRE);
    if ((head & kBusy) != 0) break;
    const size_t size = head & ~kDiscard;
    if (size > ring) break;
    if ((head & kDiscard) == 0) out.emplace_back(record + 8, record + 8 + size);
    position += (size + 8 + 7) / 8 * 8;
  }
  __atomic_store_n(taken, position, __ATOMIC_RELEASE);
  return out;
}

}  // namespace

MappedMap& MappedMap::operator=(MappedMap&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedMap::~MappedMap() {
  if (data_ != nullptr) munmap(data_, size_);
}

Result<uint32_t> PossibleCpus() {
  // "0-3", "0", or "0,2-5": the last number counts.
  const char* path = "/sys/devices/system/cpu/possible";
  std::FILE* file = std::fopen(path, "re");
  char text[256] = {};
  const bool read = file != nullptr && std::fgets(text, sizeof text, file) != nullptr;
  if (file != nullptr) std::fclose(file);
  if (!read) return Error{ErrorCode::kSystem, std::string(path) + ": cannot be read", EIO};
  const std::string line(text);
  const size_t at = line.find_last_of("-,");
  const char* last = line.c_str() + (at == std::string::npos ? 0 : at + 1);
  return static_cast<uint32_t>(std::strtoul(last, nullptr, 10)) + 1;
}

Result<KernelMaps> KernelMaps::Create(std::span<const MapSpec> specs, const btf::Btf* btf) {
  KernelMaps out;
  Fd& types = out.types_;
  for (const MapSpec& spec : specs) {
    if (!types.valid() && spec.btf_value_type_id != 0) types = LoadBtf(btf);
    SKEP_TRY(Fd fd, CreateOne(spec, types));
    MappedMap memory;
    if (spec.type == MapType::kArena) {
      SKEP_TRY(memory, MapArena(spec, fd));
    }
    out.maps_.insert_or_assign(spec.name, KernelMap{spec, std::move(fd), std::move(memory)});
  }
  for (const auto& [name, map] : out.maps_) SKEP_TRY_VOID(out.Fill(map).At("map '" + name + "'"));
  return out;
}

const KernelMap* KernelMaps::Find(const std::string& name) const {
  const auto at = maps_.find(name);
  return at == maps_.end() ? nullptr : &at->second;
}

Result<void> KernelMaps::Fill(const KernelMap& map) const {
  const MapSpec& spec = map.spec;
  if (spec.initial_value != nullptr && map.memory.data() != nullptr) {
    if (spec.initial_value->size() > map.memory.size()) {
      return Error{ErrorCode::kInvalidArgument,
                   "more initial bytes than the arena's " + std::to_string(map.memory.size())};
    }
    std::memcpy(map.memory.data(), spec.initial_value->data(), spec.initial_value->size());
  } else if (spec.initial_value != nullptr) {
    const uint32_t zero = 0;
    const int result =
        Element(Command::kMapUpdateElem, map.fd.get(), &zero, spec.initial_value->data(), 0);
    if (result != 0) return SystemError(Command::kMapUpdateElem, -result);
  }
  if (spec.frozen) {
    MapElementAttr attr{static_cast<uint32_t>(map.fd.get()), 0, 0, 0, 0};
    const int result = Bpf(Command::kMapFreeze, &attr, sizeof attr.map_fd);
    if (result != 0) return SystemError(Command::kMapFreeze, -result);
  }
  if (!IsMapInMap(spec.type)) return {};
  for (const auto& [index, target] : spec.initial_slots) {
    const KernelMap* inner = Find(target);
    if (inner == nullptr) {
      return Error{ErrorCode::kUnresolved,
                   "slot " + std::to_string(index) + " names '" + target + "', which is no map"};
    }
    const int fd = inner->fd.get();
    const int result = Element(Command::kMapUpdateElem, map.fd.get(), &index, &fd, 0);
    if (result != 0) return SystemError(Command::kMapUpdateElem, -result);
  }
  return {};
}

Result<std::vector<MapElement>> KernelMaps::Read(const std::string& name, uint64_t limit) const {
  const KernelMap* map = Find(name);
  if (map == nullptr) return Error{ErrorCode::kUnresolved, "no map '" + name + "'", ENOENT};
  std::vector<MapElement> out;
  const MapSpec& spec = map->spec;
  if (spec.key_size == 0) return out;
  size_t value_size = spec.value_size;
  if (model::IsPercpu(spec.type)) {
    SKEP_TRY(const uint32_t cpus, PossibleCpus());
    value_size = (value_size + 7) / 8 * 8 * cpus;
  }
  MapElement element{std::vector<std::byte>(spec.key_size), std::vector<std::byte>(value_size)};
  std::vector<std::byte> next(spec.key_size);
  const void* previous = nullptr;
  // A program may run beside this: the number of entries bounds it.
  for (uint64_t n = 0; n <= spec.max_entries && n < limit; ++n) {
    if (Element(Command::kMapGetNextKey, map->fd.get(), previous, next.data(), 0) != 0) break;
    element.key = next;
    previous = element.key.data();
    const int found = Element(Command::kMapLookupElem, map->fd.get(), element.key.data(),
                              element.value.data(), 0);
    if (found == 0) out.push_back(element);
  }
  return out;
}

Result<std::vector<std::vector<std::byte>>> KernelMaps::TakeRecords(const std::string& name) const {
  const KernelMap* map = Find(name);
  if (map == nullptr) return Error{ErrorCode::kUnresolved, "no map '" + name + "'", ENOENT};
  const MapSpec& spec = map->spec;
  if (spec.type == MapType::kRingbuf) return TakeRing(*map).At("map '" + name + "'");
  std::vector<std::vector<std::byte>> out;
  if (spec.type != MapType::kQueue && spec.type != MapType::kStack) return out;
  std::vector<std::byte> value(spec.value_size);
  for (uint64_t n = 0; n < spec.max_entries; ++n) {
    if (Element(Command::kMapLookupAndDeleteElem, map->fd.get(), nullptr, value.data(), 0) != 0) {
      break;
    }
    out.push_back(value);
  }
  return out;
}

int KernelMaps::Update(const std::string& name, std::span<const std::byte> key,
                       std::span<const std::byte> value, uint64_t flags) const {
  const KernelMap* map = Find(name);
  if (map == nullptr) return -ENOENT;
  if (key.size() != map->spec.key_size || value.size() < map->spec.value_size) return -EINVAL;
  return Element(Command::kMapUpdateElem, map->fd.get(), key.data(), value.data(), flags);
}

}  // namespace skep::kernel
