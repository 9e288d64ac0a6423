/// SentencePiece vocabularies (Kudo and Richardson, 2018) through the SentencePiece library.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/tokenizer.hpp"

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace pipespec::text {

/// What a model's files say of a SentencePiece vocabulary.
struct SentencePieceDefinition {
  std::string source;             ///< the file, for messages
  std::string_view model;         ///< a serialised ModelProto, as tokenizer.model holds it
  std::vector<Token> end_tokens;  ///< ascending; empty: the model's own
  std::string chat_template;      ///< empty: none
};

/// Encodes as the library does: control tokens written in a text ("</s>") are text. Inside a text a token stands for
/// its piece with "▁" as a space and byte pieces as bytes; at its beginning decode() takes the space off that encoding
/// put there.
class SentencePieceTokenizer : public Tokenizer {
 public:
  /// UserError where the model is none.
  explicit SentencePieceTokenizer(const SentencePieceDefinition& definition);
  ~SentencePieceTokenizer() override;

  std::vector<Token> encode(std::string_view text) const override;
  std::vector<Token> encode_plain(std::string_view text) const override { return encode(text); }
  std::string decode(std::span<const Token> tokens) const override;
  std::string_view token_bytes(Token token) const override;
  int vocabulary_size() const override { return static_cast<int>(texts_.size()); }
  std::string_view token_text(Token token) const override;
  bool is_special(Token token) const override;
  std::optional<Token> special_token(std::string_view text) const override;
  std::span<const Token> end_tokens() const override { return end_tokens_; }
  std::string_view chat_template() const override { return chat_template_; }

 private:
  std::size_t checked(Token token) const;

  std::string source_;
  std::unique_ptr<sentencepiece::SentencePieceProcessor> processor_;
  std::vector<std::string> texts_;  // [vocabulary] pieces
  std::vector<std::string> bytes_;  // [vocabulary] what they stand for
  std::unordered_map<std::string_view, Token> control_;
  bool adds_space_ = false;  // in front of a text
  std::vector<Token> end_tokens_;
  std::string chat_template_;
};

/// A token of a SentencePiece vocabulary that is stored as lists (GGUF).
struct SentencePiece {
  std::string_view text;
  float score = 0;
  int type = 1;  ///< as ModelProto numbers them: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte
};

/// The lists as a serialised ModelProto of a BPE model with byte fallback (sentencepiece_model.proto).
std::string serialize_sentencepiece_model(const std::vector<SentencePiece>& pieces, bool adds_space);

}  // namespace pipespec::text
