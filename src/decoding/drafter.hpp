/// Drafters without a model: they guess how a text goes on from text alone.
#pragma once

#include <span>

#include "core/types.hpp"
#include "decoding/output_history.hpp"
#include "decoding/work.hpp"

namespace pipespec::decoding {

class Drafter {
 public:
  virtual ~Drafter() = default;

  /// Up to `max_tokens` tokens that may follow `view`; none if there is no guess.
  virtual Guess propose(std::span<const Token> view, int max_tokens) = 0;

  /// A sequence has ended, and this was the output.
  virtual void learn(std::span<const Token> output) = 0;
};

/// N-gram continuation (prompt lookup decoding, A. Saxena 2023): finds the latest earlier place whose last tokens equal
/// the last tokens of the view, the longest such match first, and proposes what followed there; past the end of the
/// view, the proposal follows itself. A token's confidence is how many before it are the same at both places.
///
/// With a history, a longer match in the outputs of earlier sequences goes before that in the view: answers to one
/// task are alike.
class PromptLookup final : public Drafter {
 public:
  struct Options {
    int min_match = 1;   ///< tokens that must agree, in a history OutputHistory::least_match or more
    int max_match = 10;  ///< tokens that are compared at the most
    int history = 0;     ///< tokens of earlier outputs that are kept
  };

  explicit PromptLookup(const Options& options);
  Guess propose(std::span<const Token> view, int max_tokens) override;
  void learn(std::span<const Token> output) override { history_.add(output); }

 private:
  TextMatch find_in(std::span<const Token> view) const;

  Options options_;
  OutputHistory history_;
};

}  // namespace pipespec::decoding
