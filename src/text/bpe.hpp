/// Byte-pair encoding as in Hugging Face's tokenizers: over bytes (GPT-2; Radford et al., 2019), or over characters
/// with bytes to fall back on (SentencePiece's BPE; Kudo and Richardson, 2018).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/normalize.hpp"
#include "text/pre_tokenizer.hpp"
#include "text/special_tokens.hpp"
#include "text/tokenizer.hpp"

namespace pipespec::text {

/// What a word consists of before any merge, and how the vocabulary spells it.
enum class BpeUnits {
  bytes,       ///< in GPT-2's alphabet: "Ġthe"
  characters,  ///< as they are, "▁" for a space; "<0x0A>" is a byte where BpeDefinition::byte_fallback says so
};

/// What a model's files say of a BPE vocabulary. Views are read during construction only.
struct BpeDefinition {
  std::string source;  ///< the file, for messages
  BpeUnits units = BpeUnits::bytes;
  std::vector<std::string_view> tokens;  ///< [vocabulary] as `units` spells them
  std::vector<TokenKind> kinds;          ///< [vocabulary]
  std::vector<TokenMatch> matches;       ///< [vocabulary] of tokens that are not normal; empty: nothing special
  std::vector<std::string_view> merges;  ///< "Ġ t": two tokens that become one, the most frequent pair first
  std::vector<Rewriting> normalizer;     ///< of the text between special tokens
  std::vector<Rewriting> spacing;        ///< the pre-tokenizer's, after it
  std::vector<std::string> patterns;     ///< of the pre-tokenizer
  bool ignore_merges = false;            ///< a word that is a token is that token, whatever the merges make of it
  bool byte_fallback = false;            ///< characters that are no token become those of their bytes
  std::optional<Token> unknown;          ///< for what has no token; nothing: it is left out
  bool fuse_unknown = false;             ///< neighbours become one unknown token
  bool strips_space = false;             ///< decoding takes off a space at the beginning
  bool spells_added_tokens = false;      ///< tokens that are not normal are spelt as `units` spell the others, too
  std::vector<Token> end_tokens;         ///< ascending
  std::string_view chat_template;        ///< empty: none
};

/// A text is split at special tokens, what is between them is rewritten and split into words; a word's units are merged
/// pair by pair, always the pair that stands first in the list of merges. Merges never make a control token.
class Bpe : public Tokenizer {
 public:
  /// UserError where a merge is not made of known tokens, or a pattern is no regular expression.
  explicit Bpe(const BpeDefinition& definition);

  std::vector<Token> encode(std::string_view text) const override;
  std::vector<Token> encode_plain(std::string_view text) const override;
  std::string decode(std::span<const Token> tokens) const override;
  std::string_view token_bytes(Token token) const override;
  int vocabulary_size() const override { return static_cast<int>(texts_.size()); }
  std::string_view token_text(Token token) const override;
  bool is_special(Token token) const override;
  std::optional<Token> special_token(std::string_view text) const override;
  std::span<const Token> end_tokens() const override { return end_tokens_; }
  std::string_view chat_template() const override { return chat_template_; }

 private:
  struct Merge {
    std::int32_t rank;
    Token result;
  };
  class Word;

  void add_special(const BpeDefinition& definition);
  void add_units(const BpeDefinition& definition, const std::unordered_map<std::string_view, Token>& ids);
  void add_merges(const BpeDefinition& definition, const std::unordered_map<std::string_view, Token>& ids);
  const Merge* find_merge(Token left, Token right) const;
  std::vector<Token> encode(std::string_view text, SpecialTokens::Recognise which) const;
  void encode_words(std::string_view text, bool is_first, Word& word, std::vector<Token>& tokens) const;
  std::size_t checked(Token token) const;

  std::string source_;
  std::vector<std::string> texts_;                           // [vocabulary] as spelled in the definition
  std::vector<std::string> bytes_;                           // [vocabulary] what they stand for
  std::vector<TokenKind> kinds_;                             // [vocabulary]
  std::array<Token, 256> byte_tokens_{};                     // of a single byte; -1: there is none
  std::unordered_map<std::string_view, Token> characters_;   // of single characters; empty where units are bytes
  std::unordered_map<std::uint64_t, Merge> merges_;          // (left, right) → their merge
  std::unordered_map<std::string_view, Token> whole_words_;  // as a word spells them → token, where merges are ignored
  BpeUnits units_;
  std::optional<Token> unknown_;
  bool fuse_unknown_, strips_space_;
  SpecialTokens special_, special_in_rewritten_;
  std::vector<Rewriting> normalizer_, spacing_;
  PreTokenizer pre_tokenizer_;
  std::vector<Token> end_tokens_;  // ascending
  std::string chat_template_;
};

}  // namespace pipespec::text
