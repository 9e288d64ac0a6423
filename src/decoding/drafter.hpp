/// Drafters without a model: they guess how a text goes on from the text alone.
#pragma once

#include <span>
#include <vector>

#include "core/types.hpp"

namespace pipespec::decoding {

class Drafter {
 public:
  virtual ~Drafter() = default;

  /// Up to `max_tokens` tokens that may follow `view`; none if there is no guess.
  virtual std::vector<Token> propose(std::span<const Token> view, int max_tokens) = 0;
};

/// N-gram continuation (prompt lookup decoding, A. Saxena 2023): finds the latest earlier place whose last tokens equal
/// the last tokens of the view, the longest such match first, and proposes what followed there; past the end of the
/// view, the proposal follows itself.
class PromptLookup final : public Drafter {
 public:
  struct Options {
    int min_match = 2;   ///< tokens that must agree
    int max_match = 8;   ///< tokens that are compared at the most
    int max_tokens = 8;  ///< tokens proposed at once
  };

  explicit PromptLookup(const Options& options);
  std::vector<Token> propose(std::span<const Token> view, int max_tokens) override;

 private:
  Options options_;
};

}  // namespace pipespec::decoding
