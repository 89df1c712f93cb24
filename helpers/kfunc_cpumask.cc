// SPDX-License-Identifier: Apache-2.0
// Sets of CPU slots: struct bpf_cpumask. As many bits count as the runtime has CPU
// slots; what Linux does with the bits behind them in the last word is done here.
#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/memory_access.h"
#include "helpers/functions.h"
#include "helpers/registers.h"
#include "model/object_heap.h"
#include "model/runtime_services.h"

namespace skep::helpers {
namespace {

using model::HeldBy;
using model::ObjectHeap;
using model::ServicesOf;

constexpr uint32_t kWordBits = 64;
constexpr uint32_t kMaxWords = 4096 / kWordBits;  // of RuntimeOptions::cpu_slots

uint32_t SlotsOf(ExecutionContext& context) { return ServicesOf(context).cpu_slots; }

// The words of a mask, those bits alone that count.
class Mask {
 public:
  Mask(uint64_t address, uint32_t bits) : address_(address), bits_(bits) {}

  uint32_t words() const { return (bits_ + kWordBits - 1) / kWordBits; }
  uint64_t Raw(uint32_t i) const { return LoadRelaxed<uint64_t>(address_ + uint64_t{i} * 8); }
  uint64_t Word(uint32_t i) const { return Raw(i) & Counting(i); }
  void Set(uint32_t i, uint64_t word) { StoreRelaxed(address_ + uint64_t{i} * 8, word); }
  // The bits of a word that count.
  uint64_t Counting(uint32_t i) const {
    const uint32_t rest = bits_ - i * kWordBits;
    return rest >= kWordBits ? ~uint64_t{0} : (uint64_t{1} << rest) - 1;
  }

