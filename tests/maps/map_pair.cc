// SPDX-License-Identifier: Apache-2.0
#include "tests/maps/map_pair.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "skep/btf_builder.h"

#include "maps/perf_event_array.h"
#include "maps/prog_array.h"
#include "model/map_type_info.h"
#include "model/value_type.h"

namespace skep::test {
namespace {

constexpr uint32_t kSocketFilter = 1, kXdp = 6;

Fd XdpSocket() {
  constexpr int kFamily = 44, kLevel = 283, kReceiveRing = 2, kDescriptors = 64;
  Fd fd(socket(kFamily, SOCK_RAW, 0));
  if (fd.ok()) setsockopt(fd.get(), kLevel, kReceiveRing, &kDescriptors, sizeof kDescriptors);
  return fd;
}

// Bound to a port of the loopback device; those of a group share it.
Fd UdpSocket(uint16_t* port) {
  Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const int one = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = *port;
  socklen_t size = sizeof address;
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) return Fd(-errno);
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  *port = address.sin_port;
  return fd;
}

// What the kernel shows of a socket, and so the number that it has here.
uint64_t CookieOf(const Fd& socket) {
  constexpr int kCookie = 57;  // SO_COOKIE
  uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  getsockopt(socket.get(), SOL_SOCKET, kCookie, &cookie, &size);
  return cookie;
}

// The root of the second version's hierarchy, if it is mounted at its usual place.
Fd Cgroup() {
  constexpr int64_t kMagic = 0x63677270;  // CGROUP2_SUPER_MAGIC
  Fd root(open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct statfs about {};
  if (!root.ok() || fstatfs(root.get(), &about) != 0 || about.f_type != kMagic) return Fd(-ENOENT);
  return root;
}

bool OfSockets(MapType type) {
  return type == MapType::kSockmap || type == MapType::kSockhash ||
         type == MapType::kReuseportSockarray;
}

Fd PerfOutputEvent() {
  perf_event_attr attr{};
  attr.type = PERF_TYPE_SOFTWARE;
  attr.size = sizeof attr;
  attr.config = PERF_COUNT_SW_BPF_OUTPUT;
  attr.sample_type = PERF_SAMPLE_RAW;
  return Fd(static_cast<int>(syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC)));
}

MapGuests::Program ProgramOf(uint32_t type) {
  Fd theirs = KernelProgramLoad(type, Join({Mov(0, 1), Exit()}));
  auto ours = std::make_shared<model::TailTarget>();
  ours->program_id = theirs.ok() ? KernelObjectId(theirs) : 0;
  ours->owner.type = static_cast<ProgramTypeId>(type);
  return {std::move(ours), std::move(theirs)};
}

Fd Types() {
  BtfBuilder types;
  const uint32_t u32 = types.Int("int", 4, true), u64 = types.Int("long", 8, true);
  const uint32_t lock = types.Struct("bpf_spin_lock", 4, {{"val", u32, 0}});
  types.Struct("value", MapGuests::kLockedSize, {{"x", u32, 0}, {"lock", lock, 4}, {"y", u64, 8}});
  return KernelBtfLoad(types.Bytes());
}

bool OfMaps(MapType type) { return type == MapType::kArrayOfMaps || type == MapType::kHashOfMaps; }

std::string Hex(const Bytes& bytes) {
  std::string text;
  for (size_t i = 0; i < std::min<size_t>(bytes.size(), 16); ++i) {
    constexpr char kDigits[] = "0123456789abcdef";
    text += kDigits[static_cast<int>(bytes[i]) >> 4];
    text += kDigits[static_cast<int>(bytes[i]) & 15];
  }
  return text;
}

const std::byte* Data(const Bytes* bytes) { return bytes == nullptr ? nullptr : bytes->data(); }

}  // namespace

