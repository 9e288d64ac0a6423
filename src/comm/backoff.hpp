/// How a rank waits without burning its core.
#pragma once

#include <chrono>
#include <cstdint>

#include "comm/doorbells.hpp"

namespace pipespec::comm {

/// Waiting that costs little when it is short and nothing when it is long: a few pauses, then the core is yielded to
/// other ranks, then sleeps that grow from 20 µs to 1 ms with the time waited. Not thread-safe.
///
/// A sleep is a 32nd of the time waited, so what one waits for is found a 64th of the wait late on average. With a
/// 128th synthetic stages of 2.5, 10 and 40 ms that take turns are 2 % faster, those of a pipeline not at all, and a
/// rank that waits takes 14 % of its core instead of 6 %.
///
/// On a host with fewer cores than busy threads the yield gives a whole time slice away (a trace shows gaps of 3 ms),
/// but polling without it takes more from the thread that computes: 380 against 440 tokens/s, prompt lookup beside a
/// target of two threads on two cores.
///
/// With doorbells a sleep ends when one rings, so that only what is told without is found late.
class Backoff {
 public:
  explicit Backoff(Doorbells* bells = nullptr) : bells_(bells) {}

  /// Waits one step longer than the last time.
  void pause();

  /// Something happened: the next wait is short again.
  void reset() { polls_ = 0; }

 private:
  Doorbells* bells_;
  std::int64_t polls_ = 0;
  std::chrono::steady_clock::time_point since_;
};

}  // namespace pipespec::comm
