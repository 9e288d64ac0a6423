/// How long a stage waits for drafts.
#pragma once

#include <cstddef>
#include <vector>

namespace pipespec::decoding {

/// Learns from a stage's waits for drafts of the stage below how long the next one should last at the most.
///
/// A wait costs its seconds, and earns what the drafts that end it are worth: a part of what was hoped of them, or more
/// than that. Soon after a correction comes the copy that a fast drafter had at hand, which is often right; much later
/// the token that a slower stage computed because there was none, which seldom is. So the limit is the one with the
/// most to earn, over the waits seen lately: a wait that was broken off tells nothing of what would have come later, so
/// chances are those of E. L. Kaplan and P. Meier, "Nonparametric estimation from incomplete observations", 1958. Where
/// no limit earns anything, a wait as long as hoped is tried again ever more rarely.
///
/// Times are in seconds. Not thread-safe.
class WaitLimit {
 public:
  /// For a wait that begins now; 0: there should be none. `hope`: the seconds that drafts are worth, as far as is
  /// known.
  double choose(double hope);

  /// A wait has ended with drafts that are worth such a part of what was hoped; 0: the stage below has no guess.
  void answered(double seconds, double part);

  /// A wait has reached its limit.
  void broken_off(double seconds);

 private:
  struct Wait {
    double seconds = 0;
    double part = 0;
    bool is_answered = false;
  };
  static constexpr std::size_t most_waits = 48, fewest_waits = 6;
  static constexpr int first_patience = 16, most_patience = 512;

  void remember(const Wait& wait);
  double best_limit(double hope) const;

  std::vector<Wait> waits_;        // the last ones
  std::size_t oldest_ = 0;         // of them, once there are most_waits
  int skipped_ = 0;                // waits that were not begun since the last
  int patience_ = first_patience;  // before one is tried all the same
};

}  // namespace pipespec::decoding
