// SPDX-License-Identifier: Apache-2.0
#include "verifier/kfunc_prototype.h"

#include "btf/btf.h"

namespace skep::verifier {
namespace {

// What a program calls its context, and what the kernel has behind it.
struct ContextNames {
  ProgramTypeId type;
  std::string_view program;
  std::string_view kernel;
};
constexpr ContextNames kContexts[] = {
    {ProgramTypeId::kSocketFilter, "__sk_buff", "sk_buff"},
    {ProgramTypeId::kSchedCls, "__sk_buff", "sk_buff"},
    {ProgramTypeId::kSchedAct, "__sk_buff", "sk_buff"},
    {ProgramTypeId::kCgroupSkb, "__sk_buff", "sk_buff"},
    {ProgramTypeId::kLwtIn, "__sk_buff", "sk_buff"},
    {ProgramTypeId::kLwtOut, "__sk_buff", "sk_buff"},
    {ProgramTypeId::kLwtXmit, "__sk_buff", "sk_buff"},
    {ProgramTypeId::kLwtSeg6local, "__sk_buff", "sk_buff"},
    {ProgramTypeId::kSkSkb, "__sk_buff", "sk_buff"},
    {ProgramTypeId::kXdp, "xdp_md", "xdp_buff"},
    {ProgramTypeId::kCgroupSock, "bpf_sock", "sock"},
    {ProgramTypeId::kCgroupSockAddr, "bpf_sock_addr", "bpf_sock_addr_kern"},
    {ProgramTypeId::kSockOps, "bpf_sock_ops", "bpf_sock_ops_kern"},
    {ProgramTypeId::kSkMsg, "sk_msg_md", "sk_msg"},
    {ProgramTypeId::kFlowDissector, "__sk_buff", "bpf_flow_dissector"},
    {ProgramTypeId::kKprobe, "bpf_user_pt_regs_t", "pt_regs"},
    {ProgramTypeId::kPerfEvent, "bpf_perf_event_data", "bpf_perf_event_data_kern"},
    {ProgramTypeId::kRawTracepoint, "bpf_raw_tracepoint_args", ""},
    {ProgramTypeId::kRawTracepointWritable, "bpf_raw_tracepoint_args", ""},
    {ProgramTypeId::kCgroupDevice, "bpf_cgroup_dev_ctx", "bpf_cgroup_dev_ctx"},
    {ProgramTypeId::kCgroupSysctl, "bpf_sysctl", "bpf_sysctl_kern"},
    {ProgramTypeId::kCgroupSockopt, "bpf_sockopt", "bpf_sockopt_kern"},
    {ProgramTypeId::kSkReuseport, "sk_reuseport_md", "sk_reuseport_kern"},
    {ProgramTypeId::kSkLookup, "bpf_sk_lookup", "bpf_sk_lookup_kern"},
    {ProgramTypeId::kNetfilter, "bpf_nf_ctx", "bpf_nf_ctx"},
};

const ContextNames* ContextOf(ProgramTypeId type) {
  for (const ContextNames& c : kContexts) {
    if (c.type == type) return &c;
  }
  return nullptr;
}

struct NamedStruct {
  std::string_view name;
  KfuncArg::Kind kind;
};
constexpr NamedStruct kStructs[] = {
    {"bpf_dynptr", KfuncArg::Kind::kDynptr},
    {"bpf_list_head", KfuncArg::Kind::kListHead},
    {"bpf_list_node", KfuncArg::Kind::kListNode},
    {"bpf_rb_root", KfuncArg::Kind::kRbRoot},
    {"bpf_rb_node", KfuncArg::Kind::kRbNode},
    {"bpf_wq", KfuncArg::Kind::kWorkqueue},
    {"bpf_timer", KfuncArg::Kind::kTimer},
    {"bpf_task_work", KfuncArg::Kind::kTaskWork},
    {"bpf_res_spin_lock", KfuncArg::Kind::kResSpinLock},
};

bool IsStruct(const btf::Btf& btf, uint32_t id) { return btf.kind(id) == btf::Kind::kStruct; }

bool IsStructOrUnion(const btf::Btf& btf, uint32_t id) {
  return IsStruct(btf, id) || btf.kind(id) == btf::Kind::kUnion;
}

constexpr int kMaxStructNesting = 4;

bool IsScalarStructAt(const btf::Btf& btf, uint32_t id, int depth) {
  if (!IsStructOrUnion(btf, id)) return false;
  const uint32_t count = btf.type(id).vlen;
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t member = btf.SkipModifiers(btf.member(id, i).type);
    if (IsStructOrUnion(btf, member)) {
      if (depth + 1 >= kMaxStructNesting || !IsScalarStructAt(btf, member, depth + 1)) return false;
      continue;
    }
    if (btf.kind(member) == btf::Kind::kArray) {
      const btf::ArrayInfo array = btf.array(member);
      if (array.count == 0) return false;
      member = btf.SkipModifiers(array.element);
    }
    if (!IsScalarType(btf, member)) return false;
  }
  return true;
}

KfuncArg::Kind PointerKind(const KfuncPrototype& prototype, uint32_t index, const btf::Btf& btf,
                           const KfuncArg& arg, std::string_view name, ProgramTypeId type) {
  using Kind = KfuncArg::Kind;
  if (prototype.spec->id == Kfunc::bpf_cast_to_kern_ctx) return Kind::kContext;
  if (IsContextOf(type, btf, btf.type(arg.type).size_or_type)) return Kind::kContext;
  if (name.ends_with("__alloc")) return Kind::kAllocated;
  if (name.ends_with("__refcounted_kptr")) return Kind::kRefcounted;
  const bool is_struct = IsStruct(btf, arg.pointee);
  const std::string_view pointee = is_struct ? btf.name(arg.pointee) : std::string_view();
  if (pointee == "bpf_dynptr") return Kind::kDynptr;
  if (prototype.spec->IsIterator() ? index == 0 : name.ends_with("__iter")) return Kind::kIterator;
  for (const NamedStruct& s : kStructs) {
    if (pointee == s.name && s.kind != Kind::kWorkqueue && s.kind != Kind::kTimer &&
        s.kind != Kind::kTaskWork && s.kind != Kind::kResSpinLock) {
      return s.kind;
    }
  }
  if (name.ends_with("__str")) return Kind::kConstString;
  if (name.ends_with("__map")) return Kind::kMap;
  for (const NamedStruct& s : kStructs) {
    if (pointee == s.name) return s.kind;
  }
  if (name.ends_with("__irq_flag")) return Kind::kIrqFlag;
  if (btf.kind(arg.pointee) == btf::Kind::kFuncProto) return Kind::kFunction;
  return Kind::kPointer;
}

KfuncArg ReadArgument(const KfuncPrototype& prototype, uint32_t index, const btf::Btf& btf,
                      const btf::Parameter& parameter, ProgramTypeId type) {
  using Kind = KfuncArg::Kind;
  KfuncArg arg;
  const std::string_view name = parameter.name;
  arg.type = btf.SkipModifiers(parameter.type);
  if (name.ends_with("__ign") || name.ends_with("__prog")) {
    arg.kind = Kind::kIgnored;
    return arg;
  }
  if (IsScalarType(btf, arg.type)) {
    arg.constant = name.ends_with("__k");
    arg.read_only_size = name == "rdonly_buf_size";
    arg.read_write_size = name == "rdwr_buf_size";
    arg.size_of_before = name.ends_with("__sz");
    arg.constant_size_of_before = name.ends_with("__szk");
    return arg;
  }
  if (btf.kind(arg.type) != btf::Kind::kPtr) {
    arg.kind = Kind::kOther;
    return arg;
  }
  arg.pointee = btf.SkipModifiers(btf.type(arg.type).size_or_type);
  arg.nullable = name.ends_with("__nullable");
  arg.optional = name.ends_with("__opt");
  arg.uninitialised = name.ends_with("__uninit");
  arg.kind = PointerKind(prototype, index, btf, arg, name, type);
  if (arg.kind == Kind::kMap) arg.pointee = btf.Find("bpf_map", btf::Kind::kStruct);
  return arg;
}

}  // namespace

