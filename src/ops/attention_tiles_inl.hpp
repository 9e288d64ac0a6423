/// Attention of some queries to one split of a cache of int8: products of exact integers, of codes of 8 bits with
/// queries and weights rounded to 15. Included once for each of Highway's targets.
// clang-format off
#if defined(PIPESPEC_OPS_ATTENTION_TILES_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef PIPESPEC_OPS_ATTENTION_TILES_INL_HPP
#undef PIPESPEC_OPS_ATTENTION_TILES_INL_HPP
#else
#define PIPESPEC_OPS_ATTENTION_TILES_INL_HPP
#endif
// clang-format on

#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>

#include "ops/activations.hpp"
#include "ops/attention_job.hpp"
#include "ops/block_dot_inl.hpp"
#include "ops/lanes_inl.hpp"
#include "ops/prefetch.hpp"
#include "ops/softmax_inl.hpp"

HWY_BEFORE_NAMESPACE();
#if HWY_TARGET == HWY_AVX3_DL
#pragma GCC push_options
#pragma GCC target("avx512vnni")
#endif
namespace pipespec::ops::HWY_NAMESPACE {

/// Rounds 32·blocks values x of query i to integers of 15 bits in units of `scale[2i + 1]` = max|x|/(127·128), the same
/// in all blocks. An integer is 128 times a coarse code of 8 bits, in row 2i, and a fine one, in row 2i + 1. The fine
/// row of the last block takes the sum of all, as what the products want of it is added up over blocks anyway.
HWY_INLINE void round_to_two_rows(const Lanes* x, int blocks, int i, ActivationBlock* to) {
  constexpr float most = 127 * 128;
  Lanes largest = zero();
  for (int v = 0; v < 2 * blocks; ++v) largest = max(largest, abs(x[v]));
  const float size = max_of_lanes(largest);
  const Part inverse = hn::Set(FloatTag(), size < 1e-30f ? 0.0f : most / size);  // the reciprocal of less may overflow
  IntPart sums = hn::Zero(IntTag());
  for (int b = 0; b < blocks; ++b) {
    PIPESPEC_UNROLL
    for (int p = 0; p < 2 * parts; ++p) {
      const IntPart nearest = nearest_part(hn::Mul(x[2 * b + p / parts].part[p % parts], inverse));
      const IntPart coarse = hn::ShiftRight<7>(hn::Add(nearest, hn::Set(IntTag(), 64)));
      const IntPart fine = hn::Sub(nearest, hn::ShiftLeft<7>(coarse));
      store_bytes(coarse, to[b].codes[2 * i] + p * part_lanes);
      store_bytes(fine, to[b].codes[2 * i + 1] + p * part_lanes);
      sums = hn::Add(sums, nearest);
    }
    to[b].scale[2 * i + 1] = size / most;
    to[b].negative_sum[2 * i] = to[b].negative_sum[2 * i + 1] = 0;
  }
  if (blocks > 0) to[blocks - 1].negative_sum[2 * i + 1] = -hn::GetLane(hn::SumOfLanes(IntTag(), sums));
}

/// Rounds the queries of the groups [begin, end), numbered kv head·groups + group.
void round_queries(const AttentionJob& job, std::int64_t begin, std::int64_t end) {
  const int head_dim = job.cache.head_dim;
  for (std::int64_t at = begin; at < end; ++at) {
    const std::int64_t kv_head = at / job.query_groups, first = at % job.query_groups * queries_of_tiles;
    for (int i = 0; i < std::min(queries_of_tiles, job.queries() - first); ++i) {
      const float* q = job.query(kv_head, first + i);
      for (int d = 0; d < head_dim; d += 32) {
        const Lanes x[2] = {load_first(q + d, head_dim - d),
                            d + 16 < head_dim ? load_first(q + d + 16, head_dim - d - 16) : zero()};
        round_to_two_rows(x, 1, i, job.rounded_queries(at) + d / 32);
      }
    }
  }
}

/// Part `part` of the products of a tile with every query, in its units: exact. Asks for what lies `ahead` bytes
/// behind.
template <int count>
HWY_INLINE void tile_products(const std::uint8_t* HWY_RESTRICT codes, std::int64_t ahead,
                              const ActivationBlock& rounded, int part, IntPart (&products)[count]) {
  if (part == 0) {
    prefetch(codes + ahead, KvTileLayout::tile_bytes);
    prefetch_near(codes + near_distance, KvTileLayout::tile_bytes);
  }
  IntPart dots[2 * count];
  block_dots<WeightType::q8_0>(codes, rounded, 0, part, dots);
  PIPESPEC_UNROLL
  for (int i = 0; i < count; ++i) products[i] = hn::Add(hn::ShiftLeft<7>(dots[2 * i]), dots[2 * i + 1]);
}

/// Attention of `count` queries of a kv head, from `first` on, to one split.
template <int count>
void attend_tiles(const AttentionJob& job, std::int64_t kv_head, std::int64_t split, std::int64_t first) {
  constexpr std::int64_t blocks = KvTileLayout::position_blocks;
  const KvTileLayout layout(job.cache.head_dim);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(job.keys_and_values(kv_head, split));
  const std::int64_t ahead = job.distance_ahead(kv_head, split);
  const auto halves = [bytes](std::int64_t offset) { return reinterpret_cast<const std::uint16_t*>(bytes + offset); };
  const ActivationBlock* rounded = job.rounded_queries(kv_head * job.query_groups + first / queries_of_tiles);
  HWY_ALIGN float weight[count][split_positions];
  SplitResult result[count];
  int visible[count];
  for (int i = 0; i < count; ++i) {
    result[i] = job.result(kv_head, first + i, split);
    visible[i] = std::max(job.visible(first + i, split), 0);
  }
  const int most = visible[count - 1];

  prefetch(bytes + layout.key_scales(0, 0) + ahead, layout.size() - layout.key_scales(0, 0));
  for (int t = 0; t * 16 < most; ++t) {
    Lanes scores[count];
    for (auto& score : scores) score = zero();
    for (std::int64_t b = 0; b < layout.key_blocks; ++b) {
      const std::uint16_t* scales = halves(layout.key_scales(t, b));
      for (int p = 0; p < parts; ++p) {
        IntPart products[count];
        tile_products(bytes + layout.key_codes(t, b), ahead, rounded[b], p, products);
        const Part scale = half_part(scales, p);
        for (int i = 0; i < count; ++i)
          scores[i].part[p] =
              fma_part(hn::ConvertTo(FloatTag(), products[i]),
                       hn::Mul(scale, hn::Set(FloatTag(), rounded[b].scale[2 * i + 1])), scores[i].part[p]);
      }
    }
    for (int i = 0; i < count; ++i) store(mul(scores[i], broadcast(job.scale)), weight[i] + t * 16);
  }

  // The scale of a value belongs to its position, so its weight takes it over.
  const int used_blocks = (most + 31) / 32;
  ActivationBlock weights[blocks];
  for (int i = 0; i < count; ++i) {
    soften(weight[i], visible[i], result[i]);
    Lanes scaled[2 * blocks];
    for (int v = 0; v < 2 * used_blocks; ++v) {
      const Lanes seen = broadcast(static_cast<float>(visible[i] - v * 16));
      const Lanes scale = load_half(halves(layout.value_scales(v / 2)) + v % 2 * 16);
      scaled[v] = if_less(lane_numbers(), seen, mul(load(weight[i] + v * 16), scale), zero());
    }
    round_to_two_rows(scaled, used_blocks, i, weights);
  }

  for (std::int64_t t = 0; t < layout.value_tiles; ++t) {
    for (int p = 0; p < parts; ++p) {
      IntPart sums[count];  // of 64 products of 8 and 15 bits: below 2^28
      for (auto& sum : sums) sum = hn::Zero(IntTag());
      for (int b = 0; b < used_blocks; ++b) {
        IntPart products[count];
        tile_products(bytes + layout.value_codes(b, t), ahead, weights[b], p, products);
        for (int i = 0; i < count; ++i) sums[i] = hn::Add(sums[i], products[i]);
      }
      for (int i = 0; i < count; ++i)
        hn::StoreU(hn::Mul(hn::ConvertTo(FloatTag(), sums[i]), hn::Set(FloatTag(), weights[0].scale[2 * i + 1])),
                   FloatTag(), result[i].values + t * 16 + p * part_lanes);
    }
  }
}

/// Items [begin, end); an item is (split, kv head, group of queries), the group changing fastest, so that keys are read
/// once for all.
void attend_tile_items(const AttentionJob& job, std::int64_t begin, std::int64_t end) {
  for (std::int64_t item = begin; item < end; ++item) {
    const std::int64_t first = item % job.query_groups * queries_of_tiles;
    const std::int64_t kv_head = item / job.query_groups % job.cache.kv_heads;
    const std::int64_t split = item / job.query_groups / job.cache.kv_heads;
    const auto count = static_cast<int>(std::min(queries_of_tiles, job.queries() - first));
    if (job.visible(first + count - 1, split) <= 0) continue;
    switch (count) {
      case 4:
        attend_tiles<4>(job, kv_head, split, first);
        break;
      case 3:
        attend_tiles<3>(job, kv_head, split, first);
        break;
      case 2:
        attend_tiles<2>(job, kv_head, split, first);
        break;
      default:
        attend_tiles<1>(job, kv_head, split, first);
        break;
    }
  }
}

}  // namespace pipespec::ops::HWY_NAMESPACE
#if HWY_TARGET == HWY_AVX3_DL
#pragma GCC pop_options
#endif
HWY_AFTER_NAMESPACE();

#endif
