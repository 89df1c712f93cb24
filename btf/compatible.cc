// SPDX-License-Identifier: Apache-2.0
#include "btf/compatible.h"

namespace skep::btf {
namespace {

constexpr int kMaxDepth = 32;
constexpr int kMaxSteps = 10'000;

bool IsEnum(Kind kind) { return kind == Kind::kEnum || kind == Kind::kEnum64; }

class Comparison {
 public:
  Comparison(const Btf& local, const Btf& target) : local_(local), target_(target) {}

  bool Same(uint32_t local_id, uint32_t target_id, int depth) {
    if (depth > kMaxDepth || ++steps_ > kMaxSteps) return false;
    local_id = local_.SkipModifiers(local_id);
    target_id = target_.SkipModifiers(target_id);
    const Type local = local_.type(local_id);
    const Type target = target_.type(target_id);
    if (local.kind != target.kind && !(IsEnum(local.kind) && IsEnum(target.kind))) return false;
    switch (local.kind) {
      case Kind::kVoid:
      case Kind::kStruct:
      case Kind::kUnion:
      case Kind::kEnum:
      case Kind::kEnum64:
      case Kind::kFwd:
        return true;
      case Kind::kInt:  // bitfields of old compilers
        return local_.integer(local_id).bit_offset == 0 &&
               target_.integer(target_id).bit_offset == 0;
      case Kind::kPtr:
        return Same(local.size_or_type, target.size_or_type, depth + 1);
      case Kind::kArray:
        return Same(local_.array(local_id).element, target_.array(target_id).element, depth + 1);
      case Kind::kFuncProto:
        return SamePrototype(local_id, local, target_id, target, depth);
      case Kind::kTypedef:
      case Kind::kVolatile:
      case Kind::kConst:
      case Kind::kRestrict:
      case Kind::kFunc:
      case Kind::kVar:
      case Kind::kDatasec:
      case Kind::kFloat:
      case Kind::kDeclTag:
      case Kind::kTypeTag:
        return false;
    }
    return false;
  }

 private:
  bool SamePrototype(uint32_t local_id, const Type& local, uint32_t target_id, const Type& target,
                     int depth) {
    if (local.vlen != target.vlen) return false;
    for (uint32_t i = 0; i < local.vlen; ++i) {
      const uint32_t a = local_.parameter(local_id, i).type;
      const uint32_t b = target_.parameter(target_id, i).type;
      if (!Same(a, b, depth + 1)) return false;
    }
    return Same(local.size_or_type, target.size_or_type, depth + 1);
  }

  const Btf& local_;
  const Btf& target_;
  int steps_ = 0;
};

}  // namespace

bool AreCompatible(const Btf& local, uint32_t local_id, const Btf& target, uint32_t target_id) {
  return Comparison(local, target).Same(local_id, target_id, 1);
}

}  // namespace skep::btf
