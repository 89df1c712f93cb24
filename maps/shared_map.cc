// SPDX-License-Identifier: Apache-2.0
#include "maps/shared_map.h"

#include <algorithm>
#include <cerrno>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <sys/random.h>

#include "base/check.h"
#include "maps/map_file_header.h"
#include "maps/map_memory.h"
#include "maps/shareable.h"

namespace skep {
namespace {

bool IsPercpu(MapType type) {
  return type == MapType::kPercpuHash || type == MapType::kPercpuArray ||
         type == MapType::kLruPercpuHash;
}

struct NewFile {
  MapFileHeader header = {};
  std::span<const std::byte> initial;

  SharedFile::Contents contents() const {
    return {header.body_bytes + PageBytes(), std::as_bytes(std::span(&header, 1)), initial};
  }
};

Result<NewFile> Describe(const MapSpec& spec, const MapEnvironment& environment) {
  SKEP_TRY_VOID(CheckShareable(spec, environment.value_type.get()));
  uint64_t seed = 0;
  SKEP_CHECK(getrandom(&seed, sizeof seed, 0) == sizeof seed);
  const uint32_t cpu_slots = IsPercpu(spec.type) ? environment.cpu_slots : 1;
  const uint64_t body = RoundUp(SharedBodyBytes(spec, cpu_slots), PageBytes());
  NewFile fresh{MapFileHeader::Of(spec, cpu_slots, seed, body), {}};
  if (spec.type == MapType::kArray && spec.initial_value != nullptr) {
    fresh.initial = std::span(*spec.initial_value);
    fresh.initial = fresh.initial.first(std::min<size_t>(fresh.initial.size(), spec.value_size));
  }
  return fresh;
}

struct Opened {
  MapFileHeader header = {};
  MapSpec spec;
};

Result<Opened> ReadHeader(const SharedFile& file) {
  Opened opened;
  SKEP_TRY_VOID(file.Read(std::as_writable_bytes(std::span(&opened.header, 1))));
  auto spec = opened.header.Check(file.size());
  if (!spec) return std::move(spec).error().At(file.name());
  opened.spec = *std::move(spec);
  const uint64_t needed =
      RoundUp(SharedBodyBytes(opened.spec, opened.header.cpu_slots), PageBytes());
  if (opened.header.body_bytes != needed) {
    return Error{ErrorCode::kMalformedObject,
                 fmt::format("{}: has {} bytes for its elements, need {}", file.name(),
                             opened.header.body_bytes, needed),
                 EINVAL};
  }
  return opened;
}

Result<std::shared_ptr<Map>> MakeMap(SharedFile file, const MapSpec& spec,
                                     const MapFileHeader& header, const MapEnvironment& environment,
                                     bool created) {
  MapEnvironment with = environment;
  with.cpu_slots = header.cpu_slots;
  with.shared = std::make_shared<SharedMapRegion>();
  with.shared->body_bytes = header.body_bytes;
  with.shared->seed = header.seed;
  SKEP_TRY(with.shared->region, SharedRegion::Attach(std::move(file), created));
  return CreateMap(spec, with);
}

Result<std::shared_ptr<Map>> Open(SharedFile file, const MapEnvironment& environment) {
  SKEP_TRY(const Opened opened, ReadHeader(file));
  if (IsPercpu(opened.spec.type) && opened.header.cpu_slots < environment.cpu_slots) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("{}: has {} CPU slots, need at least the runtime's {}", file.name(),
                             opened.header.cpu_slots, environment.cpu_slots),
                 EINVAL};
  }
  auto shareable = CheckShareable(opened.spec, environment.value_type.get());
  if (!shareable) return std::move(shareable).error().At(file.name());
  return MakeMap(std::move(file), opened.spec, opened.header, environment, false);
}

}  // namespace

Result<SharedMap> CreateSharedMap(const MapSpec& spec, const MapEnvironment& environment) {
  SKEP_TRY(const NewFile fresh, Describe(spec, environment));
  SKEP_TRY(SharedFile file, SharedFile::CreateMemory("skep map", fresh.contents()));
  const int fd = file.shared_fd();
  SKEP_TRY(std::shared_ptr<Map> map,
           MakeMap(std::move(file), spec, fresh.header, environment, true));
  return SharedMap{std::move(map), fd};
}

Result<std::shared_ptr<Map>> CreateMapFile(const MapSpec& spec, const std::string& path,
                                           const MapEnvironment& environment) {
  SKEP_TRY(const NewFile fresh, Describe(spec, environment));
  SKEP_TRY(SharedFile file, SharedFile::CreateAt(path, fresh.contents()));
  return MakeMap(std::move(file), spec, fresh.header, environment, true);
}

Result<std::shared_ptr<Map>> OpenMapFile(const std::string& path,
                                         const MapEnvironment& environment) {
  SKEP_TRY(SharedFile file, SharedFile::OpenAt(path));
  return Open(std::move(file), environment);
}

Result<std::shared_ptr<Map>> OpenSharedMap(int fd, const MapEnvironment& environment) {
  SKEP_TRY(SharedFile file, SharedFile::OpenDescriptor(fd));
  return Open(std::move(file), environment);
}

Result<MapFileInfo> ReadMapFile(const std::string& path) {
  SKEP_TRY(const SharedFile file, SharedFile::OpenAt(path));
  SKEP_TRY(const Opened opened, ReadHeader(file));
  return MapFileInfo{opened.spec, opened.header.cpu_slots, file.size()};
}

}  // namespace skep
