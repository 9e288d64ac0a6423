/// Text to tokens and back, as the model was trained.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/types.hpp"

namespace pipespec::text {

/// A model's vocabulary and the rules that split text into it. Nothing is added to a text: no begin token, no space.
/// Immutable: safe to use from several threads. Texts are UTF-8; one that is not is a UserError naming the first bad
/// byte, since a silently repaired prompt would be another prompt.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// The text's tokens; special tokens written in the text ("<|im_end|>") become themselves, as in Hugging Face.
  virtual std::vector<Token> encode(std::string_view text) const = 0;

  /// The text's tokens, none of them special, whatever is written in it: for what users say inside a chat.
  virtual std::vector<Token> encode_plain(std::string_view text) const = 0;

  /// The exact bytes the tokens stand for, special tokens as they are written. Ends inside a character where the tokens
  /// do. A token outside the vocabulary is a UserError.
  virtual std::string decode(std::span<const Token> tokens) const = 0;

  /// The bytes one token stands for inside a text.
  virtual std::string_view token_bytes(Token token) const = 0;

  virtual int vocabulary_size() const = 0;

  /// How the vocabulary itself spells a token ("Ġthe"). Requires 0 ≤ token < vocabulary_size().
  virtual std::string_view token_text(Token token) const = 0;

  /// True for tokens that only the chat format or the training writes ("<|im_end|>").
  virtual bool is_special(Token token) const = 0;

  /// The special token spelled `text`; nullopt where the model has none.
  virtual std::optional<Token> special_token(std::string_view text) const = 0;

  /// The tokens with which the model ends its answer, ascending; empty where a folder holds only a tokenizer that names
  /// none. A model may have more of them than its vocabulary here.
  virtual std::span<const Token> end_tokens() const = 0;

  /// The model's own chat template (Jinja), empty where its files have none.
  virtual std::string_view chat_template() const = 0;
};

/// Reads the tokenizer of the model at `model`: a GGUF file, or a folder as Hugging Face writes it. UserErrors name the
/// file and what is missing or unknown.
std::unique_ptr<const Tokenizer> load_tokenizer(const std::filesystem::path& model);

/// Whether the model at `model` comes with a tokenizer: a GGUF file does, a folder may hold `config.json` alone.
bool has_tokenizer(const std::filesystem::path& model);

/// In what a drafter's vocabulary differs from its target's first, as a phrase for a message ("token 17 is \"a\" in one
/// and \"b\" in the other"); nullopt where all its tokens are the target's. It may be shorter: the target then has
/// tokens that the drafter never guesses.
std::optional<std::string> vocabulary_difference(const Tokenizer& drafter, const Tokenizer& target);

}  // namespace pipespec::text
