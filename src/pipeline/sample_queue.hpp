/// Where the target gets its prompts and leaves what it commits.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/trace.hpp"
#include "core/types.hpp"

namespace pipespec::pipeline {

/// A prompt to decode.
struct Request {
  std::int64_t key = 0;  ///< the queue's own name for it
  std::vector<Token> prompt;
  Position max_length = 0;                       ///< prompt and output together
  FinishReason at_limit = FinishReason::length;  ///< why the sequence ends at max_length
};

/// A sequence the target has decoded to its end.
struct Answer {
  std::int64_t key = 0;
  SequenceId sequence;
  std::vector<Token> tokens;         ///< the output, end token included
  std::vector<double> commit_times;  ///< of every token, on the run's clock
  double start = 0;                  ///< the prompt was handed to the target
  FinishReason finish = FinishReason::length;
};

/// The target's side of a run, called by its StageWorker on its thread. Calls are on the way from one pass to the next,
/// so they should take microseconds; `answered` may take longer.
class SampleQueue {
 public:
  virtual ~SampleQueue() = default;

  /// The next prompt; none when there is none to begin now.
  virtual std::optional<Request> next() = 0;

  /// True if `next` has no more, and never will.
  virtual bool is_exhausted() = 0;

  /// True if the sequences in flight should be dropped now and no new ones begun (a signal asks the job to end).
  virtual bool should_abandon() = 0;

  /// The target has committed these tokens of `key`. If a stop string is met with one of them, the output ends there:
  /// returns how many of them it keeps. Otherwise nothing.
  virtual std::optional<std::size_t> commit(std::int64_t key, std::span<const Token> tokens) = 0;

  /// The sequence is complete.
  virtual void answered(Answer answer) = 0;
};

}  // namespace pipespec::pipeline
