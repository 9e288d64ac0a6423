#include "app/run_queue.hpp"

#include <algorithm>
#include <utility>

namespace pipespec::app {

RunQueue::RunQueue(const RunContext& run, int experiment, std::vector<results::SampleKey> todo)
    : run_(run), experiment_(experiment), todo_(std::move(todo)) {
  run_.progress.begin(run_.config.experiments[experiment_].label);
}

const tasks::Sample& RunQueue::sample(const results::SampleKey& key) const {
  return run_.samples[key.task][key.index];
}

std::optional<pipeline::Request> RunQueue::next() {
  if (next_ == todo_.size() || run_.is_late()) return std::nullopt;
  const auto key = static_cast<std::int64_t>(next_++);
  const std::vector<Token>& prompt = sample(todo_[key]).prompt;
  texts_.try_emplace(key, run_.tokenizer, run_.config.generation.stop);
  const Position wanted = static_cast<Position>(prompt.size()) + run_.config.generation.max_new_tokens;
  return pipeline::Request{.key = key,
                           .prompt = prompt,
                           .max_length = std::min(wanted, run_.context),
                           .at_limit = wanted <= run_.context ? FinishReason::length : FinishReason::context};
}

std::optional<std::size_t> RunQueue::commit(std::int64_t key, std::span<const Token> tokens) {
  run_.progress.add_tokens(std::ssize(tokens));
  const std::span<const Token> ends = run_.tokenizer.end_tokens();
  StopMatcher& text = texts_.at(key);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (std::find(ends.begin(), ends.end(), tokens[i]) != ends.end()) return std::nullopt;  // not part of the text
    if (text.push(tokens[i])) return i + 1;
  }
  return std::nullopt;
}

void RunQueue::answered(pipeline::Answer answer) {
  const results::SampleKey& key = todo_[answer.key];
  StopMatcher text = std::move(texts_.extract(answer.key).mapped());
  if (answer.finish != FinishReason::stop_string) text.finish();
  SampleRecord record;
  record.experiment = key.experiment;
  record.task = key.task;
  record.index = key.index;
  record.id = sample(key).id;
  record.prompt_length = static_cast<std::int32_t>(sample(key).prompt.size());
  record.start = answer.start;
  record.first_token = answer.commit_times.front();
  record.end = answer.commit_times.back();
  record.finish = answer.finish;
  record.tokens = std::move(answer.tokens);
  record.commit_times = std::move(answer.commit_times);
  record.text = text.text();
  run_.journal.add(record, answer.sequence);
  run_.journal.commit();
  run_.progress.add_sample();
}

}  // namespace pipespec::app
