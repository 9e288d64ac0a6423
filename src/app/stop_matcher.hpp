/// Finds stop strings in a text that grows token by token.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/types.hpp"
#include "text/streaming_detokenizer.hpp"

namespace pipespec::app {

/// The text of one output as it grows, cut before the first stop string. Keeps references to the tokenizer and the stop
/// strings.
class StopMatcher {
 public:
  StopMatcher(const text::Tokenizer& tokenizer, const std::vector<std::string>& stops)
      : detokenizer_(tokenizer), stops_(stops) {}

  /// Adds a token's text. True if a stop string is complete now: the text ends before it.
  bool push(Token token);

  /// No more tokens: adds the bytes of an incomplete character.
  void finish() { text_ += detokenizer_.flush(); }

  /// The text so far.
  const std::string& text() const { return text_; }

  /// Leading bytes of the text that no stop string can take back any more.
  std::size_t settled() const;

 private:
  text::StreamingDetokenizer detokenizer_;
  const std::vector<std::string>& stops_;
  std::string text_;
};

}  // namespace pipespec::app
