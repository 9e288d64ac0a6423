/// What a lenient stage learns from the target: whose tokens to go on with, its own or those of the stage below.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "core/types.hpp"
#include "decoding/confidence.hpp"
#include "decoding/digest.hpp"
#include "decoding/estimates.hpp"

namespace pipespec::decoding {

/// A stage remembers the drafts that it met, and its own tokens beside them where it has computed these; once the
/// target's token is known, each was right or wrong. Both are judged, whichever the stage went on with, so nothing need
/// be tried out. Two questions are answered from it.
///
/// Where a draft and the own token differ, which of them to keep: how often the draft is right then depends on how many
/// drafts before it have stood: a copy of an earlier text that has held for long goes on holding, and where drafts fail
/// they fail in clusters. So there is an estimate for each such number, which forgets and, where it rests on little,
/// leans on that of all of them.
///
/// Whether to pass a draft on at once, before the own token is known: where, with a draft of this confidence, the draft
/// has been right as often as the own token.
///
/// Pure: the same calls give the same answers. Copies are independent. Not thread-safe.
class Verdicts {
 public:
  /// A place where the target has not decided yet.
  struct Offer {
    Position position = 0;
    Token draft = 0;
    Confidence confidence;     ///< of the draft
    int run = 0;               ///< drafts that stood before it
    std::optional<Token> own;  ///< none: it was passed on at once, and the own token is not known
  };

  /// Whether to keep a draft that differs: also where it is right a little less often than the own token, since behind
  /// a draft that is right stand others.
  bool favour_draft() const { return lean(run_) >= least_lean; }

  /// How often drafts of this confidence are right, and own tokens beside one.
  double draft_is_right(Confidence confidence) const;
  double own_is_right(Confidence confidence) const;

  /// Whether to pass on a draft of this confidence at once.
  bool trusts(Confidence confidence) const { return draft_is_right(confidence) >= own_is_right(confidence); }

  /// One more draft stands; or none does any more, and the next is the first of a new run.
  void draft_stands() { ++run_; }
  void run_ends() { run_ = 0; }

  /// The next draft, and the own token if it is known. Positions grow, but for a cut.
  void meet(Position position, Token draft, Confidence confidence, std::optional<Token> own) {
    offers_.push_back({position, draft, confidence, run_, own});
  }

  /// The own token beside a draft that was passed on at once, if there is one at `position`.
  void compare(Position position, Token own);

  /// The text behind `position` has changed.
  void cut(Position position);

  /// Learns from `text`, which is the target's.
  void settle(std::span<const Token> text);

  /// What is known for the next sequence.
  Verdicts for_next_sequence() const;

  std::span<const Offer> offers() const { return offers_; }

  /// Adds all that the future depends on.
  void add_to(Digest& digest) const;

 private:
  static constexpr double least_lean = -0.3;  ///< the draft right in 35 % of the verdicts
  static constexpr double memory = 0.9, overall_memory = 0.98;
  static constexpr double weight_of_overall = 2;  ///< in verdicts
  static constexpr std::size_t buckets = 5;       ///< of runs: 0, 1, 2, 3 and all longer ones

  static std::size_t bucket(int run) { return std::min(static_cast<std::size_t>(run), buckets - 1); }
  double lean(int run) const { return by_run_[bucket(run)].value(overall_.value(0, 1), weight_of_overall); }

  // Means of 1 where the draft was right and -1 where the own token was, of those that differ.
  RunningMean overall_{overall_memory};
  std::vector<RunningMean> by_run_ = std::vector<RunningMean>(buckets, RunningMean(memory));
  // How often drafts were right, and own tokens beside one; [confidence of the draft].
  RunningMean any_draft_{overall_memory}, any_own_{overall_memory};
  std::vector<RunningMean> drafts_ = std::vector<RunningMean>(Confidence::count, RunningMean(overall_memory));
  std::vector<RunningMean> owns_ = drafts_;
  std::vector<Offer> offers_;  // by position
  int run_ = 0;
};

}  // namespace pipespec::decoding
