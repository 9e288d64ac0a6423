/// The shape and the constants of a LLaMA-like transformer (LLaMA 2 and 3, Qwen2, Qwen3), whatever kind of file they
/// were read from.
#pragma once

#include <string>
#include <vector>

#include "core/types.hpp"
#include "ops/rope.hpp"

namespace pipespec::model {

/// Whether the matrix that makes logits is the embedding again.
enum class HeadWeights { own, tied };

/// What the arithmetic of a model depends on besides its weights. Plain data; a reader of a file fills it in and calls
/// check_architecture().
struct Architecture {
  int layers = 0;
  int width = 0;     ///< of the residual stream
  int heads = 0;     ///< query heads
  int kv_heads = 0;  ///< heads of keys and values; each serves heads / kv_heads query heads
  int head_dim = 0;
  int feed_forward = 0;  ///< width of the gated feed-forward layer
  int vocabulary = 0;
  Position context = 0;  ///< positions the model was trained for
  float rms_epsilon = 0;
  float rope_base = 0;
  std::vector<float> rope_factors = {};  ///< [head_dim / 2] divisors of the rotation frequencies; empty: all 1
  ops::RopeStyle rope_style = ops::RopeStyle::half;
  HeadWeights head = HeadWeights::own;
  bool qkv_bias = false;  ///< queries, keys and values have biases (Qwen2)
  bool qk_norm = false;   ///< every head of queries and keys is normalised (Qwen3)

  int query_width() const { return heads * head_dim; }
  int kv_width() const { return kv_heads * head_dim; }
};

/// Throws UserError naming `source` (the file) and the value unless the sizes are positive, small enough to be
/// multiplied without overflow and fit one another.
void check_architecture(const Architecture& architecture, const std::string& source);

}  // namespace pipespec::model
