/// The MPI runtime of one stage: moves its messages and runs its passes.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "comm/backoff.hpp"
#include "comm/communicator.hpp"
#include "comm/word_channel.hpp"
#include "core/clock.hpp"
#include "core/step_policy.hpp"
#include "core/trace.hpp"
#include "decoding/drafter.hpp"
#include "decoding/invariants.hpp"
#include "decoding/stage.hpp"
#include "decoding/step_planner.hpp"
#include "model/language_model.hpp"
#include "pipeline/sample_queue.hpp"
#include "pipeline/trace_book.hpp"
#include "pipeline/void_watch.hpp"

namespace pipespec::pipeline {

/// What a worker works with. All but `options` are references that outlive the worker.
struct StageParts {
  decoding::StageOptions options;
  StepPolicy policy;                     ///< when to step
  double takes_from_target = 0;          ///< StepPlanner's
  std::vector<int> leaders;              ///< [stage] rank that speaks for the stage
  comm::WordChannel* channel = nullptr;  ///< reaches all of them
  const RunClock* clock = nullptr;
  model::LanguageModel* model = nullptr;                 ///< of a stage with a model
  decoding::Drafter* drafter = nullptr;                  ///< of stage 0 without one
  SampleQueue* queue = nullptr;                          ///< of the target
  int recent_tokens = 0;                                 ///< what the model's repetition penalty looks back at
  int sequences_in_flight = 1;                           ///< at the target
  SequenceId newest;                                     ///< sequences that earlier runs on this channel used up
  bool checks_invariants = false;                        ///< hold the stage against the protocol's at every event
  std::function<void(SequenceId, StageTrace)> on_trace;  ///< a sequence has ended here
  comm::OnPoll on_poll;  ///< called in every turn of the loop, between passes; tests delay here. May be empty
};

/// Drives a decoding::Stage from the first sample to the last: applies what has arrived, runs the next pass, applies
/// what arrived meanwhile, completes the pass, sends what it caused. Nothing on that way blocks. When there is nothing
/// to do it sleeps (comm::Backoff), until a doorbell rings. Main thread only.
///
/// A stage below the target looks for messages between the layers of its pass as well, where that pays (VoidWatch).
/// What has come then goes on down the chain at once, and a pass that it voids for all its sequences is given up.
/// The target's passes are never void. Ranks that share a model run every pass to its end (SharedModel).
class StageWorker {
 public:
  explicit StageWorker(StageParts parts);

  /// Works until the target has shut the pipeline down and no message of it is left. Returns the newest sequence id.
  SequenceId run();

 private:
  struct Live {  // at the target
    FinishReason at_limit = FinishReason::length;
    Answer answer;
  };

  bool receive_messages();
  void send_messages();
  void check();
  void feed();
  void abandon();
  bool step();
  void run_pass(std::span<const decoding::Work> work);
  bool compute(std::span<const decoding::Work> work);
  void look();
  bool is_still_wanted(std::span<const decoding::Work> work);
  void give_up(std::span<const decoding::Work> work);
  model::Segment segment_of(const decoding::Pass& pass);
  void complete(const decoding::Pass& pass, std::span<const Token> outputs,
                std::span<const decoding::Confidence> confidences);
  void run_proposals(std::span<const decoding::Work> work);
  void commit(SequenceId sequence, const decoding::StepResult& result);
  void close_ended();
  void admit();
  void take_slot(SequenceId sequence);
  Position held(std::span<const Token> prompt, model::Slot slot) const;
  void share_prompts();

  StageParts parts_;
  decoding::Stage stage_;
  std::optional<decoding::InvariantChecker> checker_;
  TraceBook traces_;
  decoding::StepPlanner planner_;
  decoding::StepPlan plan_;  // of the step that is taken
  VoidWatch watch_;
  std::vector<int> peers_;  // stages to look for messages of, most urgent first
  std::map<SequenceId, Live> live_;
  struct Place {  // of a sequence in the model
    model::Slot slot = 0;
    std::uint64_t noise = 0;  // which the sequence's tokens are drawn with
  };
  std::map<SequenceId, Place> places_;
  std::vector<SequenceId> unbegun_;  // of them those without a pass
  std::vector<model::Slot> free_slots_;
  std::map<model::Slot, std::vector<Token>> kept_;  // the prompts whose keys and values the slots hold
  SequenceId admitted_;                             // the newest sequence that has a slot
  std::vector<model::Segment> segments_;            // of a pass
  std::vector<Token> outputs_;                      // of a pass
  std::vector<float> probabilities_;                // [outputs_], of a stage below the target
  std::vector<decoding::Confidence> confidences_;   // likewise
  std::deque<std::vector<Token>> texts_;            // that its segments refer to
  bool has_shut_down_ = false;
};

}  // namespace pipespec::pipeline
