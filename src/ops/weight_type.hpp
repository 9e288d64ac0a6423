/// How weights are stored, as in GGUF files.
#pragma once

#include <cstdint>
#include <string_view>

namespace pipespec::ops {

/// Quantised types hold blocks of 32 consecutive weights of a row (ggml's block_q8_0 and so on):
///   q8_0: f16 d, 32 signed bytes q;                              value = d·q
///   q4_0: f16 d, 16 bytes of two 4-bit q;                        value = d·(q − 8)
///   q4_1: f16 d, f16 m, 16 bytes of two 4-bit q;                 value = d·q + m
///   q5_0: f16 d, 32 high bits, 16 bytes of two 4-bit q;          value = d·(q − 16)
///   q5_1: f16 d, f16 m, 32 high bits, 16 bytes of two 4-bit q;   value = d·q + m
/// Byte j of the 4-bit codes holds weight j in its low half and weight j + 16 in its high half.
/// q2_k, q3_k, q4_k, q5_k and q6_k hold super-blocks of 256 weights (super_block.hpp).
enum class WeightType { f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q2_k, q3_k, q4_k, q5_k, q6_k };

/// The smallest piece of a stored row.
struct BlockFormat {
  std::int64_t length;  ///< weights in a block: 32 or 256, or 1 where not quantised
  std::int64_t bytes;   ///< of a block
};

BlockFormat block_format(WeightType type);

/// Whether weights are stored in blocks. Products of such with a kernel take 8-bit activations (Activations with
/// NeedsBlocks::yes).
constexpr bool is_quantized(WeightType type) {
  return type != WeightType::f32 && type != WeightType::f16 && type != WeightType::bf16;
}

/// Whether linear operations multiply this type as it is stored; the others must be widened first (dequantize.hpp).
constexpr bool has_kernel(WeightType type) {
  switch (type) {
    case WeightType::q5_0:
    case WeightType::q5_1:
    case WeightType::q2_k:
    case WeightType::q3_k:
    case WeightType::q5_k:
      return false;
    default:
      return true;
  }
}

/// "q4_1"
std::string_view to_string(WeightType type);

/// Bytes of a stored row of `cols` weights; `cols` must be a multiple of the block length.
std::int64_t row_bytes(WeightType type, std::int64_t cols);

}  // namespace pipespec::ops
