// SPDX-License-Identifier: Apache-2.0
// Two walks. The first orders the definitions: a struct that lies in another one
// comes before it, what is only pointed to may come later or stay undeclared
// inside ("a strong link" and "a weak one" below). The second writes them, and in
// front of each the forward declarations that its pointers need.
#include "btf/c_dump.h"

#include <map>
#include <utility>

#include <fmt/format.h>

#include "btf/c_declarator.h"

namespace skep::btf {
namespace {

constexpr int kMaxDepth = 512;
constexpr uint64_t kMaxSteps = 1u << 26;

bool IsComposite(Kind kind) { return kind == Kind::kStruct || kind == Kind::kUnion; }

class CDumper {
 public:
  explicit CDumper(const Btf& btf) : btf_(btf), states_(btf.type_count()), declarator_(btf, text_) {
    states_[0] = {Ordered::kYes, Emitted::kYes, false, false};  // void needs no definition
    MarkReferenced();
  }

  Result<void> Add(uint32_t id) {
    queue_.clear();
    SKEP_TRY_VOID(Order(id, false, 0));
    for (const uint32_t queued : queue_) SKEP_TRY_VOID(Emit(queued, 0, 0));
    return {};
  }
  std::string Take() { return std::move(text_); }

 private:
  enum class Ordered : uint8_t { kNo, kNow, kYes };
  enum class Emitted : uint8_t { kNo, kNow, kYes };
  struct State {
    Ordered ordered = Ordered::kNo;
    Emitted emitted = Emitted::kNo;
    bool forward = false;     // declared; of a typedef: defined
    bool referenced = false;  // by any other type
  };
  enum class Link : uint8_t { kWeak, kStrong };

  Error Loop(uint32_t id) const {
    return Error{ErrorCode::kMalformedObject,
                 fmt::format("BTF type [{}] {} '{}' contains itself, which C cannot say", id,
                             KindName(btf_.kind(id)), btf_.name(id))};
  }
  Result<void> Count(int depth) {
    if (depth > kMaxDepth) {
      return Error{ErrorCode::kResourceLimit,
                   fmt::format("BTF types nest deeper than {}", kMaxDepth)};
    }
    if (++steps_ > kMaxSteps || declarator_.overflow()) {
      return Error{ErrorCode::kResourceLimit, "the C text of the BTF is longer than 64 MiB"};
    }
    return {};
  }

  void MarkReferenced() {
    for (uint32_t id = 1; id < btf_.type_count(); ++id) {
      ForEachReferred(btf_, id, [this](uint32_t to) { states_[to].referenced = true; });
    }
  }

  // ---- the order

