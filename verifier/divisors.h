// SPDX-License-Identifier: Apache-2.0
// Which divisors are never zero, whatever path leads to them.

#ifndef SKEP_VERIFIER_DIVISORS_H_
#define SKEP_VERIFIER_DIVISORS_H_

#include <vector>

#include "verifier/structure.h"

namespace skep::verifier {

// Division or remainder, with or without sign.
bool IsDivision(OpKind kind);

// One entry a slot: true for divisions and remainders whose divisor is not zero
// in the operation's width.
//
// Sound because: it looks at straight-line code alone and takes every register
// for unknown where control may enter it. What the explored states say about a
// divisor would not do: a path that was pruned may bring another number, as
// pruning compares only the numbers that its verdict depends on.
std::vector<bool> NonzeroDivisors(const Structure& structure);

}  // namespace skep::verifier

#endif  // SKEP_VERIFIER_DIVISORS_H_
