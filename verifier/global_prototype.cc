// SPDX-License-Identifier: Apache-2.0
#include "verifier/global_prototype.h"

#include <cerrno>
#include <string_view>

#include "btf/btf.h"

namespace skep::verifier {
namespace {

// The name of the context's type in source, as people write it in arguments.
std::string_view ContextTypeName(ProgramTypeId type) {
  switch (type) {
    case ProgramTypeId::kXdp:
      return "xdp_md";
    case ProgramTypeId::kKprobe:
      return "pt_regs";
    case ProgramTypeId::kPerfEvent:
      return "bpf_perf_event_data";
    case ProgramTypeId::kRawTracepoint:
    case ProgramTypeId::kRawTracepointWritable:
      return "bpf_raw_tracepoint_args";
    case ProgramTypeId::kTracepoint:
    case ProgramTypeId::kSyscall:
      return "";
    default:
      return "__sk_buff";
  }
}

struct Tags {
  bool context = false;
  bool nonnull = false;
  bool arena = false;
  bool other = false;
};

class Reader {
 public:
  Reader(const Program& program, uint32_t subprogram)
      : program_(program),
        btf_(*program.data().btf),
        function_(program.subprograms()[subprogram].btf_type_id) {}

  GlobalPrototype Run() {
    const btf::Type function = btf_.type(function_);
    const uint32_t proto = function.size_or_type;
    if (function.kind != btf::Kind::kFunc || btf_.kind(proto) != btf::Kind::kFuncProto) {
      return Fail(FindingCode::kUnsupportedGlobal, {function.name});
    }
    const btf::Type type = btf_.type(proto);
    constexpr uint32_t kMaxArguments = 5;
    if (type.vlen > kMaxArguments) {
      return Fail(FindingCode::kGlobalTooManyArgs, {function.name, type.vlen, kMaxArguments});
    }
    if (!IsNumber(btf_.SkipModifiers(type.size_or_type))) {
      return Fail(FindingCode::kGlobalReturn, {function.name});
    }
    for (uint32_t i = 0; i < type.vlen; ++i) {
      GlobalArgument argument;
      if (!ReadArgument(btf_.parameter(proto, i).type, i, &argument)) return std::move(out_);
      out_.arguments.push_back(argument);
    }
    return std::move(out_);
  }

 private:
  GlobalPrototype Fail(FindingCode code, Args args) {
    out_.failed = code;
    out_.message = FillIn(RowOf(code).text, args);
    return std::move(out_);
  }

  bool IsNumber(uint32_t id) const {
    const btf::Kind kind = btf_.kind(id);
    return kind == btf::Kind::kInt || kind == btf::Kind::kEnum || kind == btf::Kind::kEnum64;
  }

  Tags TagsOf(uint32_t index) const {
    Tags tags;
    for (uint32_t id = btf_.first_id(); id < btf_.type_count(); ++id) {
      if (btf_.kind(id) != btf::Kind::kDeclTag) continue;
      const btf::DeclTag tag = btf_.decl_tag(id);
      if (tag.target != function_ || tag.component != static_cast<int32_t>(index)) continue;
      const std::string_view name = btf_.name(id);
      if (name.substr(0, 4) != "arg:") continue;
      if (name == "arg:ctx") {
        tags.context = true;
      } else if (name == "arg:nonnull") {
        tags.nonnull = true;
      } else if (name == "arg:arena") {
        tags.arena = true;
      } else {
        tags.other = true;
      }
    }
    return tags;
  }

  bool IsContext(uint32_t pointee) const {
    const std::string_view wanted = ContextTypeName(program_.type());
    if (program_.type() == ProgramTypeId::kKprobe) {
      // bpf_user_pt_regs_t is a typedef that the type itself does not name.
      for (uint32_t id = pointee; btf_.kind(id) == btf::Kind::kTypedef;) {
        if (btf_.name(id) == "bpf_user_pt_regs_t") return true;
        id = btf_.type(id).size_or_type;
      }
    }
    const uint32_t id = btf_.SkipModifiers(pointee);
    if (btf_.kind(id) != btf::Kind::kStruct || wanted.empty()) return false;
    const bool regs = program_.type() == ProgramTypeId::kKprobe;
    return btf_.name(id) == wanted || (regs && btf_.name(id) == "bpf_user_pt_regs_t");
  }

  bool ReadArgument(uint32_t type, uint32_t index, GlobalArgument* argument) {
    const Tags tags = TagsOf(index);
    const uint32_t id = btf_.SkipModifiers(type);
    if (tags.other) return Unsupported();
    if (btf_.kind(id) != btf::Kind::kPtr) {
      if (tags.context || tags.nonnull || tags.arena) return Unsupported();
      if (IsNumber(id)) return true;
      Fail(FindingCode::kGlobalArgKind,
           {index, btf::KindName(btf_.kind(id)), btf_.name(function_)});
      return false;
    }
    const uint32_t pointee = btf_.type(id).size_or_type;
    if (tags.arena) {
      argument->kind = GlobalArgument::Kind::kArena;
      return (!tags.context && !tags.nonnull) || Unsupported();
    }
    if (tags.context || IsContext(pointee)) {
      argument->kind = GlobalArgument::Kind::kContext;
      return !tags.nonnull || Unsupported();
    }
    const uint32_t target = btf_.SkipModifiers(pointee);
    if (btf_.kind(target) == btf::Kind::kStruct && btf_.name(target) == "bpf_dynptr") {
      argument->kind = GlobalArgument::Kind::kDynptr;
      return !tags.nonnull || Unsupported();
    }
    const std::optional<uint32_t> size = btf_.SizeOf(target);
    const btf::Kind kind = btf_.kind(target);
    if (!size.has_value() && (kind == btf::Kind::kFwd || target == 0)) {
      Fail(FindingCode::kKfuncMemorySize,
           {index, target == 0 ? "UNKNOWN" : "FWD", btf_.name(target), -EINVAL});
      return false;
    }
    if (!size.has_value()) return Unsupported();
    argument->kind = GlobalArgument::Kind::kMemory;
    argument->size = *size;
    argument->maybe_null = !tags.nonnull;
    return true;
  }

  bool Unsupported() {
    Fail(FindingCode::kUnsupportedGlobal, {btf_.name(function_)});
    return false;
  }

  const Program& program_;
  const btf::Btf& btf_;
  uint32_t function_;
  GlobalPrototype out_;
};

}  // namespace

GlobalPrototype ReadGlobalPrototype(const Program& program, uint32_t subprogram) {
  const Subprogram& s = program.subprograms()[subprogram];
  const auto& btf = program.data().btf;
  if (btf == nullptr || s.btf_type_id == 0 || s.btf_type_id >= btf->type_count()) {
    GlobalPrototype out;
    out.failed = FindingCode::kUnsupportedGlobal;
    out.message = FillIn(RowOf(out.failed).text, {s.name});
    return out;
  }
  return Reader(program, subprogram).Run();
}

}  // namespace skep::verifier
