// SPDX-License-Identifier: Apache-2.0
#include "tests/maps/shared_maps.h"

#include <cerrno>
#include <cstring>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "maps/shareable.h"
#include "model/map_type_info.h"
#include "model/ringbuf.h"

namespace skep {

void PrintTo(const MapSpec& spec, std::ostream* out) { *out << test::SpecName(spec); }

}  // namespace skep

namespace skep::test {

MapEnvironment SharedEnvironment() {
  return {.cpu_slots = kSharedCpus, .id = 1, .epochs = std::make_shared<EpochDomain>()};
}

std::vector<MapSpec> ShareableSpecs() {
  struct Row {
    MapType type;
    uint32_t key, value, entries, flags;
  };
  constexpr Row kRows[] = {
      {MapType::kHash, 8, 24, 64, 0},
      {MapType::kHash, 4, 8, 64, kMapZeroSeed},
      {MapType::kHash, 13, 40, 64, 0},
      {MapType::kPercpuHash, 16, 12, 64, 0},
      {MapType::kLruHash, 8, 16, 32, 0},
      {MapType::kLruPercpuHash, 4, 8, 32, 0},
      {MapType::kArray, 4, 12, 64, 0},
      {MapType::kPercpuArray, 4, 20, 64, 0},
      {MapType::kLpmTrie, 8, 16, 64, kMapNoPrealloc},
      {MapType::kLpmTrie, 20, 8, 64, kMapNoPrealloc},
      {MapType::kQueue, 0, 16, 64, 0},
      {MapType::kStack, 0, 16, 64, 0},
      {MapType::kBloomFilter, 0, 8, 64, 0},
      {MapType::kRingbuf, 0, 0, 4096, 0},
  };
  std::vector<MapSpec> specs;
  for (const Row& row : kRows) {
    MapSpec spec;
    spec.name = "shared";
    spec.type = row.type;
    spec.key_size = row.key;
    spec.value_size = row.value;
    spec.max_entries = row.entries;
    spec.flags = row.flags;
    specs.push_back(spec);
  }
  return specs;
}

std::string SpecName(const MapSpec& spec) {
  return std::string(model::FindMapType(spec.type)->name) + "_k" + std::to_string(spec.key_size) +
         "_v" + std::to_string(spec.value_size);
}

std::vector<std::byte> KeyOf(const MapSpec& spec, uint32_t i) {
  std::vector<std::byte> key(spec.key_size);
  if (spec.type == MapType::kLpmTrie) {
    // Some prefixes hold others: lengths of 8, 16, 24 and 32.
    const uint32_t length = 8 * (i % 4 + 1);
    std::memcpy(key.data(), &length, 4);
    for (uint32_t byte = 0; byte <= i % 4; ++byte) {
      key[4 + byte] = static_cast<std::byte>(byte == i % 4 ? i : byte);
    }
    return key;
  }
  if (key.size() >= 4) std::memcpy(key.data(), &i, 4);
  return key;
}

namespace {

// Words of a value: the number with the round above it, again and again.
void FillValue(std::byte* value, size_t bytes, uint32_t i, uint32_t round) {
  const uint32_t word = i | round << 16;
  for (size_t at = 0; at < bytes; at += 4) {
    std::memcpy(value + at, &word, std::min<size_t>(4, bytes - at));
  }
}

}  // namespace

std::vector<std::byte> ValueOf(const Map& map, uint32_t i, uint32_t round) {
  const MapSpec& spec = map.spec();
  std::vector<std::byte> value(map.host_value_size());
  const size_t stride =
      value.size() == spec.value_size ? value.size() : (spec.value_size + 7) / 8 * 8;
  for (size_t at = 0; at < value.size(); at += stride) {
    FillValue(value.data() + at, spec.value_size, i, round);
  }
  return value;
}

bool IsValueOf(const Map& map, uint32_t i, const std::vector<std::byte>& value) {
  uint32_t word = 0;
  std::memcpy(&word, value.data(), 4);
  return (word & 0xffff) == i && value == ValueOf(map, i, word >> 16);
}

int Put(Map& map, uint32_t i, uint32_t round) {
  switch (map.type()) {
    case MapType::kRingbuf: {
      std::byte record[16];
      FillValue(record, sizeof record, i, round);
      return model::Ringbuf::Of(map).Output(record, sizeof record, 0);
    }
    case MapType::kQueue:
    case MapType::kStack:
      return map.HostUpdate(nullptr, ValueOf(map, i, round).data(), kUpdateAny);
    case MapType::kBloomFilter:
      return map.HostUpdate(nullptr, ValueOf(map, i, 0).data(), kUpdateAny);
    default:
      return map.HostUpdate(KeyOf(map.spec(), i).data(), ValueOf(map, i, round).data(), kUpdateAny);
  }
}

bool Has(Map& map, uint32_t i) {
  if (map.type() == MapType::kBloomFilter) {
    return map.HostLookup(nullptr, ValueOf(map, i, 0).data()) == 0;
  }
  std::vector<std::byte> value(map.host_value_size());
  return map.HostLookup(KeyOf(map.spec(), i).data(), value.data()) == 0 && IsValueOf(map, i, value);
}

namespace {

bool InPlace(MapType type) {
  return type == MapType::kArray || type == MapType::kPercpuArray || type == MapType::kPercpuHash ||
         type == MapType::kLruPercpuHash;
}

// In place, a value may be half the old and half the new one, word by word.
bool IsWhole(const Map& map, const std::vector<std::byte>& value) {
  uint32_t i = 0;
  std::memcpy(&i, value.data(), 4);
  i &= 0xffff;
  if (!InPlace(map.type())) return IsValueOf(map, i, value);
  const size_t stride =
      value.size() == map.spec().value_size ? value.size() : (map.spec().value_size + 7) / 8 * 8;
  for (size_t at = 0; at < value.size(); at += stride) {
    for (size_t word = 0; word + 4 <= map.spec().value_size; word += 4) {
      uint32_t number = 0;
      std::memcpy(&number, value.data() + at + word, 4);
      number &= 0xffff;
      const bool never = number == 0;  // arrays start with zeros; others are not inserted
      if (number != i && !never && i != 0) return false;
    }
  }
  return true;
}

bool TakeRecords(Map& map, Contents* contents) {
  return model::Ringbuf::Of(map).Consume(
             [](void* to, const std::byte* data, uint32_t size) {
               static_cast<Contents*>(to)->emplace_back(data, data + size);
               return 0;
             },
             contents) >= 0;
}

}  // namespace

bool TakeContents(Map& map, Contents* contents) {
  const MapSpec& spec = map.spec();
  if (spec.type == MapType::kRingbuf) return TakeRecords(map, contents);
  if (spec.type == MapType::kBloomFilter) {
    for (uint32_t i = 0; i < 64; ++i) {
      if (Has(map, i)) contents->push_back(ValueOf(map, i, 0));
    }
    return true;
  }
  std::vector<std::byte> value(map.host_value_size());
  if (spec.type == MapType::kQueue || spec.type == MapType::kStack) {
    while (map.HostLookupAndDelete(nullptr, value.data()) == 0) {
      contents->push_back(value);
      if (contents->size() > spec.max_entries) return false;
    }
    return true;
  }
  std::vector<std::byte> key(spec.key_size), next(spec.key_size);
  for (bool first = true; map.NextKey(first ? nullptr : key.data(), next.data()) == 0;) {
    first = false;
    key = next;
    if (map.HostLookup(key.data(), value.data()) != 0) return false;
    contents->push_back(key);
    contents->back().insert(contents->back().end(), value.begin(), value.end());
    if (contents->size() > spec.max_entries) return false;
  }
  return true;
}

namespace {

// Puts what fits; returns how many that were, or a code that is none of a full map.
int Fill(Map& map) {
  const MapSpec& spec = map.spec();
  const int full = spec.type == MapType::kLpmTrie ? -ENOSPC : -E2BIG;
  int count = 0;
  uint32_t last = 0;
  for (uint32_t i = 0; i < 8 * spec.max_entries; ++i) {
    const int code = Put(map, i);
    if (code == full) {
      // Elements that are there can still be replaced.
      if (spec.key_size != 0 && count > 0 && Put(map, last, 3) != 0) return -1000;
      continue;
    }
    if (code != 0) return code;
    ++count;
    last = i;
  }
  return count;
}

std::string CheckFull(Map& map) {
  const MapSpec& spec = map.spec();
  if (spec.type == MapType::kRingbuf || spec.type == MapType::kBloomFilter) return {};
  const int filled = Fill(map);
  if (filled < 0) return "filling it gives " + std::to_string(filled);
  Contents contents;
  if (!TakeContents(map, &contents)) return "does not end when it is full";
  const bool lru = spec.type == MapType::kLruHash || spec.type == MapType::kLruPercpuHash;
  if (contents.size() != spec.max_entries && !(lru && contents.size() + 2 > spec.max_entries)) {
    return "holds " + std::to_string(contents.size()) + " when full";
  }
  const bool counts = map.element_count() != 0;
  if (counts && map.element_count() != contents.size()) {
    return "counts " + std::to_string(map.element_count()) + " of " +
           std::to_string(contents.size());
  }
  for (uint32_t i = 0; i < 8 * spec.max_entries && spec.key_size != 0; ++i) {
    const int code = map.HostDelete(KeyOf(spec, i).data());
    if (code != 0 && code != -ENOENT && code != -EINVAL)
      return "deleting gives " + std::to_string(code);
  }
  const bool array = spec.type == MapType::kArray || spec.type == MapType::kPercpuArray;
  contents.clear();
  if (!TakeContents(map, &contents)) return "does not end when it is empty";
  if (!array && !contents.empty()) return "holds some when empty";
  return {};
}

}  // namespace

std::string CheckMap(Map& map) {
  const MapSpec& spec = map.spec();
  // Every lock is taken, so that what the dead hold is found.
  for (uint32_t i = 0; i < spec.max_entries && spec.key_size != 0; ++i) {
    map.HostDelete(KeyOf(spec, 5000 + i).data());
  }
  Contents contents;
  if (!TakeContents(map, &contents)) return "does not end";
  for (const auto& element : contents) {
    if (element.size() < spec.key_size + 4) return "has a value that is too short";
    const std::vector<std::byte> value(element.begin() + spec.key_size, element.end());
    if (spec.type == MapType::kRingbuf) {
      if (value != std::vector<std::byte>(value) || value.size() != 16) return "has an odd record";
      continue;
    }
    if (!IsWhole(map, value)) return "has a value that is not whole";
  }
  if (spec.type == MapType::kRingbuf) {
    for (uint32_t i = 0; i < 100; ++i) {
      if (Put(map, i) != 0) return "takes no record";
    }
    contents.clear();
    if (!TakeContents(map, &contents) || contents.size() != 100) return "loses records";
  }
  return CheckFull(map);
}

void AnyOperation(Map& map, uint32_t i, uint32_t choice, bool consumes) {
  const MapSpec& spec = map.spec();
  std::vector<std::byte> value(map.host_value_size() + 16);
  switch (choice % 8) {
    case 0:
    case 1:
      if (spec.type == MapType::kRingbuf) {
        Contents contents;
        if (consumes) TakeContents(map, &contents);
      } else if (spec.key_size != 0) {
        map.HostDelete(KeyOf(spec, i).data());
      } else if (spec.type != MapType::kBloomFilter) {
        map.HostLookupAndDelete(nullptr, value.data());
      }
      return;
    case 2:
      if (spec.type == MapType::kRingbuf) {
        std::byte* record = model::Ringbuf::Of(map).Reserve(24, 0);
        if (record != nullptr) model::Ringbuf::Of(map).CommitHere(record, 0, true);
      } else if (spec.key_size != 0) {
        map.Lookup(KeyOf(spec, i).data(), i % kSharedCpus);
      } else {
        map.HostUpdate(nullptr, ValueOf(map, i, choice & 0xff).data(), kUpdateExist);
      }
      return;
    default:
      Put(map, i, choice & 0xff);
  }
}

int InChild(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  if (waitpid(child, &status, 0) != child) return -1000;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

std::string NewPath(const std::string& name) {
  const std::string path = testing::TempDir() + "skep_" + std::to_string(getpid()) + "_" + name;
  unlink(path.c_str());
  return path;
}

}  // namespace skep::test
