/// How long a stage waits for drafts that are about to come.
#pragma once

#include <cstdint>
#include <optional>

namespace pipespec::pipeline {

/// Right after a rollback the stage below has not answered yet, and a step at once would go without drafts. Where the
/// answer usually takes a small part of a pass (a drafter without a model, a fast one on the next core), waiting for it
/// is worth far more than it costs; where it takes longer, stepping at once is. This learns which of the two holds from
/// the answers seen, and tries again now and then. Times are seconds on any clock. Not thread-safe.
class Patience {
 public:
  /// A pass of this stage took `seconds`.
  void passed(double seconds);

  /// The next step would go without drafts that may still come: whether to hold it back at `now`.
  bool holds_back(double now);

  /// The next step need not wait any more (drafts are there, or the stage below has no guess).
  void answered(double now);

 private:
  static constexpr double share_of_pass = 0.15;  ///< the longest wait, in passes
  static constexpr double memory = 0.9;          ///< weight of the past in running means
  static constexpr int retry = 32;               ///< waits skipped before one is tried again

  double longest() const { return share_of_pass * pass_; }
  void learn(double answer) { answer_ = memory * answer_ + (1 - memory) * answer; }

  double pass_ = 0;    // mean time of a pass
  double answer_ = 0;  // mean time until an answer came, or until the wait was given up
  int skipped_ = 0;
  bool has_decided_ = false;     // for the step that is due
  std::optional<double> since_;  // the beginning of this wait
};

}  // namespace pipespec::pipeline
