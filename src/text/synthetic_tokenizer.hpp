/// The vocabulary of models without weights.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "text/special_tokens.hpp"
#include "text/tokenizer.hpp"

namespace pipespec::text {

/// A token a word. A token's text is its number, " 17"; a word that is such a number is that token, any other word is a
/// hash of itself, so that the prompts of any data set will do. Token 0 is "<|im_end|>", which ends an answer
/// (SyntheticText::end_token), token 1 "<|im_start|>": conversations take the form chatml.
class SyntheticTokenizer final : public Tokenizer {
 public:
  /// Requires at least 3 tokens.
  explicit SyntheticTokenizer(int vocabulary);

  std::vector<Token> encode(std::string_view text) const override;
  std::vector<Token> encode_plain(std::string_view text) const override;
  std::string decode(std::span<const Token> tokens) const override;
  std::string_view token_bytes(Token token) const override;
  int vocabulary_size() const override { return static_cast<int>(texts_.size()); }
  std::string_view token_text(Token token) const override { return token_bytes(token); }
  bool is_special(Token token) const override { return token < words_begin; }
  std::optional<Token> special_token(std::string_view text) const override { return special_.find(text); }
  std::span<const Token> end_tokens() const override { return end_tokens_; }
  std::string_view chat_template() const override { return texts_[1]; }

 private:
  static constexpr Token words_begin = 2;

  Token token_of_word(std::string_view word) const;

  std::vector<std::string> texts_;  // [vocabulary]
  SpecialTokens special_;
  std::array<Token, 1> end_tokens_;
};

}  // namespace pipespec::text
