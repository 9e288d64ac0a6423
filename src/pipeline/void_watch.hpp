/// Chooses when a stage looks for messages in the course of a forward pass.
#pragma once

#include <limits>

#include "decoding/estimates.hpp"

namespace pipespec::pipeline {

/// Messages that arrive while a pass runs may void all of it: what is left of the pass is computed in vain, unless
/// somebody looks. Where doorbells reach all neighbours, that there is something to look at costs nothing to know
/// (comm::WordChannel::knows_news). Elsewhere a look takes time itself, from a microsecond to a time slice of the
/// kernel's: where ranks share cores, Open MPI gives the core away in it.
///
/// With a look every d seconds, a pass of T seconds that is voided with the chance p spends cost · T/d on looks, and
/// d/2 · p on what was void already. The sum is least at d = √(2 · cost · T/p), the interval between checkpoints that
/// loses the least time to them and to failures (J. W. Young, "A first order approximation to the optimum checkpoint
/// interval", 1974). The last look is the one that has d/2 left to save, so it pays, too; where not even the first one
/// does, a pass is never interrupted.
///
/// All three are learned without a look of its own: T from passes like this one (decoding::StepPlanner), p and the cost
/// from the look at the end of every pass. Times are in seconds on one clock. Not thread-safe.
class VoidWatch {
 public:
  /// A pass begins that is expected to take `seconds`; 0: that is not known, and it is not interrupted.
  void begin_pass(double now, double seconds);

  /// In the course of a pass: whether a look pays now.
  bool is_due(double now) const { return now - looked_ >= interval_ && end_ - now >= interval_ / 2; }

  /// A look for messages, in a pass or at its end, took from `begin` to `end`.
  void looked(double begin, double end);

  /// The pass is over, or given up; `is_void`: messages that came in its course had voided it.
  void end_pass(bool is_void);

 private:
  static constexpr double memory = 0.98;

  double looked_ = 0;                                          // the last look, or the begin of the pass
  double end_ = 0;                                             // of the pass, as expected
  double interval_ = std::numeric_limits<double>::infinity();  // between looks
  decoding::RunningMean cost_{memory};                         // seconds of a look
  decoding::RunningMean voided_{memory};                       // 1 for each pass that was
};

}  // namespace pipespec::pipeline
