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
#include "ops/prefetch.hpp"

HWY_BEFORE_NAMESPACE();
#if HWY_TARGET == HWY_AVX3_DL
#pragma GCC push_options
#pragma GCC target("avx512vnni")
#endif
namespace pipespec::ops::HWY_NAMESPACE {

constexpr int row_group = ActivationBlock::rows;

/// One tile of quantised weights times `rows` rows of a group.
template <WeightType type, int rows>
HWY_INLINE void sum_blocks(const PackedMatrix& w, std::int64_t tile, const ActivationBlock* HWY_RESTRICT x,
                           Lanes (&sums)[rows]) {
  constexpr TileFormat format = tile_format(type);
  const std::int64_t blocks = w.in() / ActivationBlock::length;
  const std::int64_t scales = blocks / format.blocks_of_a_d * 16;
  const auto* d = reinterpret_cast<const std::uint16_t*>(w.tile(tile));
  const auto* factors = reinterpret_cast<const std::int8_t*>(d + scales * format.halves());
  const auto* stored = reinterpret_cast<const std::uint8_t*>(w.tile(tile) + w.codes_offset());
  PIPESPEC_UNROLL
  for (int r = 0; r < rows; ++r) sums[r] = zero();
  constexpr std::int64_t block_bytes =
      code_bytes(type) + 32 * format.halves() / format.blocks_of_a_d + 16 * format.factors();
  // Tiles follow each other in memory, so this keeps memory busy across the end of a tile, where a processor's own
  // prefetching and speculation start anew.
  const std::byte* ahead = w.tile(tile) + (format.code_bits == 8 ? prefetch_distance_of_bytes : prefetch_distance);
  for (std::int64_t b = 0; b < blocks; ++b, stored += code_bytes(type), ahead += block_bytes) {
    prefetch(ahead, block_bytes);
    prefetch_near(stored + near_distance, code_bytes(type));
    const std::uint16_t* scale = d + b / format.blocks_of_a_d * 16;
    add_block<type>(stored, {scale, scale + scales, factors + b * 16 * format.factors()}, x[b], sums);
  }
}

/// Whether to ask for the memory to come while `tiles` tiles are read side by side: with many of them the processor
/// does better by itself.
template <int tiles>
constexpr bool wants_prefetch = tiles <= 4;

/// Weights of input k (f32, f16) of one tile.
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
  PIPESPEC_UNROLL
  for (int t = 0; t < tiles; ++t) {
    const Lanes w = load_weights<type>(tile[t], k);
    if constexpr (wants_prefetch<tiles>)
      prefetch(tile[t] + k * 16 * (type == WeightType::f32 ? 4 : 2) + prefetch_distance, 64);
    PIPESPEC_UNROLL
    for (int r = 0; r < rows; ++r) sums[t][r] = fma(w, broadcast(x[r][k]), sums[t][r]);
  }
}

/// Both inputs of pair k.
template <int tiles, int rows>
HWY_INLINE void sum_pair(const std::byte* const (&tile)[tiles], const float* const (&x)[rows], std::int64_t pair,
                         Lanes (&sums)[tiles][rows]) {
  PIPESPEC_UNROLL
  for (int t = 0; t < tiles; ++t) {
    const Lanes pairs = load(reinterpret_cast<const float*>(tile[t]) + pair * 16);
    if constexpr (wants_prefetch<tiles>) prefetch(tile[t] + pair * 64 + prefetch_distance, 64);
    const Lanes first = first_of_pairs(pairs), second = second_of_pairs(pairs);
    PIPESPEC_UNROLL
    for (int r = 0; r < rows; ++r) sums[t][r] = fma(first, broadcast(x[r][2 * pair]), sums[t][r]);
    PIPESPEC_UNROLL
    for (int r = 0; r < rows; ++r) sums[t][r] = fma(second, broadcast(x[r][2 * pair + 1]), sums[t][r]);
  }
}

/// The last input of an odd number, which is the first of its pair.
template <int tiles, int rows>
HWY_INLINE void sum_last_of_pairs(const std::byte* const (&tile)[tiles], const float* const (&x)[rows], std::int64_t k,
                                  Lanes (&sums)[tiles][rows]) {
  for (int t = 0; t < tiles; ++t) {
    const Lanes w = first_of_pairs(load(reinterpret_cast<const float*>(tile[t]) + k / 2 * 16));
    for (int r = 0; r < rows; ++r) sums[t][r] = fma(w, broadcast(x[r][k]), sums[t][r]);
  }
}

/// `tiles` tiles of floating-point weights times `rows` rows, which are rows [output_row, …) of the outputs.
template <WeightType type, int tiles, int rows>
HWY_INLINE void sum_inputs(const PackedMatrix& w, std::int64_t first_tile, const MatrixView<const float>& x,
                           std::int64_t first_row, float (*outputs)[row_group][16], int output_row) {
  const std::byte* tile[tiles];
  const float* row[rows];
  Lanes sums[tiles][rows];
  for (int t = 0; t < tiles; ++t) tile[t] = w.tile(first_tile + t);
  for (int r = 0; r < rows; ++r) row[r] = x.row(first_row + r);
  for (int t = 0; t < tiles; ++t)
    for (int r = 0; r < rows; ++r) sums[t][r] = zero();
  const std::int64_t in = w.in();
  if constexpr (type == WeightType::bf16) {
    for (std::int64_t k = 0; k < in / 2; ++k) sum_pair(tile, row, k, sums);
    if (in % 2 != 0) sum_last_of_pairs(tile, row, in - 1, sums);
  } else {
    for (std::int64_t k = 0; k < in; ++k) sum_input<type>(tile, row, k, sums);
  }
  for (int t = 0; t < tiles; ++t)
    for (int r = 0; r < rows; ++r) store(sums[t][r], outputs[t][output_row + r]);
}

