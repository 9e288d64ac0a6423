/// How weights are stored, as in GGUF files.
#pragma once

#include <cstdint>
#include <string_view>

namespace pipespec::ops {

/// Quantised types hold blocks of 32 consecutive weights of a row (ggml's block_q8_0, block_q4_0, block_q4_1):
///   q8_0: f16 d, 32 signed bytes q;                value = d·q
///   q4_0: f16 d, 16 bytes of two 4-bit q;          value = d·(q − 8)
///   q4_1: f16 d, f16 m, 16 bytes of two 4-bit q;   value = d·q + m
/// Byte j of a 4-bit block holds weight j in its low half and weight j + 16 in its high half.
enum class WeightType { f32, f16, bf16, q8_0, q4_0, q4_1 };

/// The smallest piece of a stored row.
struct BlockFormat {
  std::int64_t length;  ///< weights in a block: 32, or 1 where not quantised
  std::int64_t bytes;   ///< of a block
};

BlockFormat block_format(WeightType type);

/// Whether products take 8-bit activations (Activations with NeedsBlocks::yes).
constexpr bool is_quantized(WeightType type) {
  return type == WeightType::q8_0 || type == WeightType::q4_0 || type == WeightType::q4_1;
}

/// "q4_1"
std::string_view to_string(WeightType type);

/// Bytes of a stored row of `cols` weights; `cols` must be a multiple of the block length.
std::int64_t row_bytes(WeightType type, std::int64_t cols);

}  // namespace pipespec::ops
