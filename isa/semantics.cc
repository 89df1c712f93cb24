// SPDX-License-Identifier: Apache-2.0
// Run-time dispatch to the compile-time definitions: a switch over the rows of
// the table, so that no kind can be forgotten.

#include "isa/semantics.h"

#include "base/check.h"

namespace skep {
namespace {

// Kind and width as one switch value.
constexpr int Key(OpKind kind, int width) { return static_cast<int>(kind) * 128 + width; }

// The first row with this kind and width stands for all of them, because case
// labels must be unique; the others get labels that no key reaches.
constexpr int CaseLabel(Op op) {
  const OpInfo& info = Info(op);
  for (int i = 0; i < static_cast<int>(op); ++i) {
    const OpInfo& earlier = kOpTable[static_cast<size_t>(i)];
    if (earlier.kind == info.kind && earlier.width == info.width) {
      return -1 - static_cast<int>(op);
    }
  }
  return Key(info.kind, info.width);
}

// What a row of the class computes. Templates, because only there does
// `if constexpr` keep the other rows from being instantiated. The label of a row
// of another class is a key too, and reaching it is the caller's bug.
template <Op op>
uint64_t AluOfRow(uint64_t dst, uint64_t src) {
  constexpr OpInfo kInfo = Info(op);
  if constexpr (ClassOf(kInfo.kind) == OpClass::kAlu) {
    return EvalAlu<kInfo.kind, kInfo.width>(dst, src);
  } else {
    SKEP_CHECK(!"an arithmetic operation");
    return 0;
  }
}

template <Op op>
bool JumpOfRow(uint64_t dst, uint64_t src) {
  constexpr OpInfo kInfo = Info(op);
  if constexpr (ClassOf(kInfo.kind) == OpClass::kBranch) {
    return EvalJump<kInfo.kind, kInfo.width>(dst, src);
  } else {
    SKEP_CHECK(!"a conditional jump");
    return false;
  }
}

template <Op op>
uint64_t AtomicOfRow(uint64_t old, uint64_t src, uint64_t expected) {
  constexpr OpInfo kInfo = Info(op);
  if constexpr (ClassOf(kInfo.kind) == OpClass::kAtomic) {
    return EvalAtomic<kInfo.kind, kInfo.width>(old, src, expected);
  } else {
    SKEP_CHECK(!"an atomic operation");
    return 0;
  }
}

}  // namespace

uint64_t EvalAlu(OpKind kind, int width, uint64_t dst, uint64_t src) {
  switch (Key(kind, width)) {
#define SKEP_OP(name, ...)     \
  case CaseLabel(Op::k##name): \
    return AluOfRow<Op::k##name>(dst, src);
#include "isa/opcodes.def"
  }
  SKEP_CHECK(!"an arithmetic kind and width of the table");
  return 0;
}

bool EvalJump(OpKind kind, int width, uint64_t dst, uint64_t src) {
  switch (Key(kind, width)) {
#define SKEP_OP(name, ...)     \
  case CaseLabel(Op::k##name): \
    return JumpOfRow<Op::k##name>(dst, src);
#include "isa/opcodes.def"
  }
  SKEP_CHECK(!"a conditional jump kind and width of the table");
  return false;
}

uint64_t EvalAtomic(OpKind kind, int width, uint64_t old, uint64_t src, uint64_t expected) {
  switch (Key(kind, width)) {
#define SKEP_OP(name, ...)     \
  case CaseLabel(Op::k##name): \
    return AtomicOfRow<Op::k##name>(old, src, expected);
#include "isa/opcodes.def"
  }
  SKEP_CHECK(!"an atomic kind and width of the table");
  return 0;
}

}  // namespace skep
