/// Byte-level byte-pair encoding, as in GPT-2 (Radford et al., 2019) and Hugging Face's tokenizers.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/pre_tokenizer.hpp"
#include "text/special_tokens.hpp"
#include "text/tokenizer.hpp"

namespace pipespec::text {

/// What is done to a text before it is split.
enum class Normalization {
  none,
  nfc,  ///< Unicode's canonical composition, as Qwen's tokenizers ask for
};

/// What a model's files say of a byte-level BPE vocabulary. Views are read during construction only.
struct BpeDefinition {
  std::string source;                    ///< the file, for messages
  std::vector<std::string_view> tokens;  ///< [vocabulary] each spelled in GPT-2's alphabet ("Ġthe")
  std::vector<TokenKind> kinds;          ///< [vocabulary]
  std::vector<std::string_view> merges;  ///< "Ġ t": two tokens that become one, the most frequent pair first
  std::vector<std::string> patterns;     ///< of the pre-tokenizer
  bool ignore_merges = false;            ///< a word that is a token is that token, whatever the merges make of it
  Normalization normalization = Normalization::none;
  std::vector<Token> end_tokens;   ///< ascending
  std::string_view chat_template;  ///< empty: none
};

/// A text is split at special tokens, then into words; a word's bytes are merged pair by pair, always the pair that
/// stands first in the list of merges. A byte without a token of its own (control characters in some vocabularies) is
/// left out, as Hugging Face's tokenizers and llama.cpp do.
class ByteLevelBpe : public Tokenizer {
 public:
  /// UserError where a merge is not made of known tokens, or a pattern is no regular expression.
  explicit ByteLevelBpe(const BpeDefinition& definition);

  std::vector<Token> encode(std::string_view text) const override;
  std::vector<Token> encode_plain(std::string_view text) const override;
  std::string decode(std::span<const Token> tokens) const override;
  std::string_view token_bytes(Token token) const override;
  int vocabulary_size() const override { return static_cast<int>(texts_.size()); }
  std::string_view token_text(Token token) const override;
  bool is_special(Token token) const override;
  std::optional<Token> special_token(std::string_view text) const override { return special_.find(text); }
  std::span<const Token> end_tokens() const override { return end_tokens_; }
  std::string_view chat_template() const override { return chat_template_; }

 private:
  struct Merge {
    std::int32_t rank;
    Token result;
  };
  class Word;

  void add_merges(const BpeDefinition& definition, const std::unordered_map<std::string_view, Token>& ids);
  const Merge* find_merge(Token left, Token right) const;
  std::vector<Token> encode(std::string_view text, SpecialTokens::Recognise which) const;
  std::size_t checked(Token token) const;

  std::string source_;
  std::vector<std::string> texts_;                           // [vocabulary] as spelled in the definition
  std::vector<std::string> bytes_;                           // [vocabulary] what they stand for
  std::vector<TokenKind> kinds_;                             // [vocabulary]
  std::array<Token, 256> byte_tokens_{};                     // of a single byte; -1: there is none
  std::unordered_map<std::uint64_t, Merge> merges_;          // (left, right) → their merge
  std::unordered_map<std::string_view, Token> whole_words_;  // bytes → token, where merges are ignored
  Normalization normalization_ = Normalization::none;
  SpecialTokens special_;
  PreTokenizer pre_tokenizer_;
  std::vector<Token> end_tokens_;  // ascending
  std::string chat_template_;
};

}  // namespace pipespec::text
