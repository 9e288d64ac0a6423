/// What a run records, as plain data: the pipeline fills it in, the results layer stores it.
/// All times are seconds on the run's clock: rank 0's steady clock, zero at the start of the job.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/types.hpp"

namespace pipespec {

/// What a forward pass was for.
enum class StepKind : std::uint8_t {
  prefill,  ///< rows of the prompt, a piece of it where it is long; those behind what is left of an earlier prompt
  draft,    ///< decoded without drafts of a stage below
  verify,   ///< checked drafts of the stage below
};

/// What one sequence had of a forward pass (for a drafter without a model: of its guesses at one go).
struct StepRecord {
  SequenceId sequence;
  double begin = 0, end = 0;  ///< of the pass
  Position position = 0;      ///< of the first row computed
  std::int32_t rows = 0;      ///< rows computed: view tokens not yet in the KV cache, and drafts
  std::int32_t offered = 0;   ///< drafts among the rows
  std::int32_t accepted = 0;  ///< drafts that equalled the stage's own token
  std::int32_t appended = 0;  ///< tokens appended to the view
  std::int32_t wasted = 0;    ///< rows discarded, because a correction had voided them or a draft was wrong
  StepKind kind = StepKind::draft;
  std::int32_t available = 0;  ///< drafts at hand when the step was planned; `offered` of them were checked
  double expected = 0;         ///< tokens that the policy expected of the step; below the target: to be taken above
  std::int32_t given_up = 0;   ///< 1: the pass was voided while it ran, and cut short at `end`
  double waited = 0;           ///< seconds that the policy had held the pass back for drafts
  std::int32_t pass = 0;  ///< number of the forward pass at its stage, in its experiment; steps of one pass share it
  friend bool operator==(const StepRecord&, const StepRecord&) = default;
};

enum class MessageKind : std::uint8_t { tokens, correction, progress, start, finish, shutdown };
enum class Direction : std::uint8_t { sent, received };

/// One protocol message, as one end of the link saw it.
struct MessageRecord {
  SequenceId sequence;
  double time = 0;
  MessageKind kind = MessageKind::tokens;
  Direction direction = Direction::sent;
  StageIndex peer;
  Epoch epoch = 0;
  Position position = 0;
  std::int32_t count = 0;  ///< tokens carried
  friend bool operator==(const MessageRecord&, const MessageRecord&) = default;
};

/// How the drafts of stage s-1 fared at stage s, for one sequence.
struct LinkStatistics {
  std::int64_t verify_passes = 0;      ///< passes that checked at least one draft
  std::vector<std::int64_t> offered;   ///< [draft position in the pass]
  std::vector<std::int64_t> accepted;  ///< [draft position in the pass]
  std::int64_t wasted = 0;             ///< rows computed and discarded
  std::int64_t stale = 0;              ///< tokens received in an older epoch and dropped
  std::int64_t corrections = 0;        ///< corrections sent down the link
  std::int64_t passes = 0;             ///< passes of the stage that ran to their end, prefill included
  friend bool operator==(const LinkStatistics&, const LinkStatistics&) = default;
};

/// What one stage did for one sequence.
struct StageTrace {
  StageIndex stage;
  LinkStatistics link;
  std::vector<StepRecord> steps;
  std::vector<MessageRecord> messages;
  friend bool operator==(const StageTrace&, const StageTrace&) = default;
};

enum class FinishReason : std::uint8_t {
  end_token,    ///< the target produced one of the model's end tokens
  stop_string,  ///< the text met a stop string
  length,       ///< max_new_tokens were generated
  context,      ///< the model's context is full
};

/// One completed sample. `tokens` are the target's, without the prompt, the end token included.
struct SampleRecord {
  std::int32_t experiment = 0;  ///< index in the configuration
  std::int32_t task = 0;        ///< index in the configuration
  std::int32_t index = 0;       ///< of the sample within the task
  std::string id;               ///< the sample's own id, unique within the task
  std::int32_t prompt_length = 0;
  std::vector<Token> tokens;
  std::vector<double> commit_times;  ///< of every token
  std::string text;
  FinishReason finish = FinishReason::length;
  double start = 0;        ///< the prompt was handed to the target
  double first_token = 0;  ///< the first token was committed
  double end = 0;          ///< the last token was committed
  friend bool operator==(const SampleRecord&, const SampleRecord&) = default;
};

/// What one rank took of its host during one experiment of one launch of the job. `begin` and `end` are the same
/// moments on all ranks, up to the messages of a barrier.
struct TelemetryRecord {
  std::int32_t attempt = 0;     ///< the launch, from 0
  std::int32_t experiment = 0;  ///< index in the configuration
  std::int32_t rank = 0;
  double begin = 0, end = 0;
  double cpu_seconds = 0;        ///< of the process, all its threads, user and system
  std::int64_t peak_memory = 0;  ///< bytes, the most that the process has held up to `end`
  double energy =
      0;  ///< joules of the rank's host; NaN where it does not tell, and for all ranks of a host but the first
  double clock_offset = 0;  ///< seconds, own clock minus rank 0's, at `end`
  friend bool operator==(const TelemetryRecord&, const TelemetryRecord&) = default;
};

}  // namespace pipespec
