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

/// Rounds 32 values of query i to 15 bits, as the sum of two rows of 8-bit codes:
///     x ≈ scale[2i]·codes[2i] + scale[2i + 1]·codes[2i + 1], scale[2i] = 128·scale[2i + 1] = max|x|/127.
HWY_INLINE void round_to_two_rows(const Lanes& low, const Lanes& high, int i, ActivationBlock& block) {
  constexpr float most = 127 * 128;
  const float largest = max_of_lanes(max(abs(low), abs(high)));
  const Part inverse =
      hn::Set(FloatTag(), largest < 1e-30f ? 0.0f : most / largest);  // the reciprocal of less may overflow
  IntPart coarse_sums = hn::Zero(IntTag()), fine_sums = hn::Zero(IntTag());
  PIPESPEC_UNROLL
  for (int p = 0; p < 2 * parts; ++p) {
    const Part x = p < parts ? low.part[p] : high.part[p - parts];
    const IntPart nearest = nearest_part(hn::Mul(x, inverse));
    const IntPart coarse = hn::ShiftRight<7>(hn::Add(nearest, hn::Set(IntTag(), 64)));
    const IntPart fine = hn::Sub(nearest, hn::ShiftLeft<7>(coarse));
    store_bytes(coarse, block.codes[2 * i] + p * part_lanes);
    store_bytes(fine, block.codes[2 * i + 1] + p * part_lanes);
    coarse_sums = hn::Add(coarse_sums, coarse);
    fine_sums = hn::Add(fine_sums, fine);
  }
  block.scale[2 * i] = largest / 127;
  block.scale[2 * i + 1] = largest / most;
  block.negative_sum[2 * i] = -hn::GetLane(hn::SumOfLanes(IntTag(), coarse_sums));
  block.negative_sum[2 * i + 1] = -hn::GetLane(hn::SumOfLanes(IntTag(), fine_sums));
}

/// Rounds the queries of the groups [begin, end), numbered kv head·groups + group.
void round_queries(const AttentionJob& job, std::int64_t begin, std::int64_t end) {
  const int head_dim = job.cache.head_dim;
  for (std::int64_t at = begin; at < end; ++at) {
    const std::int64_t kv_head = at / job.query_groups, first = at % job.query_groups * queries_of_tiles;
    for (int i = 0; i < std::min(queries_of_tiles, job.queries() - first); ++i) {
      const float* q = job.query(kv_head, first + i);
      for (int d = 0; d < head_dim; d += 32) {
        const Lanes high = d + 16 < head_dim ? load_first(q + d + 16, head_dim - d - 16) : zero();
        round_to_two_rows(load_first(q + d, head_dim - d), high, i, job.rounded_queries(at)[d / 32]);
      }
    }
  }
}

/// Adds the products of a tile to the two sums of every query, and asks for what the next splits will read.
template <int count>
HWY_INLINE void add_tile(const std::uint8_t* HWY_RESTRICT codes, const std::uint16_t* scales,
                         const ActivationBlock& rounded, Lanes (&sums)[2 * count]) {
  prefetch(codes + prefetch_distance, KvTileLayout::tile_bytes);
  add_block<WeightType::q8_0>(codes, {scales, nullptr, nullptr}, rounded, sums);
}

/// Attention of `count` queries of a kv head, from `first` on, to one split.
template <int count>
void attend_tiles(const AttentionJob& job, std::int64_t kv_head, std::int64_t split, std::int64_t first) {
  static constexpr std::uint16_t one = 0x3C00;  // as f16
  static constexpr std::uint16_t ones[16] = {one, one, one, one, one, one, one, one,
                                             one, one, one, one, one, one, one, one};
  constexpr std::int64_t tiles = split_positions / 16, blocks = split_positions / 32;
  const KvTileLayout layout(job.cache);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(job.cache.data);
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

  for (int t = 0; t * 16 < most; ++t) {
    Lanes sums[2 * count];
    for (auto& sum : sums) sum = zero();
    const std::int64_t tile = split * tiles + t;
    for (std::int64_t b = 0; b < layout.key_blocks; ++b)
      add_tile<count>(bytes + layout.key_codes(kv_head, tile, b), halves(layout.key_scales(kv_head, tile, b)),
                      rounded[b], sums);
    for (int i = 0; i < count; ++i)
      store(mul(add(sums[2 * i], sums[2 * i + 1]), broadcast(job.scale)), weight[i] + t * 16);
  }

  const int used_blocks = (most + 31) / 32;
  ActivationBlock weights[blocks];
  for (int i = 0; i < count; ++i) {
    soften(weight[i], visible[i], result[i]);
    for (int b = 0; b < used_blocks; ++b) {
      const std::uint16_t* scales = halves(layout.value_scales(kv_head, split * blocks + b));
      const auto scaled = [&](int from) HWY_ATTR {
        const Lanes seen = broadcast(static_cast<float>(visible[i] - b * 32 - from));
        return if_less(lane_numbers(), seen, mul(load(weight[i] + b * 32 + from), load_half(scales + from)), zero());
      };
      round_to_two_rows(scaled(0), scaled(16), i, weights[b]);
    }
  }

  for (std::int64_t t = 0; t < layout.value_tiles; ++t) {
    Lanes sums[2 * count];
    for (auto& sum : sums) sum = zero();
    for (int b = 0; b < used_blocks; ++b)
      add_tile<count>(bytes + layout.value_codes(kv_head, split * blocks + b, t), ones, weights[b], sums);
    for (int i = 0; i < count; ++i) store(add(sums[2 * i], sums[2 * i + 1]), result[i].values + t * 16);
  }
}

/// Items [begin, end); an item is (kv head, split, group of queries), the group changing fastest, so that a split is
/// read once for all.
void attend_tile_items(const AttentionJob& job, std::int64_t begin, std::int64_t end) {
  for (std::int64_t item = begin; item < end; ++item) {
    const std::int64_t first = item % job.query_groups * queries_of_tiles;
    const std::int64_t split = item / job.query_groups % job.splits, kv_head = item / job.query_groups / job.splits;
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
