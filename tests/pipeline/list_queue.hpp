/// Prompts for tests of a pipeline.
#pragma once

#include <vector>

#include "pipeline/sample_queue.hpp"

namespace pipespec::pipeline {

/// A fixed list of prompts; remembers the answers.
class ListQueue final : public SampleQueue {
 public:
  ListQueue(std::vector<std::vector<Token>> prompts, Position new_tokens)
      : prompts_(std::move(prompts)), new_tokens_(new_tokens) {}

  std::optional<Request> next() override {
    if (next_ == prompts_.size()) return std::nullopt;
    const std::vector<Token>& prompt = prompts_[next_];
    return Request{.key = static_cast<std::int64_t>(next_++),
                   .prompt = prompt,
                   .max_length = static_cast<Position>(prompt.size()) + new_tokens_};
  }
  bool is_exhausted() override { return next_ == prompts_.size(); }
  bool should_abandon() override { return abandon_after_ >= 0 && committed_ >= abandon_after_; }
  std::optional<std::size_t> commit(std::int64_t, std::span<const Token> tokens) override {
    committed_ += std::ssize(tokens);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      if (tokens[i] == stop_token_) return i + 1;
    }
    return std::nullopt;
  }
  void answered(Answer answer) override { answers_.push_back(std::move(answer)); }

  void abandon_after(std::int64_t tokens) { abandon_after_ = tokens; }
  void stop_at(Token token) { stop_token_ = token; }
  const std::vector<Answer>& answers() const { return answers_; }
  const std::vector<Token>& prompt(std::int64_t key) const { return prompts_[key]; }

 private:
  std::vector<std::vector<Token>> prompts_;
  Position new_tokens_;
  std::size_t next_ = 0;
  std::int64_t committed_ = 0;
  std::int64_t abandon_after_ = -1;
  Token stop_token_ = -1;
  std::vector<Answer> answers_;
};

}  // namespace pipespec::pipeline