bool IsScalarType(const btf::Btf& btf, uint32_t id) {
  const btf::Kind kind = btf.kind(id);
  return kind == btf::Kind::kInt || kind == btf::Kind::kEnum || kind == btf::Kind::kEnum64;
}

bool IsScalarStruct(const btf::Btf& btf, uint32_t id) { return IsScalarStructAt(btf, id, 0); }

bool IsContextOf(ProgramTypeId type, const btf::Btf& btf, uint32_t pointee) {
  const ContextNames* names = ContextOf(type);
  if (names == nullptr) return false;
  for (int i = 0; i < 16; ++i) {
    const btf::Kind kind = btf.kind(pointee);
    if (kind == btf::Kind::kTypedef && btf.name(pointee) == names->program) return true;
    const bool skip = kind == btf::Kind::kTypedef || kind == btf::Kind::kConst ||
                      kind == btf::Kind::kVolatile || kind == btf::Kind::kRestrict ||
                      kind == btf::Kind::kTypeTag;
    if (!skip) break;
    pointee = btf.type(pointee).size_or_type;
  }
  if (!IsStruct(btf, pointee)) return false;
  const std::string_view name = btf.name(pointee);
  // Linux takes the kernel's own type for the two that programs see renamed.
  const bool projected = names->program == "__sk_buff" || names->program == "xdp_md";
  return name == names->program || (projected && name == names->kernel);
}

uint32_t KernelContextOf(ProgramTypeId type, const btf::Btf& btf) {
  const ContextNames* names = ContextOf(type);
  if (names == nullptr || names->kernel.empty()) return 0;
  return btf.Find(names->kernel, btf::Kind::kStruct);
}

const KfuncSpec* FindKfuncById(const btf::Btf* btf, uint32_t id) {
  if (btf == nullptr || id == 0 || id >= btf->type_count()) return nullptr;
  return btf->kind(id) == btf::Kind::kFunc ? FindKfunc(btf->name(id)) : nullptr;
}

KfuncPrototype ReadKfuncPrototype(const btf::Btf& btf, uint32_t id, ProgramTypeId type) {
  KfuncPrototype out;
  out.id = id;
  if (id == 0 || id >= btf.type_count() || btf.kind(id) != btf::Kind::kFunc) return out;
  const btf::Type function = btf.type(id);
  out.name = function.name;
  const uint32_t proto = function.size_or_type;
  if (btf.kind(proto) != btf::Kind::kFuncProto) return out;
  out.spec = FindKfunc(out.name);
  if (out.spec == nullptr) return out;
  const btf::Type signature = btf.type(proto);
  out.returns = signature.size_or_type == 0 ? 0 : btf.SkipModifiers(signature.size_or_type);
  out.argument_count = signature.vlen;
  for (uint32_t i = 0; i < signature.vlen && i < out.arguments.size(); ++i) {
    out.arguments[i] = ReadArgument(out, i, btf, btf.parameter(proto, i), type);
  }
  return out;
}

}  // namespace skep::verifier
