/// What a chain of models without weights says: a hash of the text so far.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/types.hpp"

namespace pipespec {

/// The next tokens of all stages of a synthetic chain. Deterministic: a token depends on the whole text before it and
/// on nothing else, so a stage that has lost a token, or kept a wrong one, says something else from there on.
/// Immutable.
class SyntheticText {
 public:
  /// What a stage sees of a text: a hash of its tokens, in order.
  using Prefix = std::uint64_t;

  struct Voice {
    double agreement = 0;    ///< chance that a stage's next token is that of the stage above; nothing to the last stage
    std::uint64_t seed = 0;  ///< of when it agrees, and of what it says otherwise
  };

  /// The last stage ends a text with it; others say it, too, now and then.
  static constexpr Token end_token = 0;

  /// Requires a vocabulary of at least 2 tokens and one voice or more. `mean_length`: of a text until the last stage
  /// ends it, in tokens (lengths are geometric); 0: it never does.
  SyntheticText(int vocabulary, double mean_length, std::vector<Voice> voices);

  int vocabulary() const { return vocabulary_; }
  int stages() const { return static_cast<int>(voices_.size()); }

  /// The prefix that is `prefix` followed by `token`; the empty text is 0.
  static Prefix extend(Prefix prefix, Token token);

  /// The token that stage `stage` says after `prefix`.
  Token next(int stage, Prefix prefix) const;

  /// A forward pass of stage `stage` over `tokens`. `cache` [positions] holds the prefix up to every position, in place
  /// of keys and values; the pass appends its own. Writes the token after each of the last rows to `next` [outputs].
  void pass(int stage, std::span<const Token> tokens, std::vector<Prefix>& cache, std::span<Token> next) const;

 private:
  std::uint64_t draw(int stage, Prefix prefix) const;
  Token last_stage(Prefix prefix) const;

  int vocabulary_;
  double end_rate_;            // chance that a text ends with its next token
  std::vector<Voice> voices_;  // [stage]
};

}  // namespace pipespec
