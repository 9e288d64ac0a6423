/// Wall-clock seconds for traces and deadlines.
#pragma once

#include <chrono>

namespace pipespec {

/// Seconds on this host's steady clock; only differences mean anything.
inline double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace pipespec
