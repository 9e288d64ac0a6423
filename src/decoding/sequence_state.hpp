/// The stage protocol for one sequence at one stage.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/lenience.hpp"
#include "core/trace.hpp"
#include "core/types.hpp"
#include "decoding/confidence.hpp"
#include "decoding/message.hpp"
#include "decoding/verdicts.hpp"
#include "decoding/work.hpp"

namespace pipespec::decoding {

/// When a stage may step.
enum class Schedule {
  pipelined,    ///< whenever its device is free: nobody waits (strategies `pipespec` and, with one stage,
                ///< `autoregressive`)
  synchronous,  ///< only when it has the turn: draft, verify, resynchronise (strategy `speculative`, the paper's "SD")
};

/// A stage's place in its chain and its limits; the same for all sequences.
struct StageOptions {
  StageIndex index;
  int stages = 1;
  Schedule schedule = Schedule::pipelined;
  int window = 16;        ///< rows of a sequence that may want outputs in a pass: at most window - 1 drafts
  int max_rows = 128;     ///< of a pass over all its sequences; longer prompts are computed in several passes
  int max_ahead = 64;     ///< a stage pauses when its view is this far past the length known of the stage above
  int lookahead = 8;      ///< synchronous: tokens that stage 0 drafts a round
  bool has_model = true;  ///< false: stage 0 proposes tokens without a forward pass
  Lenience lenience = Lenience::strict;  ///< of a stage that has one below and one above; the ends are strict
  std::vector<Token> end_tokens;

  bool is_first() const { return index.value == 0; }
  bool is_target() const { return index.value == stages - 1; }
  StageIndex below() const { return {index.value - 1}; }
  StageIndex above() const { return {index.value + 1}; }
};

/// The state machine. Pure: no transport, no model, no clock. Not thread-safe.
///
/// The *view* is the prompt followed by the tokens this stage believes in; the target's view is final. `draft_` holds
/// what the stage below streamed at and past the end of the view. A rollback is a cut of two vectors and an epoch: O(1)
/// in the length of the sequence but for the tokens that change.
///
/// A lenient stage in the pipeline goes on with drafts that it trusts as soon as they come, computed or not: the stage
/// above has them sooner, and the rows are made up for by the stage's next pass.
///
/// Invariants, between any two calls:
///  - kv_length < view length, and the cached keys and values belong to view[0, kv_length);
///  - draft_.size() == max(0, received_ - view length);
///  - every token of view and drafts has its confidence;
///  - sent_ ≤ view length, and pipelined ≤ acknowledged + max_ahead + window: so many drafts a stage keeps at the most.
class SequenceState {
 public:
  /// Begins with the prompt as view. `verdicts`: what an adaptive stage has learned from earlier sequences.
  SequenceState(std::shared_ptr<const StageOptions> options, const Start& start, Verdicts verdicts = {});

  /// The model's cache already holds the first `positions` tokens of the prompt, from a sequence that began alike.
  /// Before any work, and again if it holds more; the last token of the prompt is computed in any case.
  void reuse(Position positions);

  /// Messages of the link from the stage below (Tokens) and from the stage above (Correction, Progress).
  void receive(const Tokens& message);
  void receive(const Correction& message);
  void receive(const Progress& message);

  /// The step that could be taken now; none while work is outstanding, or while the stage is too far ahead of the one
  /// above.
  std::optional<Candidate> candidate() const;

  /// What to compute next: the candidate, within limits.
  std::optional<Work> next_work(const StepLimits& limits = {});

  /// Takes the result of the outstanding work. Messages that arrived meanwhile have been received before.
  /// `outputs` [pass.outputs]: the model's token after each of the last rows. `confidences`: as many as the tokens, or
  /// none.
  StepResult complete(const Pass& pass, std::span<const Token> outputs, std::span<const Confidence> confidences = {});
  StepResult complete(const Proposal& proposal, std::span<const Token> tokens,
                      std::span<const Confidence> confidences = {});

  /// Leaves the step that could be taken for now, and tells the stage above what there is without it: a lenient stage
  /// passes its drafts on, whatever it thinks of them; where there are none, or the stage is strict, that it has no
  /// guess. Not the target, and only in the pipeline.
  void abstain();

