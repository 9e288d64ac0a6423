/// `pipespec export`: samples as JSON lines, for outside tools.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>

#include "results/results.hpp"

namespace pipespec::results {

enum class SampleFormat : std::uint8_t {
  samples,     ///< {experiment, strategy, task, id, prompt_tokens, tokens, token_ids, text, finish, prefill_seconds,
               ///< seconds}
  human_eval,  ///< {task_id, completion}
};

/// One line a sample. `tokens` and `prompt_tokens` are counts; `seconds` is from the first token to the last,
/// `prefill_seconds` from the start to the first token. `experiment` is the label.
void write_samples(std::ostream& out, const Results& results, SampleFormat format);

/// "humaneval", or "humaneval#2" for task 2 (counted from 0) if several tasks have that preset.
std::string task_name(const config::RunConfig& config, int task);

/// "end_token", "stop_string", "length", "context"
std::string_view name(FinishReason reason);

}  // namespace pipespec::results
