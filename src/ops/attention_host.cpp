#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/attention_host.cpp"
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include <algorithm>

#include "core/error.hpp"
#include "ops/attention.hpp"
#include "ops/attention_floats_inl.hpp"
#include "ops/attention_job.hpp"
#include "ops/attention_tiles_inl.hpp"
#include "ops/lanes_inl.hpp"
#include "ops/row_loop.hpp"

HWY_BEFORE_NAMESPACE();
namespace pipespec::ops::HWY_NAMESPACE {

/// The splits of items [begin, end); an item is (block of rows, kv head, split), the split changing fastest.
void attend_items(const AttentionJob& job, std::int64_t begin, std::int64_t end) {
  for (std::int64_t item = begin; item < end; ++item) {
    const std::int64_t split = item % job.splits;
    const auto kv_head = static_cast<int>(item / job.splits % job.cache.kv_heads);
    const std::int64_t first_row = item / job.splits / job.cache.kv_heads * job.block_rows;
    // Rows before the split see none of it.
    const std::int64_t from = std::max(first_row, split * split_positions - job.begin);
    const std::int64_t to = std::min(first_row + job.block_rows, job.q.rows);
    if (job.cache.type == KvType::f32)
      attend_item<float>(job, kv_head, split, from * job.group, to * job.group);
    else
      attend_item<std::uint16_t>(job, kv_head, split, from * job.group, to * job.group);
  }
}

/// out[0, 16·vectors) = Σ over the splits, in order, of factor·values, divided by `sum`.
template <int vectors>
HWY_INLINE void mix(const SplitResult& first, std::int64_t splits, std::int64_t value_width, int offset,
                    const Lanes& sum, float* out, std::int64_t count) {
  Lanes mixed[vectors];
  for (auto& values : mixed) values = zero();
  const float* values = first.values + offset;
  for (std::int64_t s = 0; s < splits; ++s, values += value_width) {
    const Lanes factor = broadcast(first.largest[s]);
    PIPESPEC_UNROLL
    for (int v = 0; v < vectors; ++v) mixed[v] = fma(load(values + v * 16), factor, mixed[v]);
  }
  for (int v = 0; v < vectors; ++v) store_first(div(mixed[v], sum), out + offset + v * 16, count - offset - v * 16);
}

/// Combines the splits of the heads [begin, end), numbered row·heads + head.
void combine_heads(const AttentionJob& job, std::int64_t begin, std::int64_t end) {
  for (std::int64_t at = begin; at < end; ++at) {
    const std::int64_t row = at / job.heads(), head = at % job.heads();
    const std::int64_t splits = (job.begin + row) / split_positions + 1;
    const SplitResult first = job.head_result(row, head, 0);
    const float largest = *std::max_element(first.largest, first.largest + splits);
    Lanes sums = zero();
    for (std::int64_t s = 0; s < splits; s += 16) {
      const std::int64_t count = std::min<std::int64_t>(16, splits - s);
      const Lanes shifted = add(load_first(first.largest + s, count), broadcast(-largest));
      const Lanes factor = if_less(lane_numbers(), broadcast(static_cast<float>(count)), exp(shifted), zero());
      sums = fma(load_first(first.sum + s, count), factor, sums);
      store_first(factor, first.largest + s, count);
    }
    const Lanes sum = broadcast(sum_of_lanes(sums));
    const std::int64_t width = job.layout.value_width;
    float* out = job.out.row(row) + head * job.cache.head_dim;
    int d = 0;
    for (; d + 64 <= width; d += 64) mix<4>(first, splits, width, d, sum, out, job.cache.head_dim);
    for (; d < width; d += 16) mix<1>(first, splits, width, d, sum, out, job.cache.head_dim);
  }
}

}  // namespace pipespec::ops::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pipespec::ops {

HWY_EXPORT(attend_items);
HWY_EXPORT(round_queries);
HWY_EXPORT(attend_tile_items);
HWY_EXPORT(combine_heads);

void attention(device::Stream& stream, const KvView& cache, Position begin, MatrixView<const float> q,
               MatrixView<float> out) {
  const std::int64_t width = std::int64_t{cache.kv_heads} * cache.head_dim;
  expect(q.cols % width == 0 && out.rows == q.rows && out.cols == q.cols, "queries have whole groups of heads");
  expect(begin >= 0 && begin + q.rows <= cache.capacity, "the positions are in the cache");
  const std::int64_t row_bytes = AttentionJob(cache, begin, q, out).row_bytes();
  const std::int64_t rows_at_once = std::clamp(scratch_target / row_bytes, fewest_rows, most_rows);
  for (std::int64_t first = 0; first < q.rows; first += rows_at_once) {
    const std::int64_t rows = std::min(rows_at_once, q.rows - first);
    AttentionJob job(cache, begin + static_cast<Position>(first), q.row_range(first, rows), out.row_range(first, rows));
    job.scratch = stream.scratch(job.scratch_bytes()).data();
    if (cache.type == KvType::int8) {
      for_rows(stream, cache.kv_heads * job.query_groups, queries_of_tiles * cache.head_dim,
               [&](std::int64_t group, std::int64_t end) {
                 HWY_DYNAMIC_DISPATCH(round_queries)
                 (job, group, end);
               });
      stream.pool().parallel_for(cache.kv_heads * job.splits * job.query_groups,
                                 [&](std::int64_t item, std::int64_t end) {
                                   HWY_DYNAMIC_DISPATCH(attend_tile_items)(job, item, end);
                                 });
    } else {
      stream.pool().parallel_for(job.items(), [&](std::int64_t item, std::int64_t end) {
        HWY_DYNAMIC_DISPATCH(attend_items)(job, item, end);
      });
    }
    for_rows(stream, rows * job.heads(), job.splits * job.layout.value_width,
             [&](std::int64_t head, std::int64_t end) { HWY_DYNAMIC_DISPATCH(combine_heads)(job, head, end); });
  }
}

std::size_t attention_scratch_bytes(const KvView& cache, std::int64_t heads) {
  const std::int64_t rows = std::min<std::int64_t>(most_rows, cache.capacity);
  const MatrixView<float> whole{nullptr, rows, heads * cache.head_dim};
  const AttentionJob last(cache, cache.capacity - static_cast<Position>(rows), whole, whole);
  const std::int64_t most = std::max(scratch_target, fewest_rows * last.row_bytes());
  return static_cast<std::size_t>(last.rounded_bytes + std::min(rows * last.row_bytes(), most));
}

}  // namespace pipespec::ops
#endif
