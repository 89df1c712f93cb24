// SPDX-License-Identifier: Apache-2.0
#include "loader/core_spec.h"

#include <array>
#include <charconv>
#include <optional>

#include <fmt/format.h>

namespace skep::loader {
namespace {

struct KindRow {
  std::string_view name;
  CoreSubject subject;
};
constexpr std::array<KindRow, kCoreKindCount> kKinds = {{
    {"byte_off", CoreSubject::kField},
    {"byte_sz", CoreSubject::kField},
    {"field_exists", CoreSubject::kField},
    {"signed", CoreSubject::kField},
    {"lshift_u64", CoreSubject::kField},
    {"rshift_u64", CoreSubject::kField},
    {"local_type_id", CoreSubject::kType},
    {"target_type_id", CoreSubject::kType},
    {"type_exists", CoreSubject::kType},
    {"type_size", CoreSubject::kType},
    {"enumval_exists", CoreSubject::kEnumerator},
    {"enumval_value", CoreSubject::kEnumerator},
    {"type_matches", CoreSubject::kType},
}};

constexpr size_t kNameShown = 64;

// "0:1:2" as numbers; nothing unless all of it is digits between colons.
CoreProblem ReadNumbers(std::string_view text, std::vector<uint32_t>& out) {
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    uint32_t number = 0;
    const auto [next, error] = std::from_chars(at, end, number);
    if (error != std::errc() || number > INT32_MAX) return CoreProblem::kBadAccess;
    if (out.size() == kMaxCoreSteps) return CoreProblem::kTooDeep;
    out.push_back(number);
    if (next == end) return CoreProblem::kNone;
    if (*next != ':') return CoreProblem::kBadAccess;
    at = next + 1;
  }
}

// Follows the numbers after the first through members and elements.
CoreProblem FollowField(CoreSpec& spec) {
  const btf::Btf& btf = *spec.btf;
  uint32_t id = spec.steps[0].type;
  for (size_t i = 1; i < spec.raw.size(); ++i) {
    id = btf.SkipModifiers(id);
    const uint32_t index = spec.raw[i];
    const btf::Kind kind = btf.kind(id);
    if (IsAggregate(kind)) {
      if (index >= btf.type(id).vlen) return CoreProblem::kBadAccess;
      const btf::Member member = btf.member(id, index);
      if (const auto problem = AddBits(member.bit_offset, spec); problem != CoreProblem::kNone)
        return problem;
      if (!member.name.empty()) spec.steps.push_back({id, index, member.name});
      id = member.type;
    } else if (kind == btf::Kind::kArray) {
      const btf::ArrayInfo array = btf.array(id);
      if (index >= array.count && !IsFlexible(spec, array)) return CoreProblem::kBadAccess;
      id = btf.SkipModifiers(array.element);
      spec.steps.push_back({id, index, {}});
      if (const auto problem = AddElements(id, index, spec); problem != CoreProblem::kNone)
        return problem;
    } else {
      return CoreProblem::kBadAccess;
    }
  }
  return CoreProblem::kNone;
}

}  // namespace

CoreSubject SubjectOf(CoreKind kind) { return kKinds[static_cast<size_t>(kind)].subject; }

std::string_view CoreKindName(uint32_t kind) {
  return kind < kKinds.size() ? kKinds[kind].name : "unknown";
}

std::string_view CoreProblemText(CoreProblem problem) {
  switch (problem) {
    case CoreProblem::kNone:
      return "";
    case CoreProblem::kUnknownKind:
      return "unknown kind of CO-RE relocation";
    case CoreProblem::kBadAccess:
      return "the access string does not fit the type";
    case CoreProblem::kTooDeep:
      return "types are nested deeper than 64 levels";
    case CoreProblem::kTooFar:
      return "the field lies beyond 512 MiB";
    case CoreProblem::kNoSize:
      return "a type on the way has no size";
    case CoreProblem::kNoTarget:
      return "needs the BTF of the target kernel (--btf FILE)";
    case CoreProblem::kAnonymous:
      return "a type without a name cannot be found in the target";
    case CoreProblem::kTooManyCandidates:
      return "the target has more than 1024 types of this name";
    case CoreProblem::kAmbiguousOffset:
      return "ambiguous: the target's types of this name have the field at different offsets";
    case CoreProblem::kAmbiguousValue:
      return "ambiguous: the target's types of this name give different values";
    case CoreProblem::kWideBitfield:
      return "no load of up to 8 bytes covers the bitfield";
    case CoreProblem::kElementProperty:
      return "an array element has an offset and a size, nothing else";
    case CoreProblem::kTooMuchWork:
      return "matching the object's types with the target's takes too many steps";
  }
  return "";
}

bool IsAggregate(btf::Kind kind) { return kind == btf::Kind::kStruct || kind == btf::Kind::kUnion; }
bool IsEnum(btf::Kind kind) { return kind == btf::Kind::kEnum || kind == btf::Kind::kEnum64; }
bool SameCoreKind(btf::Kind a, btf::Kind b) { return a == b || (IsEnum(a) && IsEnum(b)); }

