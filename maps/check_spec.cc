// SPDX-License-Identifier: Apache-2.0
// What Linux refuses to create, and with which errno. The order of checks is
// Linux's where two of them give different errnos.
#include <bit>
#include <cerrno>

#include <fmt/format.h>

#include "base/region.h"
#include "maps/create.h"
#include "model/map_type_info.h"

namespace skep {
namespace {

// KMALLOC_MAX_SIZE on machines with 4 KiB pages.
constexpr uint64_t kMaxAllocation = uint64_t{4} << 20;
constexpr uint64_t kHashElementHeader = 48;  // sizeof(struct htab_elem)
constexpr uint32_t kMaxPercpuValue = 32768;  // PCPU_MIN_UNIT_SIZE
constexpr uint32_t kMaxHashEntries = 1u << 27;
constexpr uint32_t kLpmMinKey = 5;
constexpr uint32_t kLpmMaxKey = 260;
constexpr uint32_t kMaxBuckets = 1u << 31;
constexpr uint32_t kMaxCpus = 8192;                 // NR_CPUS of distributions' kernels
constexpr uint32_t kMaxStorageValue = 65535 - 128;  // less struct bpf_local_storage_elem
constexpr uint64_t kLpmMaxValue = kMaxAllocation - 256 - 40;

struct Checker {
  const MapSpec& spec;
  const model::MapTypeInfo& info;

  Error Refuse(ErrorCode code, int error, std::string what) const {
    return Error{code, fmt::format("map '{}' ({}): {}", spec.name, info.name, what), error};
  }
  Error Invalid(std::string what) const {
    return Refuse(ErrorCode::kInvalidArgument, EINVAL, std::move(what));
  }
  Error TooBig(std::string what) const {
    return Refuse(ErrorCode::kResourceLimit, E2BIG, std::move(what));
  }

  // `refused_later`: flags that are not for this type but are looked at again.
  Result<void> Flags(uint32_t refused_later = 0) const {
    const uint32_t unknown = spec.flags & ~(info.flags | refused_later);
    if (unknown != 0) return Invalid(fmt::format("flags {:#x} are not for this type", unknown));
    if ((spec.flags & kMapRdonlyProg) != 0 && (spec.flags & kMapWronlyProg) != 0) {
      return Invalid("flags ask for read-only and write-only for programs at once");
    }
    if (spec.map_extra > info.max_map_extra) {
      return Invalid(fmt::format("map_extra is {:#x}, need at most {:#x}", spec.map_extra,
                                 info.max_map_extra));
    }
    return {};
  }

  Result<void> KeySize(uint32_t want) const {
    if (spec.key_size == want) return {};
    return Invalid(fmt::format("key_size is {}, need {}", spec.key_size, want));
  }
  Result<void> SomeKey() const {
    if (spec.key_size != 0) return {};
    return Invalid("key_size is 0, need at least 1");
  }
  Result<void> SomeValue() const {
    if (spec.value_size != 0) return {};
    return Invalid("value_size is 0, need at least 1");
  }
  Result<void> SomeEntries() const {
    if (spec.max_entries != 0) return {};
    return Invalid("max_entries is 0, need at least 1");
  }
  Result<void> ValueSize(uint32_t want) const {
    if (spec.value_size == want) return {};
    return Invalid(fmt::format("value_size is {}, need {}", spec.value_size, want));
  }
  Result<void> ValueAtMost(uint64_t limit) const {
    if (spec.value_size <= limit) return {};
    return TooBig(fmt::format("value_size is {}, need at most {}", spec.value_size, limit));
  }
  Result<void> PercpuValue() const {
    if (RoundUp(spec.value_size, 8) <= kMaxPercpuValue) return {};
    return TooBig(fmt::format("value_size is {}, need at most {} for a per-CPU map",
                              spec.value_size, kMaxPercpuValue));
  }

