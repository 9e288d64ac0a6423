/// Tokens that are written out in a text ("<|im_end|>") instead of being learned from it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/types.hpp"

namespace pipespec::text {

/// Who may write such a token.
enum class TokenKind : unsigned char {
  normal,        ///< made by merges: not matched as a whole
  control,       ///< special: written by the chat format alone
  user_defined,  ///< an ordinary piece of text that is never split
};

/// What belongs to such a token where it is written in a text, as in Hugging Face's tokenizers (AddedToken).
struct TokenMatch {
  bool takes_space_before = false;  ///< white space there becomes part of the token ("lstrip")
  bool takes_space_behind = false;  ///< likewise ("rstrip")
  bool whole_word = false;          ///< not inside of a word ("single_word")
  bool in_rewritten = false;        ///< looked for in the text as the normalizer leaves it ("normalized")
  friend bool operator==(const TokenMatch&, const TokenMatch&) = default;
};

/// Finds the control and user-defined tokens written in a text. Immutable after construction.
class SpecialTokens {
 public:
  /// Which of the tokens count: all of them, or (`plain`) only those a user may write.
  enum class Recognise { all, plain };

  /// Part of a text: one token, or a stretch without any.
  struct Part {
    std::string_view text;
    std::optional<Token> token;
  };

  void add(std::string text, Token token, TokenKind kind, TokenMatch match = {});

  /// The special token spelled `text`.
  std::optional<Token> find(std::string_view text) const;

  /// The parts of `text`, which is UTF-8, in their order; joined they are the text. At each place the longest token
  /// counts, and the leftmost before later ones, as in Hugging Face's tokenizers.
  std::vector<Part> split(std::string_view text, Recognise which) const;

 private:
  struct Entry {
    std::string text;
    Token token;
    TokenKind kind;
    TokenMatch match;
  };
  const Entry* match(std::string_view text, Recognise which) const;

  std::unordered_map<char, std::vector<Entry>> by_first_;  // first byte → its tokens, longest first
};

}  // namespace pipespec::text