 private:
  uint64_t address_;
  uint32_t bits_;
};

// The first bit from `from` on of word(0), word(1), ...; `bits` if there is none.
template <class Word>
uint32_t FirstBit(uint32_t bits, uint32_t from, Word word) {
  for (uint32_t i = from / kWordBits; i * kWordBits < bits; ++i) {
    uint64_t value = word(i);
    if (i == from / kWordBits) value &= ~uint64_t{0} << from % kWordBits;
    if (value != 0) return i * kWordBits + static_cast<uint32_t>(std::countr_zero(value));
  }
  return bits;
}

// Some bit, another one each time.
template <class Word>
uint32_t AnyBit(uint32_t bits, ExecutionContext& context, Word word) {
  const uint32_t found = FirstBit(bits, context.NextRandom() % bits, word);
  return found < bits ? found : FirstBit(bits, 0, word);
}

// Whether test(i) holds for all words.
template <class Test>
uint64_t All(const Mask& mask, Test test) {
  for (uint32_t i = 0; i < mask.words(); ++i) {
    if (!test(i)) return 0;
  }
  return 1;
}

template <class Word>
void Fill(Mask to, Word word) {
  for (uint32_t i = 0; i < to.words(); ++i) to.Set(i, word(i));
}

// Sets or clears a bit; returns what it was.
uint64_t Exchange(uint64_t cpu, uint64_t mask, bool to, ExecutionContext& context) {
  const auto slot = static_cast<uint32_t>(cpu);
  if (slot >= SlotsOf(context)) return 0;
  auto* const word = reinterpret_cast<uint64_t*>(mask) + slot / kWordBits;
  const uint64_t bit = uint64_t{1} << slot % kWordBits;
  const uint64_t old = to ? __atomic_fetch_or(word, bit, __ATOMIC_SEQ_CST)
                          : __atomic_fetch_and(word, ~bit, __ATOMIC_SEQ_CST);
  return (old & bit) != 0 ? 1 : 0;
}

const std::shared_ptr<const model::ValueType>& MaskType() {
  static const auto type = [] {
    model::ValueType made;
    made.size = kMaxWords * 8 + 8;
    model::ValueField counter;
    counter.kind = model::SpecialKind::kRefcount;
    counter.offset = kMaxWords * 8;
    counter.size = 4;
    made.fields.push_back(counter);
    return std::make_shared<const model::ValueType>(std::move(made));
  }();
  return type;
}

}  // namespace

uint64_t CpumaskCreate(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                       ExecutionContext& context) noexcept {
  void* const mask = ServicesOf(context).heap->Make(MaskType());
  if (mask != nullptr) HeldBy(context).AddObject(mask);
  return reinterpret_cast<uint64_t>(mask);
}

uint64_t CpumaskFirst(uint64_t mask, uint64_t, uint64_t, uint64_t, uint64_t,
                      ExecutionContext& context) noexcept {
  const Mask m(mask, SlotsOf(context));
  return FirstBit(SlotsOf(context), 0, [&](uint32_t i) { return m.Word(i); });
}

uint64_t CpumaskFirstZero(uint64_t mask, uint64_t, uint64_t, uint64_t, uint64_t,
                          ExecutionContext& context) noexcept {
  const Mask m(mask, SlotsOf(context));
  return FirstBit(SlotsOf(context), 0, [&](uint32_t i) { return ~m.Raw(i) & m.Counting(i); });
}

uint64_t CpumaskFirstAnd(uint64_t r1, uint64_t r2, uint64_t, uint64_t, uint64_t,
                         ExecutionContext& context) noexcept {
  const Mask a(r1, SlotsOf(context)), b(r2, SlotsOf(context));
  return FirstBit(SlotsOf(context), 0, [&](uint32_t i) { return a.Word(i) & b.Word(i); });
}

uint64_t CpumaskSetCpu(uint64_t cpu, uint64_t mask, uint64_t, uint64_t, uint64_t,
                       ExecutionContext& context) noexcept {
  Exchange(cpu, mask, true, context);
  return 0;
}

uint64_t CpumaskClearCpu(uint64_t cpu, uint64_t mask, uint64_t, uint64_t, uint64_t,
                         ExecutionContext& context) noexcept {
  Exchange(cpu, mask, false, context);
  return 0;
}

uint64_t CpumaskTestCpu(uint64_t cpu, uint64_t mask, uint64_t, uint64_t, uint64_t,
                        ExecutionContext& context) noexcept {
  const auto slot = static_cast<uint32_t>(cpu);
  if (slot >= SlotsOf(context)) return 0;
  return Mask(mask, SlotsOf(context)).Raw(slot / kWordBits) >> slot % kWordBits & 1;
}

uint64_t CpumaskTestAndSetCpu(uint64_t cpu, uint64_t mask, uint64_t, uint64_t, uint64_t,
                              ExecutionContext& context) noexcept {
  return Exchange(cpu, mask, true, context);
}

uint64_t CpumaskTestAndClearCpu(uint64_t cpu, uint64_t mask, uint64_t, uint64_t, uint64_t,
                                ExecutionContext& context) noexcept {
  return Exchange(cpu, mask, false, context);
}

uint64_t CpumaskSetall(uint64_t mask, uint64_t, uint64_t, uint64_t, uint64_t,
                       ExecutionContext& context) noexcept {
  const Mask m(mask, SlotsOf(context));
  Fill(m, [&](uint32_t i) { return m.Counting(i); });
  return 0;
}

uint64_t CpumaskClear(uint64_t mask, uint64_t, uint64_t, uint64_t, uint64_t,
                      ExecutionContext& context) noexcept {
  Fill(Mask(mask, SlotsOf(context)), [](uint32_t) { return uint64_t{0}; });
  return 0;
}

// Whether anything is left.
uint64_t CpumaskAnd(uint64_t to, uint64_t r2, uint64_t r3, uint64_t, uint64_t,
                    ExecutionContext& context) noexcept {
  const Mask a(r2, SlotsOf(context)), b(r3, SlotsOf(context));
  uint64_t left = 0;
  Fill(Mask(to, SlotsOf(context)), [&](uint32_t i) {
    const uint64_t word = a.Word(i) & b.Word(i);
    left |= word;
    return word;
  });
  return left != 0 ? 1 : 0;
}

uint64_t CpumaskOr(uint64_t to, uint64_t r2, uint64_t r3, uint64_t, uint64_t,
                   ExecutionContext& context) noexcept {
  const Mask a(r2, SlotsOf(context)), b(r3, SlotsOf(context));
  Fill(Mask(to, SlotsOf(context)), [&](uint32_t i) { return a.Raw(i) | b.Raw(i); });
  return 0;
}

uint64_t CpumaskXor(uint64_t to, uint64_t r2, uint64_t r3, uint64_t, uint64_t,
                    ExecutionContext& context) noexcept {
  const Mask a(r2, SlotsOf(context)), b(r3, SlotsOf(context));
  Fill(Mask(to, SlotsOf(context)), [&](uint32_t i) { return a.Raw(i) ^ b.Raw(i); });
  return 0;
}

uint64_t CpumaskCopy(uint64_t to, uint64_t from, uint64_t, uint64_t, uint64_t,
                     ExecutionContext& context) noexcept {
  const Mask m(from, SlotsOf(context));
  Fill(Mask(to, SlotsOf(context)), [&](uint32_t i) { return m.Raw(i); });
  return 0;
}

uint64_t CpumaskEqual(uint64_t r1, uint64_t r2, uint64_t, uint64_t, uint64_t,
                      ExecutionContext& context) noexcept {
  const Mask a(r1, SlotsOf(context)), b(r2, SlotsOf(context));
  return All(a, [&](uint32_t i) { return a.Word(i) == b.Word(i); });
}

uint64_t CpumaskIntersects(uint64_t r1, uint64_t r2, uint64_t, uint64_t, uint64_t,
                           ExecutionContext& context) noexcept {
  const Mask a(r1, SlotsOf(context)), b(r2, SlotsOf(context));
  return All(a, [&](uint32_t i) { return (a.Word(i) & b.Word(i)) == 0; }) ^ 1;
}

uint64_t CpumaskSubset(uint64_t r1, uint64_t r2, uint64_t, uint64_t, uint64_t,
                       ExecutionContext& context) noexcept {
  const Mask a(r1, SlotsOf(context)), b(r2, SlotsOf(context));
  return All(a, [&](uint32_t i) { return (a.Word(i) & ~b.Word(i)) == 0; });
}

uint64_t CpumaskEmpty(uint64_t mask, uint64_t, uint64_t, uint64_t, uint64_t,
                      ExecutionContext& context) noexcept {
  const Mask m(mask, SlotsOf(context));
  return All(m, [&](uint32_t i) { return m.Word(i) == 0; });
}

uint64_t CpumaskFull(uint64_t mask, uint64_t, uint64_t, uint64_t, uint64_t,
                     ExecutionContext& context) noexcept {
  const Mask m(mask, SlotsOf(context));
  return All(m, [&](uint32_t i) { return m.Word(i) == m.Counting(i); });
}

uint64_t CpumaskAnyDistribute(uint64_t mask, uint64_t, uint64_t, uint64_t, uint64_t,
                              ExecutionContext& context) noexcept {
  const Mask m(mask, SlotsOf(context));
  return AnyBit(SlotsOf(context), context, [&](uint32_t i) { return m.Word(i); });
}

uint64_t CpumaskAnyAndDistribute(uint64_t r1, uint64_t r2, uint64_t, uint64_t, uint64_t,
                                 ExecutionContext& context) noexcept {
  const Mask a(r1, SlotsOf(context)), b(r2, SlotsOf(context));
  return AnyBit(SlotsOf(context), context, [&](uint32_t i) { return a.Word(i) & b.Word(i); });
}

uint64_t CpumaskWeight(uint64_t mask, uint64_t, uint64_t, uint64_t, uint64_t,
                       ExecutionContext& context) noexcept {
  const Mask m(mask, SlotsOf(context));
  uint64_t weight = 0;
  for (uint32_t i = 0; i < m.words(); ++i) {
    weight += static_cast<uint64_t>(std::popcount(m.Word(i)));
  }
  return weight;
}

uint64_t CpumaskPopulate(uint64_t mask, uint64_t from, uint64_t size, uint64_t, uint64_t,
                         ExecutionContext& context) noexcept {
  Mask to(mask, SlotsOf(context));
  const auto bytes = static_cast<uint32_t>(size);
  if (bytes < to.words() * sizeof(uint64_t)) return FromResult(-EACCES);
  for (uint32_t i = 0; i < to.words(); ++i) {
    uint64_t word;
    std::memcpy(&word, AsBytes(from) + i * sizeof word, sizeof word);
    to.Set(i, word);
  }
  return 0;
}

}  // namespace skep::helpers
