/// The split of a text into words, before each word is tokenized by itself.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace pipespec::text {

/// Splits by regular expressions (PCRE2 with Unicode properties), one after the other: each pattern's matches, and what
/// lies between them, become pieces that the next pattern splits further. Nothing is lost: the pieces joined are the
/// text. Immutable: safe to use from several threads.
class PreTokenizer {
 public:
  /// UserError, naming `source` (the file), where a pattern is no regular expression.
  PreTokenizer(const std::vector<std::string>& patterns, std::string_view source);
  ~PreTokenizer();
  PreTokenizer(PreTokenizer&&) noexcept;

  /// The words of `text`, which must be UTF-8; views into it.
  std::vector<std::string_view> split(std::string_view text) const;

 private:
  class Pattern;
  std::vector<Pattern> patterns_;
};

/// What GGUF files call a pre-tokenizer.
struct NamedPreTokenizer {
  std::string_view name;              ///< "smollm"
  std::vector<std::string> patterns;  ///< of a PreTokenizer
  bool ignore_merges = false;         ///< as BpeDefinition has it
};

/// The pre-tokenizer that GGUF files call `name`. UserError naming the known ones where there is none; `source` is the
/// file, for the message.
const NamedPreTokenizer& gguf_pre_tokenizer(std::string_view name, std::string_view source);

/// GPT-2's pattern, in PCRE2's spelling.
std::string_view gpt2_pattern();

/// A pattern of a tokenizer.json, which is Oniguruma's, in PCRE2's spelling: \s is Unicode's White_Space, \w counts
/// marks, ^ and $ are a line's. UserError where it has something that is not spelt out here; `source` is the file.
std::string pcre_of_oniguruma(std::string_view pattern, std::string_view source);

}  // namespace pipespec::text
