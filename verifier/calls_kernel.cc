// SPDX-License-Identifier: Apache-2.0
// Helpers that take or give objects of the kernel: which object an argument has
// to be, what the result points to, and what the attach target has to do with it.

#include "verifier/attach_rules.h"
#include "verifier/helper_rules.h"
#include "verifier/verifier.h"

namespace skep::verifier {
namespace {

constexpr std::string_view kSockCommonName = "sock_common";

// The result is the argument, seen as another kind of socket.
bool CastsSocket(uint32_t helper) {
  return OneOf<uint32_t>(
      helper, {kSkFullsock, kTcpSock, kSkcToTcp6Sock, kSkcToTcpSock, kSkcToTcpTimewaitSock,
               kSkcToTcpRequestSock, kSkcToUdp6Sock, kSkcToMptcpSock});
}

}  // namespace

// The name in the target BTF of what the program attaches to; empty if it attaches
// to nothing of the kernel's.
std::string_view Verifier::TargetName() const {
  const btf::Btf* btf = BtfOf(kTargetBtf);
  const uint32_t id = program_.data().attach_btf_id;
  return btf == nullptr || id == 0 || id >= btf->type_count() ? std::string_view{} : btf->name(id);
}

// The prototype by which the program calls helper `id`; null if it may not. What
// the table of helpers says by classes of programs, and where the attach target
// decides as well.
const HelperSpec* Verifier::FindCallableHelper(uint32_t id) const {
  const ProgramData& data = program_.data();
  const ProgramClass program_class = ProgramClassOf(data.type, data.expected_attach_type);
  const HelperSpec* helper = FindHelper(environment_.helpers, id, program_class);
  const bool socket_option = id == kSetsockopt || id == kGetsockopt;
  if (program_class == ProgramClass::kTracingIter && socket_option &&
      OneOf<std::string_view>(TargetName(), {"bpf_iter_tcp", "bpf_iter_unix"})) {
    return FindHelper(environment_.helpers, id, ProgramClass::kStructOps);
  }
  if (helper == nullptr) return nullptr;
  if (program_class == ProgramClass::kTracingTrampoline && id == kGetFuncRet) {
    return data.expected_attach_type == kAttachFentry ? nullptr : helper;
  }
  if (program_class == ProgramClass::kStructOps) {
    // The helpers that every structure's members may call are those of netfilter.
    const bool base = (helper->programs & MaskOf(ProgramClass::kNetfilter)) != 0;
    if (base) return helper;
    if (TargetName() != "tcp_congestion_ops") return nullptr;
    const btf::Btf& btf = *BtfOf(kTargetBtf);
    const bool releases =
        data.expected_attach_type < btf.type(data.attach_btf_id).vlen &&
        btf.member(data.attach_btf_id, data.expected_attach_type).name == "release";
    return releases && socket_option ? nullptr : helper;
  }
  return helper;
}

// Whether Linux's second check lets the helper be called from this attach target.
bool Verifier::TargetAllowsHelper(const HelperSpec& helper) const {
  const ProgramClass program_class =
      ProgramClassOf(program_.type(), program_.data().expected_attach_type);
  if ((helper.refused_programs & MaskOf(program_class)) != 0) return false;
  const bool trampoline = program_class == ProgramClass::kTracingTrampoline;
  if (helper.id == kDPath && trampoline) {
    return OneOf<std::string_view>(
        TargetName(), {"security_file_permission", "security_inode_getattr", "security_file_open",
                       "security_path_truncate", "vfs_truncate", "vfs_fallocate", "dentry_open",
                       "vfs_getattr", "filp_close"});
  }
  const bool lsm = program_.type() == ProgramTypeId::kLsm;
  if (lsm && OneOf<uint32_t>(helper.id, {kDPath, kImaInodeHash, kImaFileHash})) {
    return IsSleepableHook(TargetName());
  }
  if (trampoline && OneOf<uint32_t>(helper.id, {kSkStorageGet, kSkStorageDelete})) {
    constexpr std::string_view kOwn = "bpf_sk_storage";
    return TargetName().substr(0, kOwn.size()) != kOwn;
  }
  return true;
}

// A pointer by BTF that is of an accepted kind: is it of the right type?
bool Verifier::CheckBtfArgument(const HelperSpec& helper, int number, const ArgSpec& arg) {
  const Register& r = reg(number);
  if (OneOf(arg.kind, {ArgKind::kMapKey, ArgKind::kMapValue, ArgKind::kMem})) {
    if ((arg.flags & kArgReadOnly) != 0) return true;
    return Reject(FindingCode::kMayWriteObject, {HelperName(helper), number, KindName(r)});
  }
  if (arg.kind != ArgKind::kBtfId && arg.kind != ArgKind::kBtfIdSockCommon) return true;
  // What may be exchanged, null or not, is checked with the field.
  if (helper.id == kKptrXchg) return true;
  const bool releases = (arg.flags & kArgRelease) != 0;
  if (r.MaybeNull() && ((arg.flags & kArgMaybeNull) == 0 || releases)) {
    return Reject(FindingCode::kHelperMaybeNull, {number});
  }
  const std::string_view wanted =
      arg.kind == ArgKind::kBtfIdSockCommon ? kSockCommonName : arg.type_name;
  const uint32_t need = TargetStruct(wanted);
  if (need == 0) return Reject(FindingCode::kNoTargetBtf, {});
  // sk_release takes all kinds of sockets, which start with sock_common.
  const bool strict = releases && helper.id != kSkRelease;
  if (r.btf == kTargetBtf && r.off >= 0 &&
      StructMatches(*BtfOf(kTargetBtf), r.btf_id, static_cast<uint32_t>(r.off), need, strict,
                    true)) {
    return true;
  }
  return Reject(FindingCode::kWrongObject, {number, BtfTypeName(r, referents()), wanted});
}

// Whether the helper's result is a kernel object, and what. *handled: r0 is set.
bool Verifier::SetKernelResult(const HelperSpec& helper, bool* handled) {
  const uint16_t null = (helper.flags & kHelperReturnMaybeNull) != 0 ? kMaybeNull : 0;
  const uint16_t trust = (helper.flags & kHelperReturnTrusted) != 0 ? kTrusted : 0;
  Register& r0 = reg(0);
  *handled = true;
  switch (helper.returns) {
    case ReturnKind::kSocket:
      r0 = Register::Pointer(RegKind::kSocket, null);
      return true;
    case ReturnKind::kSockCommon:
      r0 = Register::Pointer(RegKind::kSockCommon, null);
      return true;
    case ReturnKind::kTcpSock:
      r0 = Register::Pointer(RegKind::kTcpSock, null);
      return true;
    case ReturnKind::kBtfId: {
      if (helper.return_type_name.empty()) break;
      const uint32_t id = TargetStruct(helper.return_type_name);
      if (id == 0) return Reject(FindingCode::kNoTargetBtf, {});
      r0 = Register::Pointer(RegKind::kBtfId, static_cast<uint16_t>(null | trust));
      r0.btf = kTargetBtf;
      r0.btf_id = id;
      return true;
    }
    case ReturnKind::kInteger:
    case ReturnKind::kVoid:
    case ReturnKind::kMapValue:
    case ReturnKind::kMem:
    case ReturnKind::kMemOrBtfId:
      break;
  }
  *handled = false;
  return true;
}

// The reference that the result stands for, if any.
void Verifier::SetResultReference(const HelperSpec& helper, const CallInfo& call) {
  Register& r0 = reg(0);
  if (CastsSocket(helper.id)) {
    r0.ref_id = call.reference;
    return;
  }
  const bool socket_map =
      call.has_map && OneOf(map(call.map).type, {MapType::kSockmap, MapType::kSockhash});
  if ((helper.flags & kHelperAcquires) != 0 || (helper.id == kMapLookupElem && socket_map)) {
    r0.id = r0.ref_id = AcquireReference();
  }
}

// Elements of socket maps: only programs that cannot hold the socket's lock may
// change them.
bool Verifier::MayUpdateSocketMap(uint32_t helper) {
  if (helper != kMapUpdateElem && helper != kMapDeleteElem) return true;
  switch (program_.type()) {
    case ProgramTypeId::kTracing:
      if (program_.data().expected_attach_type == kAttachIter) return true;
      break;
    case ProgramTypeId::kSockOps:
      if (helper == kMapDeleteElem) return true;
      break;
    case ProgramTypeId::kSocketFilter:
    case ProgramTypeId::kSchedCls:
    case ProgramTypeId::kSchedAct:
    case ProgramTypeId::kXdp:
    case ProgramTypeId::kSkReuseport:
    case ProgramTypeId::kFlowDissector:
    case ProgramTypeId::kSkLookup:
      return true;
    default:
      break;
  }
  Note(FindingCode::kSocketMapUpdate, {});
  return false;
}

}  // namespace skep::verifier
