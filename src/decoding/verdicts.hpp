/// What a lenient stage learns from the target: where a draft and its own token differ, which of them to keep.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "core/types.hpp"
#include "decoding/digest.hpp"
#include "decoding/estimates.hpp"

namespace pipespec::decoding {

/// A stage remembers both tokens wherever they differ; once the target's token there is known, one of them, or neither,
/// was right. Both are judged whichever was kept, so nothing need be tried out. How often the draft is right depends on
/// how many drafts before it have stood: a copy of an earlier text that has held for long goes on holding, and where
/// drafts fail they fail in clusters. So there is an estimate for each such number, which forgets and, where it rests
/// on little, leans on that of all of them.
///
/// Pure: the same calls give the same answers. Copies are independent. Not thread-safe.
class Verdicts {
 public:
  /// A place where the target has not decided yet.
  struct Dispute {
    Position position = 0;
    Token draft = 0;
    Token own = 0;
    int run = 0;  ///< drafts that stood before it
  };

  /// Whether to keep the next draft: also where it is right a little less often than the own token, since behind a
  /// draft that is right stand others.
  bool favour_draft() const { return lean(run_) >= least_lean; }

  /// One more draft stands; or none does any more, and the next is the first of a new run.
  void draft_stands() { ++run_; }
  void run_ends() { run_ = 0; }

  /// The next draft and the own token differ. Positions grow, but for a cut.
  void differ(Position position, Token draft, Token own) { disputes_.push_back({position, draft, own, run_}); }

  /// The text behind `position` has changed.
  void cut(Position position);

  /// Learns from `text`, which is the target's.
  void settle(std::span<const Token> text);

  /// What is known for the next sequence.
  Verdicts for_next_sequence() const;

  std::span<const Dispute> disputes() const { return disputes_; }

  /// Adds all that the future depends on.
  void add_to(Digest& digest) const;

 private:
  static constexpr double least_lean = -0.3;  ///< the draft right in 35 % of the verdicts
  static constexpr double memory = 0.9, overall_memory = 0.98;
  static constexpr double weight_of_overall = 2;  ///< in verdicts
  static constexpr std::size_t buckets = 5;       ///< of runs: 0, 1, 2, 3 and all longer ones

  static std::size_t bucket(int run) { return std::min(static_cast<std::size_t>(run), buckets - 1); }
  double lean(int run) const { return by_run_[bucket(run)].value(overall_.value(0, 1), weight_of_overall); }

  // Means of 1 where the draft was right and -1 where the own token was.
  RunningMean overall_{overall_memory};
  std::vector<RunningMean> by_run_ = std::vector<RunningMean>(buckets, RunningMean(memory));
  std::vector<Dispute> disputes_;  // by position
  int run_ = 0;
};

}  // namespace pipespec::decoding