  Result<void> Array(bool per_cpu) const {
    SKEP_TRY_VOID(SomeEntries());
    SKEP_TRY_VOID(KeySize(4));
    SKEP_TRY_VOID(SomeValue());
    SKEP_TRY_VOID(Flags());
    SKEP_TRY_VOID(ValueAtMost(0x7fffffff));
    return per_cpu ? PercpuValue() : Result<void>();
  }

  // Arrays whose values are file descriptors for bpf(2).
  Result<void> SlotArray() const {
    SKEP_TRY_VOID(SomeEntries());
    SKEP_TRY_VOID(KeySize(4));
    SKEP_TRY_VOID(ValueSize(4));
    return Flags();
  }

  Result<void> Hash(bool per_cpu, bool lru) const {
    SKEP_TRY_VOID(Flags((lru ? uint32_t{kMapNoPrealloc} : 0) | kMapNumaNode));
    if (lru && (spec.flags & kMapNoPrealloc) != 0) {
      return Refuse(ErrorCode::kUnsupported, kEnotsupp, "BPF_F_NO_PREALLOC is not for LRU maps");
    }
    const bool lists_per_cpu = (spec.flags & kMapNoCommonLru) != 0;
    if ((per_cpu || lists_per_cpu) && (spec.flags & kMapNumaNode) != 0) {
      return Invalid("BPF_F_NUMA_NODE is not for maps with memory or LRU lists per CPU");
    }
    SKEP_TRY_VOID(SomeEntries());
    SKEP_TRY_VOID(SomeKey());
    SKEP_TRY_VOID(SomeValue());
    const uint64_t limit = kMaxAllocation - kHashElementHeader;
    if (uint64_t{spec.key_size} + spec.value_size >= limit) {
      return TooBig(fmt::format("key_size {} and value_size {} are together {} or more",
                                spec.key_size, spec.value_size, limit));
    }
    if (per_cpu) SKEP_TRY_VOID(PercpuValue());
    if (spec.max_entries > kMaxHashEntries) {
      return TooBig(
          fmt::format("max_entries is {}, need at most {}", spec.max_entries, kMaxHashEntries));
    }
    return {};
  }

  // DEVMAP, DEVMAP_HASH, CPUMAP: a value may name a program besides.
  Result<void> RedirectTable() const {
    SKEP_TRY_VOID(SomeEntries());
    SKEP_TRY_VOID(KeySize(4));
    if (spec.value_size != 4 && spec.value_size != 8) {
      return Invalid(fmt::format("value_size is {}, need 4 or 8", spec.value_size));
    }
    SKEP_TRY_VOID(Flags());
    if (spec.type == MapType::kDevmapHash && spec.max_entries > kMaxBuckets) {
      return Invalid(
          fmt::format("max_entries is {}, need at most {}", spec.max_entries, kMaxBuckets));
    }
    if (spec.type == MapType::kCpumap && spec.max_entries > kMaxCpus) {
      return TooBig(fmt::format("max_entries is {}, need at most {}", spec.max_entries, kMaxCpus));
    }
    return {};
  }

  Result<void> SocketValue() const {
    if (spec.value_size == 4 || spec.value_size == 8) return {};
    return Invalid(fmt::format("value_size is {}, need 4 or 8", spec.value_size));
  }
  Result<void> SocketArray() const {
    SKEP_TRY_VOID(SomeEntries());
    SKEP_TRY_VOID(KeySize(4));
    SKEP_TRY_VOID(SocketValue());
    return Flags();
  }
  Result<void> SocketHash() const {
    constexpr uint32_t kMaxKey = 512;  // MAX_BPF_STACK
    SKEP_TRY_VOID(SomeEntries());
    SKEP_TRY_VOID(SomeKey());
    SKEP_TRY_VOID(SocketValue());
    SKEP_TRY_VOID(Flags());
    if (spec.key_size <= kMaxKey) return {};
    return TooBig(fmt::format("key_size is {}, need at most {}", spec.key_size, kMaxKey));
  }

