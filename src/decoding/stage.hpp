/// A stage of the pipeline: the sequences it works on, and the life of each from Start to Finish.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "core/trace.hpp"
#include "core/types.hpp"
#include "decoding/message.hpp"
#include "decoding/sequence_state.hpp"
#include "decoding/work.hpp"

namespace pipespec::decoding {

/// A sequence that has ended at this stage, and what happened on the link below while it lived.
struct Ended {
  SequenceId sequence;
  LinkStatistics statistics;
  std::vector<Token> output;  ///< behind the prompt, as far as the target has confirmed it; where it ended before a
                              ///< correction came, the end may be this stage's own guess
};

/// What the driver chooses for a candidate.
struct Choice {
  SequenceId sequence;
  int drafts = 0;       ///< to check, at most
  int available = 0;    ///< of so many, for the record: the stage does not look at what follows
  double expected = 0;  ///< tokens that the step will bring, the driver's guess
};

/// Routes messages to the sequences and hands out work, fairly, for as many sequences at once as a pass has rows for.
/// The target's stage also starts and finishes sequences. Pure like SequenceState; drivers (the MPI runtime, a
/// simulator, tests) call
///
///     receive(…) for every message that has arrived; next_work(); compute; receive(…) what arrived meanwhile;
///     complete(…) each
///
/// and deliver take_outgoing() in order, per receiver. Not thread-safe.
class Stage {
 public:
  /// `newest`: ids up to this one were used by earlier chains of the same job.
  explicit Stage(StageOptions options, SequenceId newest = {0});

  const StageOptions& options() const { return *options_; }

  /// Target only. Begins a sequence here and everywhere; `max_length` counts prompt and output.
  SequenceId start(std::vector<Token> prompt, Position max_length);

  /// Target only. Ends a sequence here and everywhere; the driver calls it when a step finished the sequence, when a
  /// stop string was met, or to abandon it.
  void finish(SequenceId sequence);

  /// Target only. No more sequences: the last message of every link. Requires that all sequences are finished.
  void shut_down();

  void receive(StageIndex from, const Message& message);

  /// SequenceState::reuse of a live sequence.
  void reuse(SequenceId sequence, Position positions);

  /// The steps that could be taken now, in turn.
  std::vector<Candidate> candidates() const;

  /// The next forward pass: the rows of the chosen candidates (all of them, with all their drafts), in turn, up to
  /// `max_rows`. Of a stage without a model, a proposal for each. Empty if there is none, or while work is outstanding.
  ///
  /// Whoever the bound leaves out is the first in the next pass. A part of the rows is kept for prompts, the oldest
  /// first, which take what they can get: a long prompt neither stalls the others for long nor waits for ever.
  std::vector<Work> next_work(std::span<const Choice> choices);
  std::vector<Work> next_work();

  /// SequenceState::abstain of a candidate.
  void abstain(SequenceId sequence);

  /// Takes a result; work of a sequence that has ended meanwhile is void.
  StepResult complete(const Pass& pass, std::span<const Token> outputs, std::span<const Confidence> confidences = {});
  StepResult complete(const Proposal& proposal, std::span<const Token> tokens,
                      std::span<const Confidence> confidences = {});

  /// Whether all of the outstanding work is void (SequenceState::is_void, or its sequence has ended), so that a driver
  /// may stop computing it.
  bool is_void(std::span<const Work> work) const;

  /// Takes back a pass of work that is void and was not computed to its end.
  StepResult give_up(const Pass& pass);

  std::vector<Outgoing> take_outgoing();

  /// Sequences that ended since the last call.
  std::vector<Ended> take_ended();

  /// The state of a live sequence, nullptr if it is not (or no longer) live.
  const SequenceState* find(SequenceId sequence) const;

  /// Live sequences, oldest first.
  std::vector<SequenceId> live() const;

  /// The newest sequence that was started.
  SequenceId newest() const { return newest_; }

  /// The sequence was started and has ended: what still arrives about it does not matter.
  bool is_over(SequenceId sequence) const { return sequence <= newest_ && !sequences_.contains(sequence); }

  /// Every neighbour has sent its last message and so have we: nothing is in flight any more.
  bool is_closed() const { return shutting_down_ && open_peers_.empty(); }

  /// Hash of all that the future depends on, messages and results to be taken aside.
  std::uint64_t digest() const;

 private:
  friend class InvariantChecker;

  void begin(const Start& start);
  void end(SequenceId sequence);
  void close_links();
  template <class M>
  void route(StageIndex from, const M& message);
  template <class W>
  StepResult complete_work(const W& work, std::span<const Token> tokens, std::span<const Confidence> confidences);
  static StepResult ended_result();
  void collect(SequenceState& state);
  std::vector<Work> next_proposals(std::span<const Choice> choices);
  std::vector<Work> next_pass(std::span<const Choice> choices);

  std::shared_ptr<const StageOptions> options_;
  std::map<SequenceId, SequenceState> sequences_;
  SequenceId newest_;     // the newest sequence that was started; ids begin at 1
  SequenceId served_{0};  // the last of those in turn that were served
  std::vector<Outgoing> outgoing_;
  std::vector<Ended> ended_;
  // A neighbour's messages may overtake the Start of their sequence, which comes from the target: they wait for it
  // here.
  std::map<SequenceId, std::vector<std::pair<StageIndex, Message>>> early_;
  std::set<StageIndex> open_peers_;  // stages whose last message has not arrived
  bool shutting_down_ = false;
  Verdicts verdicts_;  // of the sequence that has ended last, for those to come
};

}  // namespace pipespec::decoding