MapGuests::MapGuests() : cgroup(Cgroup()), perf_event(PerfOutputEvent()), btf(Types()) {
  // The first is what the others are to be like; the last two are not.
  MapSpec like;
  like.name = "inner";
  like.type = MapType::kHash;
  like.key_size = 4;
  like.value_size = 8;
  like.max_entries = 8;
  MapSpec longer = like, other_value = like, other_type = like;
  longer.max_entries = 20;
  other_value.value_size = 16;
  other_type.type = MapType::kArray;
  for (const MapSpec& spec : {like, longer, like, other_value, other_type}) {
    Fd theirs = KernelMapCreate(spec);
    const uint32_t id = theirs.ok() ? KernelObjectId(theirs) : 1;
    auto ours = CreateMap(
        spec, {.cpu_slots = PossibleCpus(), .id = id, .epochs = std::make_shared<EpochDomain>()});
    inners.push_back({*std::move(ours), std::move(theirs)});
  }
  for (const uint32_t type : {kSocketFilter, kSocketFilter, kXdp}) {
    programs.push_back(ProgramOf(type));
  }
  uint16_t port = 0;
  for (int i = 0; i < 3; ++i) xdp_sockets.push_back(XdpSocket());
  for (int i = 0; i < 4; ++i) sockets.push_back(UdpSocket(&port));

  auto layout = std::make_shared<model::ValueType>();
  layout->size = kLockedSize;
  model::ValueField field;
  field.kind = model::SpecialKind::kSpinLock;
  field.offset = 4;
  field.size = 4;
  layout->fields.push_back(field);
  locked = std::move(layout);
  async = std::make_unique<model::AsyncService>([]() -> Result<std::unique_ptr<ExecutionContext>> {
    return Error{ErrorCode::kUnsupported, "no timers here", EOPNOTSUPP};
  });
}

std::string Describe(const MapSpec& spec) {
  return std::string(model::FindMapType(spec.type)->name) + " key " +
         std::to_string(spec.key_size) + " value " + std::to_string(spec.value_size) + " entries " +
         std::to_string(spec.max_entries) + " flags " + std::to_string(spec.flags) + " extra " +
         std::to_string(spec.map_extra);
}

int OurMapVerdict(const MapSpec& spec) {
  const auto checked = CheckMapSpec(spec);
  return checked ? 0 : -checked.error().sys_errno;
}

MapPair::MapPair(const MapSpec& spec, MapGuests& guests, bool with_lock)
    : spec_(spec),
      guests_(guests),
      theirs_(KernelMapCreate(spec, OfMaps(spec.type) ? guests.inners[0].theirs.get() : 0,
                              with_lock ? guests.btf.get() : 0)) {
  MapEnvironment environment{.cpu_slots = PossibleCpus(), .id = 1, .epochs = epochs_};
  if (with_lock) {
    environment.value_type = guests.locked;
    environment.async = guests.async.get();
  }
  auto made = CreateMap(spec, environment);
  const int theirs = theirs_.ok() ? 0 : theirs_.get();
  const int ours = made ? 0 : -made.error().sys_errno;
  refused_ = ours != 0 && ours == theirs;
  if (refused_) return;
  if (ours != theirs) {
    difference_ = "creation: " + std::to_string(ours) + " here, " + std::to_string(theirs) +
                  " in the kernel" + (made ? "" : ": " + made.error().message);
    return;
  }
  ours_ = *std::move(made);
  uint16_t port = 0;
  for (int i = 0; i < 3 && spec.type == MapType::kReuseportSockarray; ++i) {
    group_.push_back(UdpSocket(&port));
  }
  host_value_size_ = ours_->host_value_size();
}

bool MapPair::per_cpu() const {
  return spec_.type == MapType::kPercpuArray || spec_.type == MapType::kPercpuHash ||
         spec_.type == MapType::kLruPercpuHash;
}

bool MapPair::ordered() const {
  switch (spec_.type) {
    case MapType::kHash:
    case MapType::kPercpuHash:
    case MapType::kLruHash:
    case MapType::kLruPercpuHash:
    case MapType::kHashOfMaps:
    case MapType::kDevmapHash:
    case MapType::kSockhash:
      return false;
    default:
      return true;
  }
}