  Result<void> QueueOrStack() const {
    SKEP_TRY_VOID(SomeEntries());
    SKEP_TRY_VOID(KeySize(0));
    SKEP_TRY_VOID(SomeValue());
    SKEP_TRY_VOID(Flags());
    return ValueAtMost(kMaxAllocation);
  }

  Result<void> Bloom() const {
    SKEP_TRY_VOID(ValueAtMost(kMaxAllocation));
    return QueueOrStack();
  }

  Result<void> LpmTrie() const {
    SKEP_TRY_VOID(SomeEntries());
    SKEP_TRY_VOID(Flags());
    if ((spec.flags & kMapNoPrealloc) == 0) return Invalid("BPF_F_NO_PREALLOC is needed");
    if (spec.key_size < kLpmMinKey || spec.key_size > kLpmMaxKey) {
      return Invalid(
          fmt::format("key_size is {}, need {}..{}", spec.key_size, kLpmMinKey, kLpmMaxKey));
    }
    SKEP_TRY_VOID(SomeValue());
    if (spec.value_size > kLpmMaxValue) {
      return Invalid(
          fmt::format("value_size is {}, need at most {}", spec.value_size, kLpmMaxValue));
    }
    return {};
  }

  Result<void> Ringbuf() const {
    SKEP_TRY_VOID(Flags());
    SKEP_TRY_VOID(KeySize(0));
    SKEP_TRY_VOID(ValueSize(0));
    if (!std::has_single_bit(spec.max_entries) || spec.max_entries % PageBytes() != 0) {
      return Invalid(fmt::format("max_entries is {}, need a power of two that is a multiple of {}",
                                 spec.max_entries, PageBytes()));
    }
    return {};
  }

  Result<void> StackTrace() const {
    constexpr uint32_t kMaxDepth = 127;     // kernel.perf_event_max_stack
    constexpr uint32_t kBuildIdBytes = 32;  // sizeof(struct bpf_stack_build_id)
    SKEP_TRY_VOID(Flags());
    SKEP_TRY_VOID(SomeEntries());
    SKEP_TRY_VOID(KeySize(4));
    const uint32_t entry = (spec.flags & kMapStackBuildId) != 0 ? kBuildIdBytes : 8;
    if (spec.value_size == 0 || spec.value_size % entry != 0 ||
        spec.value_size / entry > kMaxDepth) {
      return Invalid(fmt::format("value_size is {}, need a multiple of {} up to {}",
                                 spec.value_size, entry, entry * kMaxDepth));
    }
    if (spec.max_entries > kMaxBuckets) {
      return TooBig(
          fmt::format("max_entries is {}, need at most {}", spec.max_entries, kMaxBuckets));
    }
    return {};
  }

  Result<void> Storage() const {
    SKEP_TRY_VOID(Flags());
    if ((spec.flags & kMapNoPrealloc) == 0) return Invalid("BPF_F_NO_PREALLOC is needed");
    if (spec.max_entries != 0) return Invalid("max_entries is not 0");
    SKEP_TRY_VOID(KeySize(4));
    SKEP_TRY_VOID(SomeValue());
    if (spec.btf_key_type_id == 0 || spec.btf_value_type_id == 0) {
      return Invalid("key and value have no BTF types");
    }
    return ValueAtMost(kMaxStorageValue);
  }

  Result<void> Arena() const {
    constexpr uint64_t kPage = 4096;
    constexpr uint64_t kSpace = uint64_t{1} << 32;
    SKEP_TRY_VOID(KeySize(0));
    SKEP_TRY_VOID(ValueSize(0));
    SKEP_TRY_VOID(SomeEntries());
    SKEP_TRY_VOID(Flags());
    if ((spec.flags & kMapMmapable) == 0) return Invalid("BPF_F_MMAPABLE is needed");
    if (spec.map_extra % kPage != 0) return Invalid("map_extra is no multiple of a page");
    if (spec.max_entries > kSpace / kPage) {
      return TooBig(fmt::format("max_entries is {}, need at most {} pages", spec.max_entries,
                                kSpace / kPage));
    }
    const uint64_t last = spec.map_extra + spec.max_entries * kPage - 1;
    if (spec.map_extra != 0 && spec.map_extra / kSpace != last / kSpace) {
      return Refuse(ErrorCode::kInvalidArgument, ERANGE, "map_extra makes it cross 4 GiB");
    }
    return {};
  }

