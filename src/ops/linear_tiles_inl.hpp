/// The sums of a linear operation over tiles of 16 outputs, handed to a sink as they are found. Included once for each
/// of Highway's targets. The order of every sum is that of linear.hpp; how many tiles and rows go together is a matter
/// of registers alone.
// clang-format off
#if defined(PIPESPEC_OPS_LINEAR_TILES_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef PIPESPEC_OPS_LINEAR_TILES_INL_HPP
#undef PIPESPEC_OPS_LINEAR_TILES_INL_HPP
#else
#define PIPESPEC_OPS_LINEAR_TILES_INL_HPP
#endif
// clang-format on

#include <algorithm>

#include "ops/activations.hpp"
#include "ops/block_dot_inl.hpp"
#include "ops/lanes_inl.hpp"
#include "ops/packed_matrix.hpp"

HWY_BEFORE_NAMESPACE();
#if HWY_TARGET == HWY_AVX3_DL
#pragma GCC push_options
#pragma GCC target("avx512vnni")
#endif
namespace pipespec::ops::HWY_NAMESPACE {

constexpr int row_group = ActivationBlock::rows;

template <WeightType type>
constexpr CodeBits bits_of = type == WeightType::q8_0 ? CodeBits::eight : CodeBits::four;

/// log2 of the zero point of a type's unsigned codes; −1: none.
template <WeightType type>
constexpr int zero_point_shift = type == WeightType::q8_0   ? 7
                                 : type == WeightType::q4_0 ? 3
                                                            : -1;

/// One tile of quantised weights times `rows` rows of a group.
template <WeightType type, int rows>
HWY_INLINE void sum_blocks(const PackedMatrix& w, std::int64_t tile, const ActivationBlock* HWY_RESTRICT x,
                           Lanes (&sums)[rows]) {
  constexpr CodeBits bits = bits_of<type>;
  const std::int64_t blocks = w.in() / ActivationBlock::length;
  const auto* scale = reinterpret_cast<const std::uint16_t*>(w.tile(tile));
  const auto* minimum = scale + blocks * 16;
  const auto* stored = reinterpret_cast<const std::uint8_t*>(w.tile(tile) + w.codes_offset());
  HWY_UNROLL(8)
  for (int r = 0; r < rows; ++r) sums[r] = zero();
  for (std::int64_t b = 0; b < blocks; ++b, stored += code_bytes(bits)) {
    const BlockCodes<bits> codes(stored);
    const Lanes d = load_half(scale + b * 16);
    HWY_UNROLL(8)
    for (int r = 0; r < rows; ++r) {
      std::int32_t start = 0;
      if constexpr (zero_point_shift < type >> 0) start = x[b].negative_sum[r] * (1 << zero_point_shift<type>);
      sums[r] = fma(dot(codes, x[b].codes[r], start), mul(d, broadcast(x[b].scale[r])), sums[r]);
    }
    if constexpr (type == WeightType::q4_1) {
      const Lanes m = load_half(minimum + b * 16);
      HWY_UNROLL(8)
      for (int r = 0; r < rows; ++r) sums[r] = fma(m, broadcast(x[b].scaled_sum[r]), sums[r]);
    }
  }
}

/// Weights of input k (f32, f16), or of the inputs k and k + 1 (bf16), of one tile.
template <WeightType type>
HWY_INLINE Lanes load_weights(const std::byte* HWY_RESTRICT tile, std::int64_t k) {
  if constexpr (type == WeightType::f32)
    return load(reinterpret_cast<const float*>(tile) + k * 16);
  else
    return load_half(reinterpret_cast<const std::uint16_t*>(tile) + k * 16);
}

/// The first and second of 16 pairs of bfloat16, widened.
HWY_INLINE Lanes first_of_pairs(const Lanes& pairs) {
  return each_part([&](int i) HWY_ATTR {
    return hn::BitCast(FloatTag(), hn::ShiftLeft<16>(hn::BitCast(UintTag(), pairs.part[i])));
  });
}
HWY_INLINE Lanes second_of_pairs(const Lanes& pairs) {
  return each_part([&](int i) HWY_ATTR {
    const UintTag bits;
    return hn::BitCast(FloatTag(), hn::And(hn::BitCast(bits, pairs.part[i]), hn::Set(bits, 0xFFFF0000u)));
  });
}

template <WeightType type, int tiles, int rows>
HWY_INLINE void sum_input(const std::byte* const (&tile)[tiles], const float* const (&x)[rows], std::int64_t k,
                          Lanes (&sums)[tiles][rows]) {
  HWY_UNROLL(8)
  for (int t = 0; t < tiles; ++t) {
    const Lanes w = load_weights<type>(tile[t], k);
    HWY_UNROLL(8)
    for (int r = 0; r < rows; ++r) sums[t][r] = fma(w, broadcast(x[r][k]), sums[t][r]);
  }
}

/// The inputs k and k + 1; of the last one of an odd number only the first.
template <int tiles, int rows>
HWY_INLINE void sum_pair(const std::byte* const (&tile)[tiles], const float* const (&x)[rows], std::int64_t k,
                         std::int64_t in, Lanes (&sums)[tiles][rows]) {
  HWY_UNROLL(8)
  for (int t = 0; t < tiles; ++t) {
    const Lanes pairs = load(reinterpret_cast<const float*>(tile[t]) + k / 2 * 16);
    const Lanes first = first_of_pairs(pairs), second = second_of_pairs(pairs);
    HWY_UNROLL(8)
    for (int r = 0; r < rows; ++r) sums[t][r] = fma(first, broadcast(x[r][k]), sums[t][r]);
    if (k + 1 == in) continue;
    HWY_UNROLL(8)
    for (int r = 0; r < rows; ++r) sums[t][r] = fma(second, broadcast(x[r][k + 1]), sums[t][r]);
  }
}

/// `tiles` tiles of floating-point weights times `rows` rows.
template <WeightType type, int tiles, int rows>
HWY_INLINE void sum_inputs(const PackedMatrix& w, std::int64_t first_tile, const MatrixView<const float>& x,
                           std::int64_t first_row, Lanes (&sums)[tiles][rows]) {
  const std::byte* tile[tiles];
  const float* row[rows];
  for (int t = 0; t < tiles; ++t) tile[t] = w.tile(first_tile + t);
  for (int r = 0; r < rows; ++r) row[r] = x.row(first_row + r);
  HWY_UNROLL(8)
  for (int t = 0; t < tiles; ++t) {
    HWY_UNROLL(8)
    for (int r = 0; r < rows; ++r) sums[t][r] = zero();
  }
  const std::int64_t in = w.in();
  if constexpr (type == WeightType::bf16) {
    std::int64_t k = 0;
    for (; k + 2 <= in; k += 2) sum_pair(tile, row, k, k + 2, sums);
    if (k < in) sum_pair(tile, row, k, in, sums);
  } else {
    for (std::int64_t k = 0; k < in; ++k) sum_input<type>(tile, row, k, sums);
  }
}

/// Tiles of floating-point weights at once: enough independent sums to hide the latency of a multiply-add, and no more
/// than the registers hold.
constexpr int tiles_at_once(int rows) {
  const int sums = parts == 1 ? 16 : 10 / (parts < 2 ? 2 : parts);
  return rows >= sums ? 1 : sums / rows > 8 ? 8 : sums / rows;
}

/// Gives sink(row, tile, the 16 outputs of the tile) for rows [first_row, first_row + rows) and tiles [begin, end).
template <WeightType type, int rows, class Sink>
void run_rows(const PackedMatrix& w, const Activations& x, std::int64_t first_row, std::int64_t begin, std::int64_t end,
              Sink& sink) {
  if constexpr (type == WeightType::q8_0 || type == WeightType::q4_0 || type == WeightType::q4_1) {
    for (std::int64_t tile = begin; tile < end; ++tile) {
      Lanes sums[rows];
      sum_blocks<type>(w, tile, x.blocks(first_row / row_group), sums);
      for (int r = 0; r < rows; ++r) sink(first_row + r, tile, sums[r]);
    }
  } else {
    constexpr int most = tiles_at_once(rows);
    std::int64_t tile = begin;
    for (; tile + most <= end; tile += most) {
      Lanes sums[most][rows];
      sum_inputs<type>(w, tile, x.x(), first_row, sums);
      for (int t = 0; t < most; ++t)
        for (int r = 0; r < rows; ++r) sink(first_row + r, tile + t, sums[t][r]);
    }
    for (; tile < end; ++tile) {
      Lanes sums[1][rows];
      sum_inputs<type>(w, tile, x.x(), first_row, sums);
      for (int r = 0; r < rows; ++r) sink(first_row + r, tile, sums[0][r]);
    }
  }
}

template <WeightType type, class Sink>
void run_group(const PackedMatrix& w, const Activations& x, std::int64_t first_row, std::int64_t begin,
               std::int64_t end, Sink& sink) {
  switch (std::min<std::int64_t>(x.rows() - first_row, row_group)) {
    case 1:
      return run_rows<type, 1>(w, x, first_row, begin, end, sink);
    case 2:
      return run_rows<type, 2>(w, x, first_row, begin, end, sink);
    case 3:
      return run_rows<type, 3>(w, x, first_row, begin, end, sink);
    case 4:
      return run_rows<type, 4>(w, x, first_row, begin, end, sink);
    case 5:
      return run_rows<type, 5>(w, x, first_row, begin, end, sink);
    case 6:
      return run_rows<type, 6>(w, x, first_row, begin, end, sink);
    case 7:
      return run_rows<type, 7>(w, x, first_row, begin, end, sink);
    default:
      return run_rows<type, 8>(w, x, first_row, begin, end, sink);
  }
}

/// All rows, over tiles [begin, end). Several tiles stay in the cache while the groups of rows pass over them.
template <WeightType type, class Sink>
void run_type(const PackedMatrix& w, const Activations& x, std::int64_t begin, std::int64_t end, Sink& sink) {
  constexpr std::int64_t cached_tiles = 8;
  for (std::int64_t tile = begin; tile < end; tile += cached_tiles)
    for (std::int64_t row = 0; row < x.rows(); row += row_group)
      run_group<type>(w, x, row, tile, std::min(tile + cached_tiles, end), sink);
}

template <class Sink>
void run_tiles(const PackedMatrix& w, const Activations& x, std::int64_t begin, std::int64_t end, Sink& sink) {
  switch (w.type()) {
    case WeightType::f32:
      return run_type<WeightType::f32>(w, x, begin, end, sink);
    case WeightType::f16:
      return run_type<WeightType::f16>(w, x, begin, end, sink);
    case WeightType::bf16:
      return run_type<WeightType::bf16>(w, x, begin, end, sink);
    case WeightType::q8_0:
      return run_type<WeightType::q8_0>(w, x, begin, end, sink);
    case WeightType::q4_0:
      return run_type<WeightType::q4_0>(w, x, begin, end, sink);
    case WeightType::q4_1:
      return run_type<WeightType::q4_1>(w, x, begin, end, sink);
  }
}

}  // namespace pipespec::ops::HWY_NAMESPACE
#if HWY_TARGET == HWY_AVX3_DL
#pragma GCC pop_options
#endif
HWY_AFTER_NAMESPACE();

#endif
