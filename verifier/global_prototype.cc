// SPDX-License-Identifier: Apache-2.0
#include "verifier/global_prototype.h"

#include <string_view>

#include "btf/btf.h"
#include "verifier/log.h"

namespace skep::verifier {
namespace {

// What decl_tags "arg:..." say about an argument.
enum Tag : uint32_t {
  kTagContext = 1u << 0,
  kTagTrusted = 1u << 1,
  kTagUntrusted = 1u << 2,
  kTagNonnull = 1u << 3,
  kTagNullable = 1u << 4,
  kTagArena = 1u << 5,
};

struct TagRow {
  std::string_view name;
  Tag tag;
};
constexpr TagRow kTags[] = {
    {"ctx", kTagContext},     {"trusted", kTagTrusted},   {"untrusted", kTagUntrusted},
    {"nonnull", kTagNonnull}, {"nullable", kTagNullable}, {"arena", kTagArena},
};

// A name without the suffix ___FLAVOR that CO-RE ignores.
std::string_view EssentialName(std::string_view name) {
  for (size_t i = name.size() > 5 ? name.size() - 5 : 0; i > 0; --i) {
    if (name.substr(i, 3) == "___" && name[i - 1] != '_' && name[i + 3] != '_') {
      return name.substr(0, i);
    }
  }
  return name;
}

// Linux calls its own structs by these names too.
bool IsProjection(std::string_view context, std::string_view name) {
  return (context == "__sk_buff" && name == "sk_buff") ||
         (context == "xdp_md" && name == "xdp_buff");
}

constexpr uint32_t kAttachRawTp = 23, kAttachIter = 28;

class Reader {
 public:
  Reader(const Program& program, const ProgramType& type, uint32_t subprogram)
      : program_(program),
        type_(type),
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
    for (index_ = 0; index_ < type.vlen; ++index_) {
      GlobalArgument argument;
      if (!ReadArgument(btf_.parameter(proto, index_).type, &argument)) return std::move(out_);
      out_.arguments.push_back(argument);
    }
    return std::move(out_);
  }

 private:
  GlobalPrototype Fail(FindingCode code, Args args) {
    Refuse(code, args);
    return std::move(out_);
  }
  bool Refuse(FindingCode code, Args args) {
    out_.failed = code;
    out_.message = FillIn(RowOf(code).text, args);
    return false;
  }

  bool IsNumber(uint32_t id) const {
    const btf::Kind kind = btf_.kind(id);
    return kind == btf::Kind::kInt || kind == btf::Kind::kEnum || kind == btf::Kind::kEnum64;
  }
  bool IsStruct(uint32_t id) const {
    return btf_.kind(id) == btf::Kind::kStruct || btf_.kind(id) == btf::Kind::kUnion;
  }
  bool IsU64(uint32_t id) const {
    return btf_.kind(id) == btf::Kind::kInt && btf_.SizeOf(id) == uint32_t{8};
  }

  // The tags of argument index_. Returns false for one that Linux does not know.
  bool ReadTags(uint32_t* tags) {
    constexpr std::string_view kPrefix = "arg:";
    for (uint32_t id = btf_.first_id(); id < btf_.type_count(); ++id) {
      if (btf_.kind(id) != btf::Kind::kDeclTag) continue;
      const btf::DeclTag tag = btf_.decl_tag(id);
      if (tag.target != function_ || tag.component != static_cast<int32_t>(index_)) continue;
      std::string_view name = btf_.name(id);
      if (!name.starts_with(kPrefix)) continue;
      name.remove_prefix(kPrefix.size());
      uint32_t found = 0;
      for (const TagRow& row : kTags) {
        if (row.name == name) found = row.tag;
      }
      if (found == 0) return Refuse(FindingCode::kGlobalArgUnknownTag, {index_});
      *tags |= found;
    }
    return true;
  }

