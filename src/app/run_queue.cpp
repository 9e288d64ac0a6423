#include "app/run_queue.hpp"

#include <algorithm>
#include <utility>

#include "app/workload.hpp"

namespace pipespec::app {

std::optional<pipeline::Request> RunQueue::next() {
  if (run_.is_late()) return std::nullopt;
  const std::optional<std::int32_t> number = samples_.next();
  if (!number) return std::nullopt;
  const results::SampleKey key = sample_key(run_.samples, experiment_, *number);
  const std::vector<Token>& prompt = run_.samples[key.task][key.index].prompt;
  texts_.try_emplace(*number, run_.tokenizer, run_.config.generation.stop);
  const Position wanted = static_cast<Position>(prompt.size()) + run_.config.generation.max_new_tokens;
  return pipeline::Request{.key = *number,
                           .prompt = prompt,
                           .max_length = std::min(wanted, run_.context),
                           .at_limit = wanted <= run_.context ? FinishReason::length : FinishReason::context};
}

std::optional<std::size_t> RunQueue::commit(std::int64_t number, std::span<const Token> tokens) {
  samples_.add_tokens(std::ssize(tokens));
  const std::span<const Token> ends = run_.tokenizer.end_tokens();
  StopMatcher& text = texts_.at(number);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (std::find(ends.begin(), ends.end(), tokens[i]) != ends.end()) return std::nullopt;  // not part of the text
    if (text.push(tokens[i])) return i + 1;
  }
  return std::nullopt;
}

void RunQueue::answered(pipeline::Answer answer) {
  const auto number = static_cast<std::int32_t>(answer.key);
  const results::SampleKey key = sample_key(run_.samples, experiment_, number);
  const tasks::Sample& sample = run_.samples[key.task][key.index];
  StopMatcher text = std::move(texts_.extract(answer.key).mapped());
  if (answer.finish != FinishReason::stop_string) text.finish();
  SampleRecord record;
  record.experiment = key.experiment;
  record.task = key.task;
  record.index = key.index;
  record.id = sample.id;
  record.prompt_length = static_cast<std::int32_t>(sample.prompt.size());
  record.start = answer.start;
  record.first_token = answer.commit_times.front();
  record.end = answer.commit_times.back();
  record.finish = answer.finish;
  record.tokens = std::move(answer.tokens);
  record.commit_times = std::move(answer.commit_times);
  record.text = text.text();
  run_.journal.add(record, answer.sequence);
  run_.journal.commit();
  samples_.done(number);
}

}  // namespace pipespec::app
