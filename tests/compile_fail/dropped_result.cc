// SPDX-License-Identifier: Apache-2.0
// A caller that ignores a Result ignores an error.
// error: unused|ignoring return value
#include "skep/result.h"

skep::Result<int> Answer();

void Caller() {
#ifdef SKEP_CONTROL
  const skep::Result<int> answer = Answer();
  (void)answer;
#else
  Answer();
#endif
}
