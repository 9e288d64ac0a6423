/// Tokens to text while they arrive.
#pragma once

#include <string>

#include "text/tokenizer.hpp"

namespace pipespec::text {

/// Turns tokens into text one by one and holds back the bytes of a character that is not complete yet, so that no piece
/// ends inside a character. Bytes that no further byte can make a character pass unchanged: the pieces together are
/// exactly the bytes of all tokens. Keeps a reference to the tokenizer. Not thread-safe.
class StreamingDetokenizer {
 public:
  explicit StreamingDetokenizer(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  /// The text that `token` completes; may be empty.
  std::string push(Token token);

  /// The bytes still held back (an incomplete character); nothing is held back afterwards.
  std::string flush();

 private:
  const Tokenizer& tokenizer_;
  std::string held_;
};

}  // namespace pipespec::text
