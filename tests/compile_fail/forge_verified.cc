// SPDX-License-Identifier: Apache-2.0
// Only Verify makes a VerifiedProgram.
// error: private|no matching
#include "skep/verify.h"

skep::VerifiedProgram Forge(const skep::Program& program, const skep::Environment& environment) {
#ifdef SKEP_CONTROL
  return *skep::Verify(program, environment, {}).verified;
#else
  (void)environment;
  return skep::VerifiedProgram(program, {}, nullptr);
#endif
}
