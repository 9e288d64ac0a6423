/// Wall-clock seconds for traces and deadlines.
#pragma once

#include <chrono>

namespace pipespec {

/// Seconds on this host's steady clock; only differences mean anything.
inline double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// The run's clock: one zero for all ranks, so that their timelines line up.
class RunClock {
 public:
  /// `zero`: what this host's steady clock showed when the run began.
  explicit RunClock(double zero) : zero_(zero) {}
  double now() const { return steady_seconds() - zero_; }

 private:
  double zero_;
};

}  // namespace pipespec
