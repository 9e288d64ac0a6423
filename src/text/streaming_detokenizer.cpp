#include "text/streaming_detokenizer.hpp"

#include <utility>

#include "text/utf8.hpp"

namespace pipespec::text {

std::string StreamingDetokenizer::push(Token token) {
  const bool is_filling = token >= tokenizer_.vocabulary_size();
  if (!is_filling) held_ += tokenizer_.token_bytes(token);
  std::size_t ready = 0;
  while (ready < held_.size()) {
    const auto [state, bytes] = front_character(std::string_view(held_).substr(ready));
    if (state == CharacterState::incomplete) break;
    ready += bytes;
  }
  std::string piece = held_.substr(0, ready);
  held_.erase(0, ready);
  return piece;
}

std::string StreamingDetokenizer::flush() {
  return std::exchange(held_, {});
}

}  // namespace pipespec::text
