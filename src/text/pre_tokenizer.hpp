/// The split of a text into words, before each word is tokenized by itself.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pipespec::text {

/// Splits by regular expressions (PCRE2 with Unicode properties), one after the other: each pattern's matches, and what
/// lies between them, become pieces that the next pattern splits further. Nothing is lost: the pieces joined are the
/// text. Immutable: safe to use from several threads.
class PreTokenizer {
 public:
  /// UserError where a pattern is no regular expression.
  explicit PreTokenizer(std::span<const std::string_view> patterns);
  ~PreTokenizer();
  PreTokenizer(PreTokenizer&&) noexcept;

  /// The words of `text`, which must be UTF-8; views into it.
  std::vector<std::string_view> split(std::string_view text) const;

 private:
  class Pattern;
  std::vector<Pattern> patterns_;
};

/// The patterns of the pre-tokenizer that GGUF files call `name` ("smollm"). UserError naming the known ones where
/// there is none; `source` is the file, for the message.
std::span<const std::string_view> gguf_pre_tokenizer_patterns(std::string_view name, std::string_view source);

}  // namespace pipespec::text
