#include "text/synthetic_tokenizer.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>

#include "core/error.hpp"
#include "core/mix.hpp"
#include "core/synthetic_text.hpp"

namespace pipespec::text {

SyntheticTokenizer::SyntheticTokenizer(int vocabulary) : end_tokens_{SyntheticText::end_token} {
  expect(vocabulary > words_begin, "a vocabulary has words");
  texts_ = {"<|im_end|>", "<|im_start|>"};
  for (Token token = 0; token < words_begin; ++token) special_.add(texts_[token], token, TokenKind::control);
  for (Token token = words_begin; token < vocabulary; ++token) texts_.push_back(fmt::format(" {}", token));
}

Token SyntheticTokenizer::token_of_word(std::string_view word) const {
  Token number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  const bool is_number = error == std::errc() && end == word.data() + word.size();
  if (is_number && number >= words_begin && number < vocabulary_size()) return number;
  std::uint64_t hash = 0;
  for (const char c : word) hash = mix(hash + static_cast<unsigned char>(c));
  return words_begin + static_cast<Token>(hash % static_cast<std::uint64_t>(vocabulary_size() - words_begin));
}

std::vector<Token> SyntheticTokenizer::encode_plain(std::string_view text) const {
  constexpr std::string_view blanks = " \t\r\n";
  std::vector<Token> tokens;
  for (std::size_t begin = text.find_first_not_of(blanks); begin != std::string_view::npos;) {
    const std::size_t end = std::min(text.find_first_of(blanks, begin), text.size());
    tokens.push_back(token_of_word(text.substr(begin, end - begin)));
    begin = text.find_first_not_of(blanks, end);
  }
  return tokens;
}

std::vector<Token> SyntheticTokenizer::encode(std::string_view text) const {
  std::vector<Token> tokens;
  for (const auto& part : special_.split(text, SpecialTokens::Recognise::all)) {
    const std::vector<Token> words = part.token ? std::vector<Token>{*part.token} : encode_plain(part.text);
    tokens.insert(tokens.end(), words.begin(), words.end());
  }
  return tokens;
}

std::string SyntheticTokenizer::decode(std::span<const Token> tokens) const {
  std::string text;
  for (const Token token : tokens) text += token_bytes(token);
  return text;
}

std::string_view SyntheticTokenizer::token_bytes(Token token) const {
  validate(token >= 0 && token < vocabulary_size(), "token {} is not in the vocabulary (it has {} tokens): correct it",
           token, vocabulary_size());
  return texts_[token];
}

}  // namespace pipespec::text