  // kStrong: what `id` stands for is, or will be, defined before what uses it.
  Result<Link> Order(uint32_t id, bool through_pointer, int depth) {
    SKEP_TRY_VOID(Count(depth));
    if (states_[id].ordered == Ordered::kYes) return Link::kStrong;
    const Type type = btf_.type(id);
    if (states_[id].ordered == Ordered::kNow) {
      // A forward declaration of a named one is all that a pointer needs.
      if (IsComposite(type.kind) && through_pointer && !type.name.empty()) return Link::kWeak;
      return Loop(id);
    }
    switch (type.kind) {
      case Kind::kInt:
      case Kind::kFloat:
        states_[id].ordered = Ordered::kYes;
        return Link::kWeak;
      case Kind::kVoid:
        return Link::kWeak;
      case Kind::kPtr: {
        auto link = Order(type.size_or_type, true, depth + 1);
        states_[id].ordered = Ordered::kYes;
        return link;
      }
      case Kind::kArray:
        return Order(btf_.array(id).element, false, depth + 1);
      case Kind::kVolatile:
      case Kind::kConst:
      case Kind::kRestrict:
      case Kind::kTypeTag:
        return Order(type.size_or_type, through_pointer, depth + 1);
      case Kind::kStruct:
      case Kind::kUnion:
        return OrderComposite(id, type, through_pointer, depth);
      case Kind::kEnum:
      case Kind::kEnum64:
      case Kind::kFwd:
        // An anonymous enum is written where it is used, if it is.
        if (!type.name.empty() || !states_[id].referenced) queue_.push_back(id);
        states_[id].ordered = Ordered::kYes;
        return Link::kStrong;
      case Kind::kTypedef:
        return OrderTypedef(id, type, through_pointer, depth);
      case Kind::kFuncProto:
        return OrderPrototype(id, type, through_pointer, depth);
      case Kind::kFunc:
      case Kind::kVar:
      case Kind::kDatasec:
      case Kind::kDeclTag:
        states_[id].ordered = Ordered::kYes;
        return Link::kWeak;
    }
    return Link::kWeak;
  }
  Result<Link> OrderComposite(uint32_t id, const Type& type, bool through_pointer, int depth) {
    if (through_pointer && !type.name.empty()) return Link::kWeak;
    states_[id].ordered = Ordered::kNow;
    for (uint32_t i = 0; i < type.vlen; ++i) {
      SKEP_TRY_VOID(Order(btf_.member(id, i).type, false, depth + 1));
    }
    if (!type.name.empty()) queue_.push_back(id);
    states_[id].ordered = Ordered::kYes;
    return Link::kStrong;
  }
  Result<Link> OrderTypedef(uint32_t id, const Type& type, bool through_pointer, int depth) {
    SKEP_TRY(const Link link, Order(type.size_or_type, through_pointer, depth + 1));
    if (through_pointer && link == Link::kWeak) return Link::kWeak;
    queue_.push_back(id);
    states_[id].ordered = Ordered::kYes;
    return Link::kStrong;
  }
  Result<Link> OrderPrototype(uint32_t id, const Type& type, bool through_pointer, int depth) {
    SKEP_TRY(Link link, Order(type.size_or_type, through_pointer, depth + 1));
    for (uint32_t i = 0; i < type.vlen; ++i) {
      SKEP_TRY(const Link of, Order(btf_.parameter(id, i).type, through_pointer, depth + 1));
      if (of == Link::kStrong) link = Link::kStrong;
    }
    return link;
  }

  // ---- the text

  // Writes what a definition of `container` needs of `id`; container 0: the
  // definition of `id` itself.
  Result<void> Emit(uint32_t id, uint32_t container, int depth) {
    SKEP_TRY_VOID(Count(depth));
    if (states_[id].emitted == Emitted::kYes) return {};
    const Type type = btf_.type(id);
    if (states_[id].emitted == Emitted::kNow) return EmitAgain(id, type, container);
    switch (type.kind) {
      case Kind::kInt:
        EmitAlias(type.name);
        states_[id].emitted = Emitted::kYes;
        return {};
      case Kind::kEnum:
      case Kind::kEnum64:
        if (container == 0) {
          declarator_.EnumDefinition(id, 0);
          text_ += ";\n\n";
        }
        states_[id].emitted = Emitted::kYes;
        return {};
      case Kind::kPtr:
      case Kind::kVolatile:
      case Kind::kConst:
      case Kind::kRestrict:
      case Kind::kTypeTag:
        return Emit(type.size_or_type, container, depth + 1);
      case Kind::kArray:
        return Emit(btf_.array(id).element, container, depth + 1);
      case Kind::kFwd:
        EmitForward(id);
        states_[id].emitted = Emitted::kYes;
        return {};
      case Kind::kTypedef:
        states_[id].emitted = Emitted::kNow;
        SKEP_TRY_VOID(Emit(type.size_or_type, id, depth + 1));
        if (!states_[id].forward) EmitTypedef(id);
        states_[id].emitted = Emitted::kYes;
        return {};
      case Kind::kStruct:
      case Kind::kUnion:
        return EmitComposite(id, type, container, depth);
      case Kind::kFuncProto:
        SKEP_TRY_VOID(Emit(type.size_or_type, container, depth + 1));
        for (uint32_t i = 0; i < type.vlen; ++i) {
          SKEP_TRY_VOID(Emit(btf_.parameter(id, i).type, container, depth + 1));
        }
        return {};
      case Kind::kVoid:
      case Kind::kFloat:
      case Kind::kFunc:
      case Kind::kVar:
      case Kind::kDatasec:
      case Kind::kDeclTag:
        return {};
    }
    return {};
  }

