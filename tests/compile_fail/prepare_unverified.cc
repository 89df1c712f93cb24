// SPDX-License-Identifier: Apache-2.0
// Trusting engines take what the verifier accepted, and nothing else.
// error: cannot convert .*to .*VerifiedProgram|no known conversion from .*to 'const
// skep::VerifiedProgram
#include "skep/runtime.h"

bool Load(skep::Runtime& runtime, const skep::Program& program,
          const skep::VerifiedProgram& verified) {
#ifdef SKEP_CONTROL
  (void)program;
  return runtime.Prepare(verified, skep::Engine::kJit, {}).has_value();
#else
  (void)verified;
  return runtime.Prepare(program, skep::Engine::kJit, {}).has_value();
#endif
}
