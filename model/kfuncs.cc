// SPDX-License-Identifier: Apache-2.0
#include "model/kfuncs.h"

#include <algorithm>
#include <iterator>

namespace skep::model {
namespace {

using namespace kfunc;  // NOLINT: the words of the table

constexpr KfuncSpec kTable[] = {
#define SKEP_KFUNC(name, function, flags, programs) {Kfunc::name, #name, flags, programs},
#define SKEP_KFUNC_PROTOTYPE(name, flags, programs) {Kfunc::name, #name, flags, programs},
#include "model/kfuncs.def"
};

constexpr bool Ascending() {
  for (size_t i = 1; i < std::size(kTable); ++i) {
    if (!(kTable[i - 1].name < kTable[i].name)) return false;
  }
  return true;
}
static_assert(Ascending(), "kfuncs.def is sorted by name");

constexpr uint32_t kIterAttach = 28;           // BPF_TRACE_ITER
constexpr uint32_t kKprobeSessionAttach = 56;  // BPF_TRACE_KPROBE_SESSION
constexpr uint32_t kUprobeSessionAttach = 57;  // BPF_TRACE_UPROBE_SESSION

uint32_t ProgramsOf(ProgramTypeId type, uint32_t attach) {
  switch (type) {
    case ProgramTypeId::kXdp:
      return kXdp;
    case ProgramTypeId::kSchedCls:
      return kTc;
    case ProgramTypeId::kSchedAct:
      return kTcAction;
    case ProgramTypeId::kSocketFilter:
      return kSocketFilter;
    case ProgramTypeId::kCgroupSkb:
    case ProgramTypeId::kCgroupSock:
    case ProgramTypeId::kCgroupDevice:
    case ProgramTypeId::kCgroupSockopt:
    case ProgramTypeId::kCgroupSysctl:
      return kCgroup;
    case ProgramTypeId::kCgroupSockAddr:
      return kCgroup | kSockAddr;
    case ProgramTypeId::kSockOps:
      return kCgroup | kSockOps;
    case ProgramTypeId::kSkSkb:
      return kSkSkb;
    case ProgramTypeId::kLwtIn:
    case ProgramTypeId::kLwtOut:
    case ProgramTypeId::kLwtXmit:
    case ProgramTypeId::kLwtSeg6local:
      return kLwt;
    case ProgramTypeId::kNetfilter:
      return kNetfilter;
    case ProgramTypeId::kTracing:
      return kTracing | (attach == kIterAttach ? kTracingIter : 0u);
    case ProgramTypeId::kTracepoint:
    case ProgramTypeId::kPerfEvent:
      return kTracing;
    case ProgramTypeId::kLsm:
      return kTracing | kLsm;
    case ProgramTypeId::kSyscall:
      return kSyscall;
    case ProgramTypeId::kStructOps:
      return kStructOps;
    case ProgramTypeId::kKprobe:
      return kOthers |
             (attach == kKprobeSessionAttach || attach == kUprobeSessionAttach ? kSession : 0u);
    default:
      return kOthers;
  }
}

}  // namespace

std::span<const KfuncSpec> KfuncTable() { return kTable; }

const KfuncSpec* FindKfunc(std::string_view name) {
  const auto it =
      std::lower_bound(std::begin(kTable), std::end(kTable), name,
                       [](const KfuncSpec& k, std::string_view wanted) { return k.name < wanted; });
  return it != std::end(kTable) && it->name == name ? it : nullptr;
}

bool MayCall(const KfuncSpec& spec, ProgramTypeId type, uint32_t attach) {
  return (spec.programs & ProgramsOf(type, attach)) != 0;
}

bool IsGraphFunction(Kfunc id) {
  switch (id) {
    case Kfunc::bpf_list_push_front_impl:
    case Kfunc::bpf_list_push_back_impl:
    case Kfunc::bpf_list_pop_front:
    case Kfunc::bpf_list_pop_back:
    case Kfunc::bpf_list_front:
    case Kfunc::bpf_list_back:
    case Kfunc::bpf_rbtree_add_impl:
    case Kfunc::bpf_rbtree_remove:
    case Kfunc::bpf_rbtree_first:
    case Kfunc::bpf_rbtree_root:
    case Kfunc::bpf_rbtree_left:
    case Kfunc::bpf_rbtree_right:
      return true;
    default:
      return false;
  }
}

bool MayRunUnderLock(const KfuncSpec& spec) {
  if (IsGraphFunction(spec.id)) return true;
  switch (spec.id) {
    case Kfunc::bpf_refcount_acquire_impl:
    case Kfunc::bpf_iter_num_new:
    case Kfunc::bpf_iter_num_next:
    case Kfunc::bpf_iter_num_destroy:
    case Kfunc::bpf_res_spin_lock:
    case Kfunc::bpf_res_spin_unlock:
    case Kfunc::bpf_res_spin_lock_irqsave:
    case Kfunc::bpf_res_spin_unlock_irqrestore:
    case Kfunc::bpf_stream_vprintk_impl:
      return true;
    default:
      return false;
  }
}

}  // namespace skep::model
