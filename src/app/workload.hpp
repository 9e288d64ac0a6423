/// The prompts of a run, read and measured against the models' contexts.
#pragma once

#include <optional>
#include <vector>

#include "app/job.hpp"
#include "app/stage_rank.hpp"
#include "results/results.hpp"
#include "tasks/samples.hpp"
#include "text/chat_template.hpp"
#include "text/tokenizer.hpp"

namespace pipespec::app {

/// The form of conversations that the configuration sets; none: as the model's template asks for.
std::optional<text::ChatFormat> chat_format_of(const config::RunConfig& config);

/// The samples of every task [task][sample]. UserError if a data set is wrong, or a prompt leaves the target no room.
std::vector<std::vector<tasks::Sample>> read_tasks(const config::RunConfig& config, const text::Tokenizer& tokenizer,
                                                   Position target_context);

/// Positions the longest sample may take, at most what the target was trained for.
Position positions_needed(const std::vector<std::vector<tasks::Sample>>& samples, int max_new_tokens,
                          Position target_context);

/// How many samples there are, read without a tokenizer. UserError if a data set is wrong.
std::int64_t count_samples(const config::RunConfig& config);

/// The most positions that every stage can hold, `files` [stage].
Position most_positions(const config::RunConfig& config, const std::vector<StageFiles>& files);

/// UserError if this stage cannot hold `positions`.
void check_context(const config::StageConfig& stage, const StageFiles& files, Position positions);

/// What is left to do of experiment `index`: all samples but `completed`, in order.
std::vector<results::SampleKey> samples_left(const std::vector<std::vector<tasks::Sample>>& samples, int experiment,
                                             const std::vector<results::SampleKey>& completed);

/// The number of a sample among all of them, task after task, and back.
std::int32_t sample_number(const std::vector<std::vector<tasks::Sample>>& samples, const results::SampleKey& key);
results::SampleKey sample_key(const std::vector<std::vector<tasks::Sample>>& samples, int experiment,
                              std::int32_t number);

/// A hash of all prompts and ids, by which ranks can tell whether they have read the same ones.
std::int64_t digest_of(const std::vector<std::vector<tasks::Sample>>& samples);

}  // namespace pipespec::app