  bool ReadArgument(uint32_t type, GlobalArgument* argument) {
    using Kind = GlobalArgument::Kind;
    uint32_t tags = 0;
    if (!ReadTags(&tags)) return false;
    const uint32_t id = btf_.SkipModifiers(type);
    if (btf_.kind(id) != btf::Kind::kPtr) return ReadNumber(id, tags);
    const auto bad_tags = [&] { return Refuse(FindingCode::kGlobalArgTags, {index_}); };
    const uint32_t pointee = btf_.type(id).size_or_type;
    const uint32_t target = btf_.SkipModifiers(pointee);
    if ((tags & kTagContext) != 0 || IsContext(pointee)) {
      if ((tags & ~kTagContext) != 0) return bad_tags();
      argument->kind = Kind::kContext;
      return (tags & kTagContext) == 0 || CheckTaggedContext(pointee);
    }
    if (btf_.kind(target) == btf::Kind::kStruct && btf_.name(target) == "bpf_dynptr") {
      argument->kind = Kind::kDynptr;
      return tags == 0 || bad_tags();
    }
    if ((tags & kTagTrusted) != 0) {
      if ((tags & kTagNonnull) != 0) return bad_tags();
      argument->kind = Kind::kObject;
      argument->maybe_null = (tags & kTagNullable) != 0;
      return FindObject(target, argument);
    }
    if ((tags & kTagUntrusted) != 0) return ReadUntrusted(target, tags, argument);
    if ((tags & kTagArena) != 0) {
      argument->kind = Kind::kArena;
      return (tags & ~kTagArena) == 0 || Refuse(FindingCode::kGlobalArgArena, {index_});
    }
    if ((tags & kTagNullable) != 0) return bad_tags();
    const std::optional<uint32_t> size = btf_.SizeOf(target);
    if (!size.has_value()) {
      return Refuse(FindingCode::kKfuncMemorySize,
                    {index_, BtfKindText(btf_, target), btf_.name(target), -22});
    }
    argument->kind = Kind::kMemory;
    argument->size = *size;
    argument->maybe_null = (tags & kTagNonnull) == 0;
    return true;
  }

  bool ReadNumber(uint32_t id, uint32_t tags) {
    if (tags != 0) return Refuse(FindingCode::kGlobalArgNoPointer, {index_});
    if (IsNumber(id)) return true;
    return Refuse(FindingCode::kGlobalArgKind,
                  {index_, BtfKindText(btf_, id), btf_.name(function_)});
  }

  bool ReadUntrusted(uint32_t target, uint32_t tags, GlobalArgument* argument) {
    using Kind = GlobalArgument::Kind;
    if ((tags & ~kTagUntrusted) != 0) return Refuse(FindingCode::kGlobalArgUntrusted, {index_});
    if (target == 0 || IsNumber(target)) {
      argument->kind = Kind::kUntrustedMemory;
      return true;
    }
    argument->kind = Kind::kUntrustedObject;
    if (!FindObject(target, argument)) return false;
    if (IsStruct(target)) return true;
    return Refuse(FindingCode::kGlobalArgUntrustedKind,
                  {index_, BtfKindText(btf_, target), btf_.name(target)});
  }

  // The kernel's struct of that name.
  bool FindObject(uint32_t target, GlobalArgument* argument) {
    const btf::Btf* kernel = program_.data().target_btf.get();
    if (kernel == nullptr) return Refuse(FindingCode::kNoKernelType, {btf_.name(target)});
    const btf::Kind kind = btf_.kind(target);
    const std::string_view name = EssentialName(btf_.name(target));
    if (name.empty()) {
      return Refuse(FindingCode::kGlobalArgNoMatch,
                    {index_, BtfKindText(btf_, target), "(anon)", "candidate matching error: -22"});
    }
    int count = 0;
    for (uint32_t id = 1; id < kernel->type_count(); ++id) {
      if (kernel->kind(id) != kind || EssentialName(kernel->name(id)) != name) continue;
      if (++count == 1) argument->btf_id = id;
    }
    if (count == 1) return true;
    return Refuse(FindingCode::kGlobalArgNoMatch,
                  {index_, BtfKindText(btf_, target), btf_.name(target),
                   count == 0 ? "has no matches" : "is ambiguous"});
  }

