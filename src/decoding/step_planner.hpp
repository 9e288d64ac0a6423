/// Chooses when a stage steps, and how many drafts the step checks.
#pragma once

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "core/step_policy.hpp"
#include "core/types.hpp"
#include "decoding/confidence.hpp"
#include "decoding/estimates.hpp"
#include "decoding/message.hpp"
#include "decoding/sequence_state.hpp"
#include "decoding/stage.hpp"
#include "decoding/wait_limit.hpp"
#include "decoding/work.hpp"

namespace pipespec::decoding {

/// What a stage does next.
struct StepPlan {
  std::vector<Choice> choices;               ///< none: nothing now
  std::vector<SequenceId> abstentions = {};  ///< of these the stage abstains (Stage::abstain), before it steps
  double waited = 0;                         ///< seconds that the step was held back for drafts
  double look_again =
      std::numeric_limits<double>::infinity();  ///< without choices: when to ask again, if no message comes before

  /// What was chosen for `sequence`.
  const Choice& of(SequenceId sequence) const { return *std::ranges::find(choices, sequence, &Choice::sequence); }
};

/// A token of the stage below.
struct Draft {
  Token token = 0;
  Confidence confidence;
};

/// The next draft that the pass did not check, where its outputs will tell whether that is right. Asked right before
/// the pass is completed.
std::optional<Draft> draft_behind(const Pass& pass, const SequenceState& state);

/// One stage's policy (core/step_policy.hpp; in turn with others it is eager), driven beside its decoding::Stage. It
/// knows no clock: times are seconds on any clock that never goes back. It only ever leaves out drafts and puts off
/// steps, so the output does not depend on it. Not thread-safe.
///
/// `adaptive` earns tokens and pays with time, at the stage's own running rate of tokens per second: a step is worth
/// its expected tokens minus rate × seconds, and so is a wait. (The step that maximises this, with the best rate there
/// is, maximises tokens per second in the long run; W. Dinkelbach, "On nonlinear fractional programming", 1967.) So it
///  - checks a draft if the chance that it and all before it are accepted pays for its row; below the target its token
///    must be taken above as well to be worth anything;
///  - waits for drafts that are on their way, as long as that has earned most lately (WaitLimit);
///  - below the target, does not go on where its next token has next to no chance to be reached by the stage above;
///  - where it takes its time from the target, abstains where what its tokens add is worth less, in tokens of the
///    target. What it knows of them ages, so that it tries again now and then.
/// Drafts that are not checked still tell how good they are: the step's own token is held against the first of them.
class StepPlanner {
 public:
  /// `takes_from_target`: the seconds that the target loses by each second that the stage computes, since both need the
  /// same processors; 0 where the stage has its own.
  StepPlanner(StepPolicy policy, const StageOptions& options, double takes_from_target = 0);

  /// What to do with the stage's candidates. `now` in seconds.
  StepPlan plan(std::span<const Candidate> candidates, double now);

  /// A message has come; called before the stage receives it. `state`: of its sequence.
  void heard(const Message& message, const SequenceState& state, double now);

  /// The passes that were planned last were computed from `begin` to `end`.
  void passed(std::span<const Work> work, double begin, double end);

  /// How long such a pass has taken lately, in seconds; 0 where that is not known, as with rows of a prompt.
  double seconds_of(std::span<const Work> work) const;

  /// One of them is completed. `next_draft`: draft_behind() of it.
  void completed(const Pass& pass, const StepResult& result, const std::optional<Draft>& next_draft);

  void ended(SequenceId sequence) { sequences_.erase(sequence); }

 private:
  struct Sequence {
    Streak drafts;              // of the stage below
    Streak own;                 // tokens, as drafts of the stage above
    double expected = 0;        // of the step that is taken
    bool was_heard_of = false;  // from above
  };
  struct Reach {
    double value = 1;
    Streak streak;
  };
  struct Best {
    std::vector<int> drafts;  // [candidate]
    double worth = 0;         // tokens less the price of the time
  };
  struct Wait {
    double since = 0;     // the step has been held back
    double from = 0;      // the drafts at hand are these
    double deadline = 0;  // for the next of them
    double hope = 0;      // seconds that these are worth
    int drafts = 0;
    int ahead = 0;  // tokens passed on, of the first sequence
  };

  bool is_in_vain(const Candidate& candidate) const;
  bool is_too_dear(const Candidate& candidate, int count) const;
  std::vector<double> tokens_taken(const Candidate& candidate) const;
  bool is_short_of_drafts(const Candidate& candidate) const;
  double rate(std::span<const Candidate> candidates) const;
  Best best_drafts(std::span<const Candidate> candidates) const;
  double hoped_wait(std::span<const Candidate> candidates, double worth) const;
  bool holds_back(std::span<const Candidate> candidates, const Best& best, double now);
  void learn_from_wait(std::span<const Candidate> candidates, const Best& best, double now);
  void learn_from_passing_on(std::span<const Candidate> candidates, double now);
  Reach chance_to_be_reached(const Candidate& candidate) const;
  std::vector<double> worths(const Candidate& candidate, int drafts) const;
  StepPlan step(std::span<const Candidate> candidates, std::span<const int> drafts, double now);

  StepPolicy policy_;
  bool is_target_, is_strict_;
  double takes_from_target_;
  int most_drafts_;  // of a step
  int wanted_drafts_;
  std::map<SequenceId, Sequence> sequences_;
  PassTimes times_;
  AcceptanceChance accepts_below_, accepts_own_;
  AcceptanceChance accepts_computed_;  // of tokens that took a pass: not those that were passed on

  // Tokens and seconds of a pass, from the end of the one before. The last pass is counted when the next one ends.
  RunningMean tokens_, seconds_;
  double tokens_of_last_ = 0, seconds_of_last_ = 0;
  std::optional<double> last_end_;

  // Tokens that the target has confirmed, and seconds, from one message from above to the next.
  RunningMean confirmed_tokens_, confirmed_seconds_;
  std::optional<double> last_heard_;

  WaitLimit first_;    // for drafts, where there are none
  WaitLimit next_;     // for more
  RunningMean burst_;  // how many come first
  std::optional<Wait> wait_;
};

}  // namespace pipespec::decoding
