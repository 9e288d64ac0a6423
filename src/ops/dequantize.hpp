/// Stored weights as float32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ops/weight_type.hpp"

namespace pipespec::ops {

/// Widens one stored row with ggml's arithmetic (weight_type.hpp, super_block.hpp; f16 scales widened to f32, then one
/// rounding for each multiplication and addition). `stored` holds row_bytes(type, values.size()) bytes at least, of any
/// alignment.
void dequantize_row(WeightType type, std::span<const std::byte> stored, std::span<float> values);

/// Rounds to bfloat16, to nearest, ties to even; NaN stays NaN.
void round_to_bf16(std::span<const float> values, std::span<std::uint16_t> rounded);

}  // namespace pipespec::ops