/// Tiles of floating-point weights at once: enough independent sums to hide the latency of a multiply-add, and no more
/// than the registers hold.
constexpr int tiles_at_once(int rows) {
  const int sums = parts == 1 ? 16 : 10 / (parts < 2 ? 2 : parts);
  return rows >= sums ? 1 : sums / rows > 8 ? 8 : sums / rows;
}

/// Tiles that stay in the cache while the groups of rows pass over them.
constexpr int cached_tiles = 8;

/// The outputs of some tiles for the rows of one group.
struct alignas(64) TileOutputs {
  float of[cached_tiles][row_group][16];
};

/// Rows of which the registers hold the sums of a tile of floating-point weights.
constexpr int rows_at_once = parts == 2 ? 4 : row_group;

/// Floating-point weights: rows [output_row, output_row + rows) of the outputs of `count` tiles.
template <WeightType type, int rows>
HWY_INLINE void sum_some_rows(const PackedMatrix& w, const Activations& x, std::int64_t first_row,
                              std::int64_t first_tile, int count, TileOutputs& outputs, int output_row) {
  constexpr int most = tiles_at_once(rows);
  int tile = 0;
  for (; tile + most <= count; tile += most)
    sum_inputs<type, most, rows>(w, first_tile + tile, x.x(), first_row, outputs.of + tile, output_row);
  for (; tile < count; ++tile)
    sum_inputs<type, 1, rows>(w, first_tile + tile, x.x(), first_row, outputs.of + tile, output_row);
}

/// The outputs of `count` ≤ cached_tiles tiles for rows [first_row, first_row + rows).
template <WeightType type, int rows>
void sum_rows(const PackedMatrix& w, const Activations& x, std::int64_t first_row, std::int64_t first_tile, int count,
              TileOutputs& outputs) {
  if constexpr (is_quantized(type)) {
    for (int tile = 0; tile < count; ++tile) {
      Lanes sums[rows];
      sum_blocks<type>(w, first_tile + tile, x.blocks(first_row / row_group), sums);
      for (int r = 0; r < rows; ++r) store(sums[r], outputs.of[tile][r]);
    }
  } else {
    constexpr int few = rows < rows_at_once ? rows : rows_at_once;
    sum_some_rows<type, few>(w, x, first_row, first_tile, count, outputs, 0);
    if constexpr (rows > few) sum_some_rows<type, rows - few>(w, x, first_row + few, first_tile, count, outputs, few);
  }
}

template <WeightType type>
void sum_group(const PackedMatrix& w, const Activations& x, std::int64_t first_row, int rows, std::int64_t first_tile,
               int count, TileOutputs& outputs) {
  switch (rows) {
    case 1:
      return sum_rows<type, 1>(w, x, first_row, first_tile, count, outputs);
    case 2:
      return sum_rows<type, 2>(w, x, first_row, first_tile, count, outputs);
    case 3:
      return sum_rows<type, 3>(w, x, first_row, first_tile, count, outputs);
    case 4:
      return sum_rows<type, 4>(w, x, first_row, first_tile, count, outputs);
    case 5:
      return sum_rows<type, 5>(w, x, first_row, first_tile, count, outputs);
    case 6:
      return sum_rows<type, 6>(w, x, first_row, first_tile, count, outputs);
    case 7:
      return sum_rows<type, 7>(w, x, first_row, first_tile, count, outputs);
    default:
      return sum_rows<type, 8>(w, x, first_row, first_tile, count, outputs);
  }
}

/// `type` has a kernel, as every packed matrix's.
inline auto sums_of(WeightType type) {
  switch (type) {
    case WeightType::f32:
      return sum_group<WeightType::f32>;
    case WeightType::f16:
      return sum_group<WeightType::f16>;
    case WeightType::bf16:
      return sum_group<WeightType::bf16>;
    case WeightType::q8_0:
      return sum_group<WeightType::q8_0>;
    case WeightType::q4_0:
      return sum_group<WeightType::q4_0>;
    case WeightType::q4_1:
      return sum_group<WeightType::q4_1>;
    case WeightType::q4_k:
      return sum_group<WeightType::q4_k>;
    case WeightType::q6_k:
      return sum_group<WeightType::q6_k>;
    default:
      return sum_group<WeightType::f32>;
  }
}

/// Calls sink(row, tile, its 16 outputs) for all rows and the tiles [begin, end).
template <class Sink>
void for_each_output_tile(const PackedMatrix& w, const Activations& x, std::int64_t begin, std::int64_t end,
                          const Sink& sink) {
  const auto sums = sums_of(w.type());
  TileOutputs outputs;
  for (std::int64_t tile = begin; tile < end; tile += cached_tiles) {
    const auto count = static_cast<int>(std::min<std::int64_t>(end - tile, cached_tiles));
    for (std::int64_t row = 0; row < x.rows(); row += row_group) {
      const auto rows = static_cast<int>(std::min<std::int64_t>(x.rows() - row, row_group));
      sums(w, x, row, rows, tile, count, outputs);
      for (int t = 0; t < count; ++t)
        for (int r = 0; r < rows; ++r) sink(row + r, tile + t, outputs.of[t][r]);
    }
  }
}

}  // namespace pipespec::ops::HWY_NAMESPACE
#if HWY_TARGET == HWY_AVX3_DL
#pragma GCC pop_options
#endif
HWY_AFTER_NAMESPACE();

#endif
