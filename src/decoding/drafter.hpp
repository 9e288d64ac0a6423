/// Drafters without a model: they guess how a text goes on from the text alone.
#pragma once

#include <span>

#include "core/types.hpp"
#include "decoding/work.hpp"

namespace pipespec::decoding {

class Drafter {
 public:
  virtual ~Drafter() = default;

  /// Up to `max_tokens` tokens that may follow `view`; none if there is no guess.
  virtual Guess propose(std::span<const Token> view, int max_tokens) = 0;
};

/// N-gram continuation (prompt lookup decoding, A. Saxena 2023): finds the latest earlier place whose last tokens equal
/// the last tokens of the view, the longest such match first, and proposes what followed there; past the end of the
/// view, the proposal follows itself. A token's confidence is how many before it are the same at both places.
class PromptLookup final : public Drafter {
 public:
  struct Options {
    int min_match = 1;   ///< tokens that must agree
    int max_match = 10;  ///< tokens that are compared at the most
    int max_tokens = 8;  ///< tokens proposed at once
  };

  explicit PromptLookup(const Options& options);
  Guess propose(std::span<const Token> view, int max_tokens) override;

 private:
  Options options_;
};

}  // namespace pipespec::decoding