// What a map holds that travels: the padding of per-CPU values does not.
Bytes MapPair::Meaning(Bytes value) const {
  if (!per_cpu()) return value;
  const uint32_t stride = (spec_.value_size + 7) / 8 * 8;
  for (uint32_t i = 0; i < value.size(); ++i) {
    if (i % stride >= spec_.value_size) value[i] = std::byte{0};
  }
  return value;
}

void MapPair::Log(const std::string& operation, const Bytes* key, uint64_t flags) {
  constexpr size_t kKept = 12;
  log_.push_back(operation + " key " + (key == nullptr ? "none" : Hex(*key)) + " flags " +
                 std::to_string(flags));
  if (log_.size() > kKept) log_.pop_front();
}

void MapPair::Expect(bool same, const std::string& what) {
  if (same || abandoned_ || !difference_.empty()) return;
  for (const std::string& line : log_) difference_ += line + "\n";
  difference_ += what;
}

bool MapPair::Same(int ours, int theirs) {
  // Elements that the kernel allocates one by one it has no memory for at times.
  if (theirs == -ENOMEM && ours != theirs && (spec_.flags & kMapNoPrealloc) != 0) {
    abandoned_ = true;
    return false;
  }
  Expect(ours == theirs,
         std::to_string(ours) + " here, " + std::to_string(theirs) + " in the kernel");
  return ours == theirs;
}

void MapPair::Lookup(const Bytes* key, Bytes value, uint64_t flags) {
  Log("lookup", key, flags);
  Bytes theirs = value;
  Same(ours_->HostLookup(Data(key), value.data(), flags),
       KernelMapLookup(theirs_, Data(key), theirs.data(), flags));
  Expect(Meaning(value) == Meaning(theirs), "values " + Hex(value) + " and " + Hex(theirs));
}

void MapPair::Update(const Bytes* key, const Bytes& value, uint64_t flags) {
  Log("update", key, flags);
  // No descriptor there; here any number may be a socket of the host, but for 0.
  const Bytes none(value.size());
  const bool numbers = spec_.type == MapType::kXskmap || spec_.type == MapType::kCgroupArray ||
                       (OfSockets(spec_.type) && value[0] == std::byte{0});
  const Bytes& ours = numbers ? none : value;
  Same(ours_->HostUpdate(Data(key), ours.data(), flags),
       KernelMapUpdate(theirs_, Data(key), value.data(), flags));
}

void MapPair::Delete(const Bytes* key) {
  Log("delete", key, 0);
  Same(ours_->HostDelete(Data(key)), KernelMapDelete(theirs_, Data(key)));
}

void MapPair::LookupAndDelete(const Bytes* key, Bytes value, uint64_t flags) {
  Log("lookup and delete", key, flags);
  Bytes theirs = value;
  Same(ours_->HostLookupAndDelete(Data(key), value.data(), flags),
       KernelMapLookupAndDelete(theirs_, Data(key), theirs.data(), flags));
  Expect(Meaning(value) == Meaning(theirs), "values " + Hex(value) + " and " + Hex(theirs));
}

void MapPair::NextKey(const Bytes* key) {
  Log("next key", key, 0);
  if (!ordered()) key = nullptr;
  Bytes ours(spec_.key_size + 1), theirs = ours;
  Same(ours_->NextKey(Data(key), ours.data()), KernelMapNextKey(theirs_, Data(key), theirs.data()));
  if (ordered()) Expect(ours == theirs, "keys " + Hex(ours) + " and " + Hex(theirs));
}

void MapPair::Freeze() {
  Log("freeze", nullptr, 0);
  Same(ours_->Freeze(), KernelMapFreeze(theirs_));
}