  // Through typedefs to bpf_user_pt_regs_t, which the type itself does not name.
  bool IsUserRegs(uint32_t pointee) const {
    for (uint32_t id = pointee; id != 0;) {
      switch (btf_.kind(id)) {
        case btf::Kind::kConst:
        case btf::Kind::kVolatile:
        case btf::Kind::kRestrict:
        case btf::Kind::kTypeTag:
          id = btf_.type(id).size_or_type;
          break;
        case btf::Kind::kTypedef:
          return btf_.name(id) == "bpf_user_pt_regs_t";
        default:
          return false;
      }
    }
    return false;
  }

  // Whether a pointer without a tag is one to the context.
  bool IsContext(uint32_t pointee) const {
    const bool kprobe = program_.type() == ProgramTypeId::kKprobe;
    if (kprobe && IsUserRegs(pointee)) return true;
    const uint32_t id = btf_.SkipModifiers(pointee);
    if (!IsStruct(id) || type_.context_type.empty()) return false;
    const std::string_view name = btf_.name(id);
    return IsProjection(type_.context_type, name) || name == type_.context_type ||
           (kprobe && name == "pt_regs");
  }

  // Whether a pointer with arg:ctx may be one. `void *` always may.
  bool CheckTaggedContext(uint32_t pointee) {
    const ProgramTypeId type = program_.type();
    const uint32_t attach = program_.data().expected_attach_type;
    const bool regs = type == ProgramTypeId::kKprobe || type == ProgramTypeId::kPerfEvent;
    if (regs && IsUserRegs(pointee)) return true;
    const uint32_t id = btf_.SkipModifiers(pointee);
    if (id == 0) return true;
    const std::string_view name = btf_.name(id);
    if (name.empty()) return Refuse(FindingCode::kGlobalContextNoName, {index_});
    if (regs && IsStruct(id) && name == "pt_regs") return true;
    switch (type) {
      case ProgramTypeId::kRawTracepoint:
      case ProgramTypeId::kRawTracepointWritable:
      case ProgramTypeId::kLsm:
      case ProgramTypeId::kStructOps:
        if (IsU64(id)) return true;
        break;
      case ProgramTypeId::kTracing:
        if (attach == kAttachIter) {
          if (IsStruct(id) && name.starts_with("bpf_iter__")) return true;
          break;
        }
        if (IsU64(id)) return true;
        if (attach == kAttachRawTp && IsStruct(id) && name == "bpf_raw_tracepoint_args") {
          return true;
        }
        break;
      case ProgramTypeId::kTracepoint:
      case ProgramTypeId::kSyscall:
      case ProgramTypeId::kExt:
        return true;
      default:
        break;
    }
    std::string_view wanted = type_.context_type;
    if (type == ProgramTypeId::kKprobe) wanted = "pt_regs";
    const bool is_struct = !wanted.empty() && type != ProgramTypeId::kLircMode2;
    if (!is_struct) return Refuse(FindingCode::kGlobalContextVoid, {index_});
    if (IsStruct(id) && name == wanted) return true;
    return Refuse(FindingCode::kGlobalContextType, {index_, wanted});
  }

  const Program& program_;
  const ProgramType& type_;
  const btf::Btf& btf_;
  const uint32_t function_;
  uint32_t index_ = 0;  // of the argument being read
  GlobalPrototype out_;
};

}  // namespace

GlobalPrototype ReadGlobalPrototype(const Program& program, const ProgramType& type,
                                    uint32_t subprogram) {
  const Subprogram& s = program.subprograms()[subprogram];
  const auto& btf = program.data().btf;
  if (btf == nullptr || s.btf_type_id == 0 || s.btf_type_id >= btf->type_count()) {
    GlobalPrototype out;
    out.failed = FindingCode::kUnsupportedGlobal;
    out.message = FillIn(RowOf(out.failed).text, {s.name});
    return out;
  }
  return Reader(program, type, subprogram).Run();
}

}  // namespace skep::verifier