  /// Whether messages have voided all of the outstanding pass: none of its rows is of the view any more, so completing
  /// it would change nothing.
  bool is_void(const Pass& pass) const;

  /// The outstanding pass, which is void, is given up: nothing of it has reached the cache.
  StepResult give_up(const Pass& pass);

  /// The messages to send since the last call, in order. Called after any of the above.
  std::vector<Outgoing> take_outgoing();

  std::span<const Token> view() const { return view_; }
  Position prompt_length() const { return prompt_length_; }
  Position kv_length() const { return kv_length_; }
  std::span<const Confidence> confidences() const { return confidences_; }  ///< of the view's tokens
  std::span<const Token> drafts() const { return draft_; }
  std::span<const Confidence> draft_confidences() const { return draft_confidences_; }
  Position acknowledged() const { return acknowledged_; }
  Position confirmed() const { return options_->is_target() ? length() : confirmed_; }
  Epoch epoch_in() const { return epoch_in_; }
  Epoch epoch_out() const { return epoch_out_; }
  const LinkStatistics& statistics() const { return statistics_; }
  const Verdicts& verdicts() const { return verdicts_; }

  /// Hash of all that the future depends on: states with the same digest behave alike.
  std::uint64_t digest() const;

 private:
  friend class InvariantChecker;

  Position length() const { return static_cast<Position>(view_.size()); }
  bool is_end_token(Token token) const;
  bool has_ended() const;
  bool is_synchronous() const;
  bool may_step() const;
  bool may_fill_cache() const;
  bool expects_drafts() const;
  int room() const;
  int drafts_to_check() const;
  Pass next_pass(const StepLimits& size) const;
  struct Chosen {
    Token token = 0;
    Confidence confidence;
  };
  Chosen decide(std::span<const Token> appended, const Chosen& own);
  void adopt(Position from, std::span<const Token> tokens, std::span<const Confidence> confidences = {});
  void send_correction(Position from);
  void raise_confirmed(Position confirmed);
  void meet(Position position, Token draft, Confidence confidence, std::optional<Token> own);
  void pass_on_trusted();
  std::ptrdiff_t drafts_to_pass_on() const;
  void pass_on(std::ptrdiff_t count);
  void say_no_guess();
  double doubt() const;
  bool may_abstain() const;
  void settle_offers();
  void grant_turn(Position round);
  void flush_up();
  void flush_down();
  void flush();
  Position kept_rows(const Pass& pass) const;
  void count(const Pass& pass, const StepResult& result);

  std::shared_ptr<const StageOptions> options_;  // shared with the stage, so that a copy of a stage stands alone
  SequenceId sequence_;
  Position prompt_length_;
  Position max_length_;

  std::vector<Token> view_;
  std::vector<Confidence> confidences_;  // [view_] of what this stage has chosen
  std::vector<Token> draft_;
  std::vector<Confidence> draft_confidences_;  // [draft_]
  Position kv_length_ = 0;
  bool has_begun_ = false;  // work
  bool outstanding_ = false;
  bool is_outdated_ = false;  // the view has changed since the outstanding work was handed out
  bool is_exhausted_ =
      false;  // has said that it has no guess for this view: a drafter without a model, or who abstains

  Epoch epoch_in_ = 0;       // corrections sent to the stage below
  Position received_;        // length of the stream of the stage below in the present epoch
  Position silent_at_ = -1;  // the length of that stream at which the stage below had no guess how it goes on
  Position reported_;        // length of the own view last told to the stage below
  Epoch epoch_out_ = 0;      // last correction processed from the stage above
  Position sent_;            // length streamed to the stage above in the present epoch
  Position acknowledged_;    // last length known of the stage above
  Position confirmed_;       // leading tokens known to be the target's
  Position reported_confirmed_;
  bool is_overruled_ = false;  // the stage above has another text than the view, and its correction is on the way

  // Synchronous schedule.
  Position round_ = 0;    // confirmed length on which the present round builds
  bool turn_ = false;     // this stage may step
  bool stepped_ = false;  // and has done so in this turn

  Verdicts verdicts_;
  std::vector<Outgoing> outgoing_;
  LinkStatistics statistics_;
};

}  // namespace pipespec::decoding
