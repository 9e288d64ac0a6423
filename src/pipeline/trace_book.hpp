/// What a stage records while it works: its steps and messages, by sequence.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "core/clock.hpp"
#include "core/trace.hpp"
#include "decoding/message.hpp"
#include "decoding/stage.hpp"
#include "decoding/work.hpp"

namespace pipespec::pipeline {

/// Collects the traces of the live sequences of one stage. Not thread-safe.
class TraceBook {
 public:
  TraceBook(StageIndex stage, const RunClock& clock) : stage_(stage), clock_(clock) {}

  void record(const decoding::Message& message, Direction direction, StageIndex peer);

  /// A forward pass, or guesses at one go, has ended: the steps recorded until the next call are its. It had been held
  /// back for `waited` seconds.
  void end_pass(double begin, double waited);
  void record(const decoding::Pass& pass, const decoding::StepResult& result, const decoding::Choice& choice);
  void record_given_up(const decoding::Pass& pass, const decoding::StepResult& result, const decoding::Choice& choice);
  void record(const decoding::Proposal& proposal, const decoding::StepResult& result);

  /// The trace of a sequence that has ended; the book forgets it.
  StageTrace close(const decoding::Ended& ended);

 private:
  StepRecord& add_step(SequenceId sequence);

  StageIndex stage_;
  const RunClock& clock_;
  StepRecord pass_;  // what the steps of a pass have in common
  std::map<SequenceId, StageTrace> open_;
};

}  // namespace pipespec::pipeline
