// SPDX-License-Identifier: Apache-2.0
#include "maps/value_fields.h"

#include "base/check.h"
#include "model/async_service.h"
#include "model/object_heap.h"

namespace skep {

using model::SpecialKind;

namespace {
constexpr model::SpecialMask kCallbacks =
    model::MaskOf(SpecialKind::kTimer, SpecialKind::kWorkqueue);
}  // namespace

ValueFields::ValueFields(const MapSpec& spec, const MapEnvironment& environment)
    : type_(environment.value_type),
      lock_(any() ? type_->Find(model::MaskOf(SpecialKind::kSpinLock)) : nullptr),
      async_(environment.async),
      size_(spec.value_size) {
  SKEP_CHECK(!any() || async_ != nullptr);
}

void ValueFields::CopyLocked(std::byte* to, const std::byte* from) const {
  const SpinGuard guard(LockOf(to));
  Copy(to, from);
}

void ValueFields::CopyOutLocked(std::byte* to, std::byte* from) const {
  const SpinGuard guard(LockOf(from));
  CopyOut(to, from);
}

void ValueFields::EndCallbacks(std::byte* value) const {
  if (!any()) return;
  for (const model::ValueField& f : type_->fields) {
    if ((model::MaskOf(f.kind) & kCallbacks) != 0) async_->Free(value + f.offset);
  }
}

void ValueFields::EndFields(std::byte* value) const {
  EndCallbacks(value);
  model::DropOwned(*type_, value);
}

void ValueFields::WaitForCallbacks(const Map& map) const {
  if (any() && type_->Find(kCallbacks) != nullptr) async_->WaitForCallbacksOf(map);
}

}  // namespace skep
