/// Super-blocks of 256 weights, ggml's "K-quants".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "ops/weight_type.hpp"

namespace pipespec::ops {

/// A super-block taken apart. Runs of 16 (q2_k, q3_k, q6_k) or 32 weights (q4_k, q5_k) share an integer scale and, in
/// q2_k, q4_k and q5_k, an integer minimum; the super-block has the f16 factors of both:
///   weight i = (d·scales[i / run])·codes[i] − (dmin·minima[i / run])
/// ggml stores the integers in these many bits, low bits apart from high ones (block_q2_K … block_q6_K):
///          code                scale              minimum   order of the fields
///   q2_k   2                   4                  4         scales and minima, codes, d, dmin
///   q3_k   3, −4 … 3           6, −32 … 31        none      high bits of codes, low bits, scales, d
///   q4_k   4                   6                  6         d, dmin, scales and minima, codes
///   q5_k   5                   6                  6         d, dmin, scales and minima, high bits of codes, low bits
///   q6_k   6, −32 … 31         8, −128 … 127      none      low bits of codes, high bits, scales, d
struct SuperBlock {
  static constexpr int length = 256;

  std::uint16_t d = 0, dmin = 0;  // f16
  int run = 16;
  std::array<std::int8_t, 16> scales{};  // length / run of them
  std::array<std::int8_t, 16> minima{};  // likewise; 0 where the type has none
  std::array<std::int8_t, length> codes{};
};

/// Takes the stored bytes of one block of a super-block type apart; of any alignment.
SuperBlock unpack_super_block(WeightType type, const std::byte* stored);

}  // namespace pipespec::ops