  Result<void> InnerSpec() const {
    if (spec.inner == nullptr) return Invalid("no inner map is given");
    const MapType inner = spec.inner->type;
    if (inner == MapType::kArrayOfMaps || inner == MapType::kHashOfMaps) {
      return Invalid("the inner map is a map of maps too");
    }
    if (inner == MapType::kProgArray || inner == MapType::kCgroupStorage ||
        inner == MapType::kPercpuCgroupStorage || inner == MapType::kStructOps) {
      return Refuse(ErrorCode::kUnsupported, kEnotsupp,
                    "a map of this type cannot be an inner map");
    }
    return CheckMapSpec(*spec.inner);
  }
};

}  // namespace

Result<void> CheckMapSpec(const MapSpec& spec) {
  const model::MapTypeInfo* info = model::FindMapType(spec.type);
  if (info == nullptr) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("map '{}': there is no map type {}", spec.name,
                             static_cast<uint32_t>(spec.type)),
                 EINVAL};
  }
  const Checker check{spec, *info};
  // Linux looks at these before it asks the type.
  if ((spec.flags & kMapRdonly) != 0 && (spec.flags & kMapWronly) != 0) {
    return check.Invalid("flags ask for read-only and write-only for the host at once");
  }
  if (info->max_map_extra == 0 && spec.map_extra != 0) {
    return check.Invalid(fmt::format("map_extra is {:#x}, need 0", spec.map_extra));
  }
  switch (spec.type) {
    case MapType::kHash:
      return check.Hash(false, false);
    case MapType::kPercpuHash:
      return check.Hash(true, false);
    case MapType::kLruHash:
      return check.Hash(false, true);
    case MapType::kLruPercpuHash:
      return check.Hash(true, true);
    case MapType::kArray:
      return check.Array(false);
    case MapType::kPercpuArray:
      return check.Array(true);
    case MapType::kProgArray:
    case MapType::kPerfEventArray:
      return check.SlotArray();
    case MapType::kArrayOfMaps:
      SKEP_TRY_VOID(check.SlotArray());
      return check.InnerSpec();
    case MapType::kHashOfMaps:
      SKEP_TRY_VOID(check.ValueSize(4));
      SKEP_TRY_VOID(check.Hash(false, false));
      return check.InnerSpec();
    case MapType::kDevmap:
    case MapType::kDevmapHash:
    case MapType::kCpumap:
      return check.RedirectTable();
    case MapType::kXskmap:
      return check.SlotArray();
    case MapType::kQueue:
    case MapType::kStack:
      return check.QueueOrStack();
    case MapType::kBloomFilter:
      return check.Bloom();
    case MapType::kLpmTrie:
      return check.LpmTrie();
    case MapType::kRingbuf:
    case MapType::kUserRingbuf:
      return check.Ringbuf();
    case MapType::kStackTrace:
      return check.StackTrace();
    case MapType::kTaskStorage:
    case MapType::kSkStorage:
    case MapType::kInodeStorage:
    case MapType::kCgrpStorage:
      return check.Storage();
    case MapType::kCgroupArray:
      return check.SlotArray();
    case MapType::kSockmap:
    case MapType::kReuseportSockarray:
      return check.SocketArray();
    case MapType::kSockhash:
      return check.SocketHash();
    case MapType::kUnspec:
    case MapType::kCgroupStorage:
    case MapType::kPercpuCgroupStorage:
    case MapType::kStructOps:
    case MapType::kInsnArray:
      break;
    case MapType::kArena:
      return check.Arena();
  }
  // CreateMap refuses these by name; what else Linux would say is not modelled.
  return {};
}

}  // namespace skep