void MapPair::Put(const Bytes& key, uint32_t which, uint64_t flags) {
  Log("put " + std::to_string(which), &key, flags);
  const auto update = [&](const Fd& fd) {
    const int value = fd.get();
    return KernelMapUpdate(theirs_, key.data(), &value, flags);
  };
  uint32_t index = 0;
  std::memcpy(&index, key.data(), std::min(key.size(), sizeof index));
  switch (spec_.type) {
    case MapType::kArrayOfMaps:
    case MapType::kHashOfMaps: {
      const auto& inner = guests_.inners[which % guests_.inners.size()];
      Same(ours_->SetMap(key.data(), inner.ours, flags), update(inner.theirs));
      break;
    }
    case MapType::kProgArray: {
      if (flags != 0 || (spec_.flags & kMapRdonly) != 0 || ours_->frozen()) break;
      const auto& program = guests_.programs[which % guests_.programs.size()];
      Same(static_cast<ProgArray&>(*ours_).SetProgram(index, program.ours), update(program.theirs));
      break;
    }
    case MapType::kXskmap: {
      which %= static_cast<uint32_t>(guests_.xdp_sockets.size());
      const uint32_t number = which + 1;
      if (!guests_.xdp_sockets[which].ok()) break;
      Same(ours_->HostUpdate(key.data(), reinterpret_cast<const std::byte*>(&number), flags),
           update(guests_.xdp_sockets[which]));
      break;
    }
    case MapType::kSockmap:
    case MapType::kSockhash:
      return PutSocket(key, guests_.sockets[which % guests_.sockets.size()], flags);
    case MapType::kReuseportSockarray:
      return PutSocket(key, group_[which % group_.size()], flags);
    case MapType::kCgroupArray: {
      if (!guests_.cgroup.ok()) break;
      const uint32_t number = 1 + which;
      Same(ours_->HostUpdate(key.data(), reinterpret_cast<const std::byte*>(&number), flags),
           update(guests_.cgroup));
      break;
    }
    case MapType::kPerfEventArray: {
      auto& array = static_cast<PerfEventArray&>(*ours_);
      if (flags != 0 || (spec_.flags & kMapRdonly) != 0 || ours_->frozen()) break;
      if (index >= array.rings() || !guests_.perf_event.ok()) break;
      array.SetRing(index, *model::PerfRing::Create(index, 4096, -1));
      Same(0, update(guests_.perf_event));
      break;
    }
    default:
      break;
  }
}

void MapPair::PutSocket(const Bytes& key, const Fd& socket, uint64_t flags) {
  const uint64_t number = CookieOf(socket);
  const auto descriptor = static_cast<uint64_t>(socket.get());
  Same(ours_->HostUpdate(key.data(), reinterpret_cast<const std::byte*>(&number), flags),
       KernelMapUpdate(theirs_, key.data(), &descriptor, flags));
}

void MapPair::UpdateBatch(const Bytes& keys, const Bytes& values, uint32_t count, uint64_t flags) {
  Log("update batch of " + std::to_string(count), &keys, flags);
  Bytes their_keys = keys, their_values = values, our_keys = keys, our_values = values;
  MapBatch ours{
      .keys = our_keys.data(), .values = our_values.data(), .count = count, .elem_flags = flags};
  KernelBatch theirs{
      .keys = keys.data(), .values = values.data(), .count = count, .elem_flags = flags};
  Same(ours_->HostBatch(MapBatchCommand::kUpdate, ours), KernelMapBatch(26, theirs_, &theirs));
  Expect(ours.count == theirs.count,
         "counts " + std::to_string(ours.count) + " and " + std::to_string(theirs.count));
}

void MapPair::DeleteBatch(const Bytes& keys, uint32_t count, uint64_t flags) {
  Log("delete batch of " + std::to_string(count), &keys, flags);
  Bytes our_keys = keys;
  MapBatch ours{.keys = our_keys.data(), .count = count, .elem_flags = flags};
  KernelBatch theirs{.keys = keys.data(), .count = count, .elem_flags = flags};
  Same(ours_->HostBatch(MapBatchCommand::kDelete, ours), KernelMapBatch(27, theirs_, &theirs));
  Expect(ours.count == theirs.count,
         "counts " + std::to_string(ours.count) + " and " + std::to_string(theirs.count));
}

