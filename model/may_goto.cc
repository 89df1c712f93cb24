// SPDX-License-Identifier: Apache-2.0
#include "model/may_goto.h"

#include <ctime>

namespace skep::model {

// The real clock, whatever clock the host gives programs: a loop must end.
bool MayGotoGoesOn(MayGotoCount& count) noexcept {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  const uint64_t now =
      static_cast<uint64_t>(time.tv_sec) * 1000000000 + static_cast<uint64_t>(time.tv_nsec);
  if (count.since == 0) {
    count.since = now;
  } else if (now - count.since >= kMayGotoLimit) {
    count.left = 0;
    return false;
  }
  count.left = kMayGotoRounds;
  return true;
}

}  // namespace skep::model