CoreProblem AddBits(uint64_t bits, CoreSpec& spec) {
  const uint64_t sum = spec.bit_offset + bits;
  if (bits > UINT32_MAX || sum > UINT32_MAX) return CoreProblem::kTooFar;
  spec.bit_offset = static_cast<uint32_t>(sum);
  return CoreProblem::kNone;
}

CoreProblem AddElements(uint32_t element, uint32_t index, CoreSpec& spec) {
  const std::optional<uint32_t> size = spec.btf->SizeOf(element);
  if (!size) return CoreProblem::kNoSize;
  const uint64_t bytes = uint64_t{index} * *size;  // both below 2^32
  return bytes > UINT32_MAX ? CoreProblem::kTooFar : AddBits(bytes * 8, spec);
}

bool IsFlexible(const CoreSpec& spec, const btf::ArrayInfo& array) {
  if (array.count != 0 || spec.steps.empty() || spec.steps.back().name.empty()) return false;
  return spec.steps.back().index + 1 == spec.btf->type(spec.steps.back().type).vlen;
}

CoreProblem ReadCoreSpec(const btf::Btf& btf, const btf::CoreRelocation& record, CoreSpec& spec) {
  spec = {};
  spec.btf = &btf;
  spec.root = record.type_id;
  const std::string_view access = btf.StringAt(record.access_offset);
  const CoreSubject subject = SubjectOf(static_cast<CoreKind>(record.kind));
  if (subject == CoreSubject::kType)
    return access == "0" ? CoreProblem::kNone : CoreProblem::kBadAccess;
  if (const auto problem = ReadNumbers(access, spec.raw); problem != CoreProblem::kNone)
    return problem;
  const uint32_t id = btf.SkipModifiers(record.type_id);
  if (subject == CoreSubject::kEnumerator) {
    if (!IsEnum(btf.kind(id)) || spec.raw.size() > 1 || spec.raw[0] >= btf.type(id).vlen)
      return CoreProblem::kBadAccess;
    const std::string_view name = btf.enumerator(id, spec.raw[0]).name;
    if (name.empty()) return CoreProblem::kBadAccess;
    spec.steps.push_back({id, spec.raw[0], name});
    return CoreProblem::kNone;
  }
  spec.steps.push_back({id, spec.raw[0], {}});
  if (const auto problem = AddElements(id, spec.raw[0], spec); problem != CoreProblem::kNone)
    return problem;
  return FollowField(spec);
}

std::string DescribeCore(uint32_t kind, const CoreSpec& spec) {
  const std::string_view name = spec.btf->name(spec.root);
  std::string out = fmt::format("<{}> [{}] {} {}", CoreKindName(kind), spec.root,
                                btf::KindName(spec.btf->kind(spec.root)),
                                name.empty() ? "<anon>" : name.substr(0, kNameShown));
  if (spec.steps.empty()) return out;
  if (SubjectOf(static_cast<CoreKind>(kind)) == CoreSubject::kEnumerator) {
    const CoreStep& step = spec.steps[0];
    const int64_t value = spec.btf->enumerator(step.type, step.index).value;
    out += fmt::format("::{} = ", step.name.substr(0, kNameShown));
    return out + (spec.btf->type(step.type).kind_flag
                      ? fmt::format("{}", value)
                      : fmt::format("{}", static_cast<uint64_t>(value)));
  }
  constexpr size_t kStepsShown = 8;
  for (size_t i = 0; i < spec.steps.size() && i < kStepsShown; ++i) {
    const CoreStep& step = spec.steps[i];
    if (!step.name.empty()) {
      out += fmt::format(".{}", step.name.substr(0, kNameShown));
    } else if (i > 0 || step.index > 0) {
      out += fmt::format("[{}]", step.index);
    }
  }
  if (spec.steps.size() > kStepsShown) out += "...";
  out += " (";
  for (size_t i = 0; i < spec.raw.size(); ++i)
    out += fmt::format("{}{}", i == 0 ? "" : ":", spec.raw[i]);
  out += fmt::format(" @ offset {}", spec.bit_offset / 8);
  if (spec.bit_offset % 8 != 0) out += fmt::format(".{}", spec.bit_offset % 8);
  return out + ")";
}

std::string DescribeCore(const btf::Btf& btf, const btf::CoreRelocation& record) {
  CoreSpec spec;
  if (record.kind < kCoreKindCount && ReadCoreSpec(btf, record, spec) == CoreProblem::kNone)
    return DescribeCore(record.kind, spec);
  const std::string_view name = btf.name(record.type_id);
  return fmt::format("<{}> [{}] {} {} + '{}'", CoreKindName(record.kind), record.type_id,
                     btf::KindName(btf.kind(record.type_id)),
                     name.empty() ? "<anon>" : name.substr(0, kNameShown),
                     btf.StringAt(record.access_offset).substr(0, kNameShown));
}

}  // namespace skep::loader
