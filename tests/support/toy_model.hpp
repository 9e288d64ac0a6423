/// Language models without weights: the next token is a hash of the text before it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/types.hpp"

namespace pipespec::testing {

/// A text as the toy models see it; what their KV cache holds of each position in place of keys and values. Any
/// difference in the text changes the hash, and with it every later token.
struct ToyText {
  std::uint64_t hash = 0;
  Position length = 0;

  ToyText followed_by(Token token) const;
  static ToyText of(std::span<const Token> tokens);
};

/// Where a chain's tokens come from.
enum class ToyChoice {
  hash,  ///< each is a hash of the text, and a drafter agrees as often as is asked for
  draw,  ///< drawn from a distribution that is a hash of the text, with noise that all stages share: a drafter agrees
         ///< the more often the closer its distribution is to the target's
};

/// A chain of models that agree with the target now and then. Deterministic.
struct ToyModels {
  std::uint64_t seed = 1;
  int vocabulary = 6;
  double end_rate = 0;  ///< chance that the target's next token is `end_token`
  Token end_token = 0;  ///< no other token of the target is 0
  ToyChoice choice = ToyChoice::hash;
  std::vector<double> agreement;  ///< [stages - 1] chance that a stage's next token is the target's; of drawn tokens,
                                  ///< how much alike the logits are
  int cluster = 1;                ///< positions that share one draw: agreement comes and goes in stretches

  /// The next token of the model at `stage`; the last stage, agreement.size(), is the target.
  Token next(int stage, const ToyText& text) const;

  /// The target's own continuation of `prompt`, end token included: at most up to `max_length`.
  std::vector<Token> autoregressive(std::span<const Token> prompt, Position max_length) const;

 private:
  bool is_target(int stage) const { return stage == static_cast<int>(agreement.size()); }
  Token hashed(int stage, const ToyText& text) const;
  Token drawn(int stage, const ToyText& text) const;
};

}  // namespace pipespec::testing
