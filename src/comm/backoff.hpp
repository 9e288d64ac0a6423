/// How a rank waits without burning its core.
#pragma once

#include <chrono>
#include <cstdint>

namespace pipespec::comm {

/// Waiting that costs little when it is short and nothing when it is long: a few pauses, then the core is yielded to
/// other ranks, then sleeps that grow from 20 µs to 1 ms with the time waited. Not thread-safe.
class Backoff {
 public:
  /// Waits one step longer than the last time.
  void pause();

  /// Something happened: the next wait is short again.
  void reset() { polls_ = 0; }

 private:
  std::int64_t polls_ = 0;
  std::chrono::steady_clock::time_point since_;
};

}  // namespace pipespec::comm