// Calls batch(in, out, keys, values, &count) until the end; more room where it is
// asked for. `*error`: what it ended with, -ENOENT if all went well.
template <class Batch>
MapPair::Elements MapPair::Drain(uint32_t room, Batch batch, int* error) const {
  Elements all;
  Bytes in(std::max(spec_.key_size, 4u)), out = in;
  const Bytes* from = nullptr;
  const uint64_t most = uint64_t{spec_.max_entries} + 8;
  for (uint64_t calls = 0; calls < 2 * most + 64; ++calls) {
    Bytes keys(uint64_t{room} * spec_.key_size), values(uint64_t{room} * host_value_size_);
    uint32_t count = room;
    *error = batch(Data(from), out.data(), keys.data(), values.data(), &count);
    if (*error == -ENOSPC && count == 0 && room <= most) {
      room = room * 2 + 1;
      continue;
    }
    if (*error != 0 && *error != -ENOENT) return all;
    for (uint32_t i = 0; i < count; ++i) {
      const auto key = keys.begin() + int64_t{i} * spec_.key_size;
      const auto value = values.begin() + int64_t{i} * host_value_size_;
      all.emplace_back(Bytes(key, key + spec_.key_size),
                       Meaning(Bytes(value, value + host_value_size_)));
    }
    if (*error != 0 || room == 0) break;
    in = out;
    from = &in;
  }
  if (!ordered()) std::sort(all.begin(), all.end());
  return all;
}

void MapPair::ReadBatches(uint32_t room, bool remove, uint64_t flags) {
  Log(std::string(remove ? "lookup and delete" : "lookup") + " batches of " + std::to_string(room),
      nullptr, flags);
  int ours_ended = 0, theirs_ended = 0;
  const Elements ours = Drain(
      room,
      [&](const std::byte* in, std::byte* out, std::byte* keys, std::byte* values,
          uint32_t* count) {
        MapBatch batch{.in = in,
                       .out = out,
                       .keys = keys,
                       .values = values,
                       .count = *count,
                       .elem_flags = flags};
        const int result =
            remove ? LookupAndDeleteBatch(*ours_, batch) : LookupBatch(*ours_, batch);
        *count = batch.count;
        return result;
      },
      &ours_ended);
  const Elements theirs = Drain(
      room,
      [&](const std::byte* in, std::byte* out, std::byte* keys, std::byte* values,
          uint32_t* count) {
        KernelBatch batch{.in = in,
                          .out = out,
                          .keys = keys,
                          .values = values,
                          .count = *count,
                          .elem_flags = flags};
        const int result = KernelMapBatch(remove ? 25 : 24, theirs_, &batch);
        *count = batch.count;
        return result;
      },
      &theirs_ended);
  Same(ours_ended, theirs_ended);
  Expect(ours == theirs, std::to_string(ours.size()) + " and " + std::to_string(theirs.size()) +
                             " elements in batches");
}

void MapPair::CompareContents() {
  Log("contents", nullptr, 0);
  int ours_ended = 0, theirs_ended = 0;
  const auto list = [&](auto next, auto lookup, int* ended) {
    Elements all;
    Bytes key(spec_.key_size + 1);
    const std::byte* at = nullptr;
    while ((*ended = next(at, key.data())) == 0 && all.size() <= spec_.max_entries) {
      Bytes value(host_value_size_);
      const int found = lookup(key.data(), value.data());
      value = Meaning(std::move(value));
      value.push_back(static_cast<std::byte>(found));
      all.emplace_back(key, std::move(value));
      at = key.data();
    }
    if (!ordered()) std::sort(all.begin(), all.end());
    return all;
  };
  const Elements ours =
      list([&](auto at, auto key) { return ours_->NextKey(at, key); },
           [&](auto key, auto value) { return ours_->HostLookup(key, value); }, &ours_ended);
  const Elements theirs = list(
      [&](auto at, auto key) { return KernelMapNextKey(theirs_, at, key); },
      [&](auto key, auto value) { return KernelMapLookup(theirs_, key, value); }, &theirs_ended);
  Same(ours_ended, theirs_ended);
  Expect(ours == theirs, std::to_string(ours.size()) + " and " + std::to_string(theirs.size()) +
                             " elements, or other keys or values");
}

}  // namespace skep::test
