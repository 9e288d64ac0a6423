/// Weights rounded into blocks.
#pragma once

#include <cstddef>
#include <span>

#include "ops/weight_type.hpp"

namespace pipespec::ops {

/// Rounds a row of whole blocks of 32 weights into `type`; codes go to the nearest, ties to even, and scales to the
/// nearest f16, by which the weights are then divided. stored [row_bytes(type, values.size())].
///   q8_0   scale = max|x| / 127
///   q4_0   scale = x / −8, where x is the weight of the largest magnitude with its sign, as in ggml. On SmolLM2 the
///          next token's distribution is then off by 0.21 nats (Kullback and Leibler); with max|x| / 7 by 0.28; with
///          the scale of the least squared error of x / −7.2 to x / −8.6 by 0.23, although the weights are 5 % closer:
///          large weights matter more
/// False if a weight is not finite or a scale is too large for an f16: `stored` is then of no use.
[[nodiscard]] bool quantize_row(WeightType type, std::span<const float> values, std::span<std::byte> stored);

}  // namespace pipespec::ops
