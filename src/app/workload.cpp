#include "app/workload.hpp"

#include <algorithm>
#include <optional>

#include "core/error.hpp"
#include "decoding/digest.hpp"

namespace pipespec::app {

namespace {

std::optional<tasks::SampleRange> range_of(const config::TaskConfig& task) {
  if (!task.samples) return std::nullopt;
  return tasks::SampleRange{task.samples->first, task.samples->last};
}

/// What `read` returns; its errors say which task asked for the file, which the reader does not know.
template <class Read>
auto of_task(const config::TaskConfig& task, Read&& read) try {
  return read();
} catch (const UserError& error) {
  reject("{}: {}", task.where, error.what());
}

std::vector<tasks::Sample> read_task(const config::TaskConfig& task, const text::Tokenizer& tokenizer,
                                     std::optional<text::ChatFormat> chat, Position target_context) {
  auto samples = tasks::read_samples(tasks::preset_from_name(task.preset), task.file, range_of(task), tokenizer, chat);
  for (const tasks::Sample& sample : samples) {
    validate(std::ssize(sample.prompt) < target_context,
             "the prompt of sample \"{}\" has {} tokens (the target's context is {}): leave it out with `samples:`, "
             "or take a model with a longer context",
             sample.id, sample.prompt.size(), target_context);
  }
  return samples;
}

/// The most positions the stage can hold.
Position context_limit(const config::StageConfig& stage, const StageFiles& files) {
  return stage.context > 0 ? std::min<Position>(stage.context, files.context) : files.context;
}

}  // namespace

std::optional<text::ChatFormat> chat_format_of(const config::RunConfig& config) {
  switch (config.generation.chat) {
    case config::Chat::automatic:
      return std::nullopt;
    case config::Chat::chatml:
      return text::ChatFormat::chatml;
    case config::Chat::llama2:
      return text::ChatFormat::llama2;
    case config::Chat::llama3:
      return text::ChatFormat::llama3;
  }
  throw ContractError("a chat form that has no meaning");
}

std::vector<std::vector<tasks::Sample>> read_tasks(const config::RunConfig& config, const text::Tokenizer& tokenizer,
                                                   Position target_context) {
  std::vector<std::vector<tasks::Sample>> all;
  for (const config::TaskConfig& task : config.tasks)
    all.push_back(of_task(task, [&] { return read_task(task, tokenizer, chat_format_of(config), target_context); }));
  return all;
}

std::int64_t count_samples(const config::RunConfig& config) {
  std::int64_t count = 0;
  for (const config::TaskConfig& task : config.tasks)
    count += of_task(
        task, [&] { return tasks::count_samples(tasks::preset_from_name(task.preset), task.file, range_of(task)); });
  return count;
}

Position most_positions(const config::RunConfig& config, const std::vector<StageFiles>& files) {
  Position most = context_limit(config.stages.back(), files.back());
  for (std::size_t s = 0; s < files.size(); ++s)
    if (files[s].context > 0) most = std::min(most, context_limit(config.stages[s], files[s]));
  return most;
}

Position positions_needed(const std::vector<std::vector<tasks::Sample>>& samples, int max_new_tokens,
                          Position target_context) {
  Position longest = 0;
  for (const auto& task : samples) {
    for (const tasks::Sample& sample : task) longest = std::max(longest, static_cast<Position>(sample.prompt.size()));
  }
  return std::min(target_context, longest + max_new_tokens);
}

void check_context(const config::StageConfig& stage, const StageFiles& files, Position positions) {
  if (files.context == 0) return;
  const Position limit = context_limit(stage, files);
  validate(positions <= limit,
           "{}: the samples take up to {} positions (the stage has {}): lower generation.max_new_tokens, leave long "
           "prompts out, or take a model with a longer context",
           stage.where, positions, limit);
}

std::vector<results::SampleKey> samples_left(const std::vector<std::vector<tasks::Sample>>& samples, int experiment,
                                             const std::vector<results::SampleKey>& completed) {
  std::vector<results::SampleKey> left;
  for (std::size_t task = 0; task < samples.size(); ++task) {
    for (std::size_t index = 0; index < samples[task].size(); ++index) {
      const results::SampleKey key{experiment, static_cast<std::int32_t>(task), static_cast<std::int32_t>(index)};
      if (!std::binary_search(completed.begin(), completed.end(), key)) left.push_back(key);
    }
  }
  return left;
}

std::int32_t sample_number(const std::vector<std::vector<tasks::Sample>>& samples, const results::SampleKey& key) {
  std::int32_t number = key.index;
  for (std::int32_t task = 0; task < key.task; ++task) number += static_cast<std::int32_t>(samples[task].size());
  return number;
}

results::SampleKey sample_key(const std::vector<std::vector<tasks::Sample>>& samples, int experiment,
                              std::int32_t number) {
  std::int32_t task = 0;
  for (; number >= std::ssize(samples.at(task)); ++task) number -= static_cast<std::int32_t>(samples[task].size());
  return {experiment, task, number};
}

std::int64_t digest_of(const std::vector<std::vector<tasks::Sample>>& samples) {
  decoding::Digest digest;
  for (const auto& task : samples) {
    digest.add(std::ssize(task));
    for (const tasks::Sample& sample : task) {
      digest.add(sample.prompt);
      for (const char c : sample.id) digest.add(static_cast<std::int64_t>(c));
    }
  }
  return static_cast<std::int64_t>(digest.value());
}

}  // namespace pipespec::app
