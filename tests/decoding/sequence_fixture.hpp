/// States and messages for tests of single rules. The sequence's prompt is 1 2 3, its first own position therefore 3;
/// the end token is 0.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "decoding/sequence_state.hpp"
#include "support/message_text.hpp"

namespace pipespec::decoding {

inline constexpr SequenceId id{1};

inline StageOptions stage_of(int index, int stages) {
  StageOptions options;
  options.index = {index};
  options.stages = stages;
  options.end_tokens = {0};
  return options;
}

inline SequenceState begin(const StageOptions& options, Position max_length = 100) {
  return {std::make_shared<const StageOptions>(options), Start{id, max_length, {1, 2, 3}}};
}

/// Stage 1 of 3.
inline SequenceState middle() {
  return begin(stage_of(1, 3));
}

/// Stage 1 of 2.
inline SequenceState target() {
  return begin(stage_of(1, 2));
}

/// Stage 0 of 2.
inline SequenceState drafter() {
  return begin(stage_of(0, 2));
}

inline std::vector<std::string> sent(SequenceState& state) {
  return pipespec::testing::to_text(state.take_outgoing());
}

inline Pass next_pass(SequenceState& state) {
  auto work = state.next_work();
  expect(work.has_value(), "the state has work");
  return std::get<Pass>(*work);
}

/// One step whose model answers with `outputs`.
inline StepResult step(SequenceState& state, const std::vector<Token>& outputs) {
  return state.complete(next_pass(state), outputs);
}

/// A state that has decoded `tokens` one by one, its messages taken.
inline SequenceState decoded(SequenceState state, const std::vector<Token>& tokens) {
  for (const Token token : tokens) step(state, {token});
  state.take_outgoing();
  return state;
}

inline Tokens tokens(Epoch epoch, Position position, std::vector<Token> list) {
  return {id, epoch, position, 0, std::move(list)};
}

inline Correction correction(Epoch epoch, Position position, std::vector<Token> list) {
  return {id, epoch, position, 0, std::move(list)};
}

inline Progress progress(Position position, std::vector<Token> list) {
  return {id, position, 0, std::move(list)};
}

}  // namespace pipespec::decoding