  // `id` is asked for while its own definition is under way.
  Result<void> EmitAgain(uint32_t id, const Type& type, uint32_t container) {
    if (states_[id].forward) return {};
    if (IsComposite(type.kind)) {
      if (id == container) return {};
      if (type.name.empty()) return Loop(id);
      EmitForward(id);
    } else if (type.kind == Kind::kTypedef) {
      EmitTypedef(id);
    }
    states_[id].forward = true;
    return {};
  }

  Result<void> EmitComposite(uint32_t id, const Type& type, uint32_t container, int depth) {
    states_[id].emitted = Emitted::kNow;
    if (container == 0 || type.name.empty()) {
      // Its members will be written, so what they need must be there.
      const uint32_t inside = type.name.empty() ? container : id;
      for (uint32_t i = 0; i < type.vlen; ++i) {
        SKEP_TRY_VOID(Emit(btf_.member(id, i).type, inside, depth + 1));
      }
    } else if (!states_[id].forward && id != container) {
      EmitForward(id);
      states_[id].forward = true;
    }
    states_[id].emitted = Emitted::kNo;
    if (container == 0) {
      declarator_.CompositeDefinition(id, 0);
      text_ += ";\n\n";
      states_[id].emitted = Emitted::kYes;
    }
    return {};
  }

  void EmitForward(uint32_t id) {
    declarator_.Forward(id);
    text_ += ";\n\n";
  }
  void EmitTypedef(uint32_t id) {
    // Compilers have it built in, each in its own way.
    if (btf_.name(id) == "__builtin_va_list") return;
    declarator_.TypedefDefinition(id);
    text_ += ";\n\n";
  }
  // Types that gcc has of its own and other compilers do not.
  void EmitAlias(std::string_view name) {
    constexpr std::pair<std::string_view, std::string_view> kAliases[] = {
        {"__Poly8_t", "unsigned char"},
        {"__Poly16_t", "unsigned short"},
        {"__Poly64_t", "unsigned long long"},
        {"__Poly128_t", "unsigned __int128"}};
    for (const auto& [alias, real] : kAliases) {
      if (name == alias) text_ += fmt::format("typedef {} {};\n\n", real, alias);
    }
  }

  const Btf& btf_;
  std::vector<State> states_;  // by id
  std::string text_;
  CDeclarator declarator_;
  std::vector<uint32_t> queue_;  // definitions, in order
  uint64_t steps_ = 0;
};

}  // namespace

Result<std::string> DumpC(const Btf& btf, std::span<const uint32_t> roots) {
  CDumper dumper(btf);
  for (const uint32_t id : roots) SKEP_TRY_VOID(dumper.Add(id));
  if (roots.empty()) {
    for (uint32_t id = btf.first_id(); id < btf.type_count(); ++id) {
      SKEP_TRY_VOID(dumper.Add(id));
    }
  }
  return dumper.Take();
}

Result<std::string> DumpHeader(const Btf& btf, std::span<const uint32_t> roots) {
  SKEP_TRY(const std::string types, DumpC(btf, roots));
  return "#ifndef __VMLINUX_H__\n#define __VMLINUX_H__\n\n"
         "#ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n"
         "#pragma clang attribute push (__attribute__((preserve_access_index)), "
         "apply_to = record)\n#endif\n\n" +
         types +
         "#ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n#pragma clang attribute pop\n#endif\n\n"
         "#endif /* __VMLINUX_H__ */\n";
}

Result<std::string> DeclareC(const Btf& btf, uint32_t id, std::string_view name) {
  std::string text;
  CDeclarator declarator(btf, text);
  declarator.Declare(id, name, 0);
  if (declarator.overflow()) {
    return Error{ErrorCode::kResourceLimit, "the C text of the BTF type is longer than 64 MiB"};
  }
  return text;
}

std::vector<uint32_t> TypesNamed(const Btf& btf, std::string_view name) {
  std::vector<uint32_t> ids;
  for (uint32_t id = 1; id < btf.type_count(); ++id) {
    const Kind kind = btf.kind(id);
    if (kind == Kind::kFunc || kind == Kind::kVar || kind == Kind::kDatasec ||
        kind == Kind::kDeclTag || kind == Kind::kTypeTag || kind == Kind::kFwd) {
      continue;
    }
    if (btf.name(id) == name) ids.push_back(id);
  }
  return ids;
}

}  // namespace skep::btf
