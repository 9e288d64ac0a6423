/// How a token is chosen from the logits.
#pragma once

#include <cstdint>

namespace pipespec {

/// In this order, as Hugging Face's transformers does: the repetition penalty, the temperature, top-k, top-p, min-p.
/// The defaults choose the most likely token.
struct Sampling {
  double temperature = 0.0;         ///< logits are divided by it; 0: the most likely token, without noise
  int top_k = 0;                    ///< draw from the k most likely tokens; 0: from all
  double top_p = 1.0;               ///< draw from the fewest tokens that together have this probability
  double min_p = 0.0;               ///< draw from tokens with at least this share of the most likely one's probability
  double repetition_penalty = 1.0;  ///< of recent tokens: positive logits are divided by it, negative multiplied
  int repetition_window = 64;       ///< how many of the last tokens, prompt included, are recent
  std::uint64_t seed = 0;           ///< of the noise

  bool is_penalised() const { return repetition_penalty != 1.0; }

  /// Whether the largest logit decides alone.
  bool is_greedy() const { return temperature == 0.0 && !is_penalised(); }
};

}  // namespace pipespec
