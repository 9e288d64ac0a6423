/// What earlier sequences said, to be looked up in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "core/types.hpp"

namespace pipespec::decoding {

/// A place that is like the end of a text.
struct TextMatch {
  int length = 0;               ///< tokens before it that are the same; 0: there is none
  std::span<const Token> next;  ///< what followed, at least one token; valid as long as what was searched
};

/// Outputs of sequences that have ended, with an index of their pairs of tokens. Not thread-safe.
class OutputHistory {
 public:
  static constexpr int least_match = 2;

  /// Keeps the latest outputs, about so many tokens; 0: none.
  explicit OutputHistory(std::size_t capacity) : capacity_(capacity) {}

  void add(std::span<const Token> output);

  /// The longest match of up to `most` tokens, at least least_match, the latest of equal ones; of places that match
  /// least_match tokens the latest `tried` are looked at.
  TextMatch find(std::span<const Token> text, int most) const;

 private:
  static constexpr std::ptrdiff_t tried = 64;
  static constexpr Token end_of_output = -1;

  static std::uint64_t pair(Token first, Token second) {
    return std::uint64_t{static_cast<std::uint32_t>(first)} << 32 | static_cast<std::uint32_t>(second);
  }
  void index(std::size_t from);

  std::size_t capacity_;
  std::vector<Token> tokens_;                                           // outputs, each with end_of_output behind it
  std::unordered_map<std::uint64_t, std::vector<std::size_t>> behind_;  // places behind a pair of tokens, ascending
};

}  // namespace pipespec::decoding
