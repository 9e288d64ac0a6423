#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/attention_host.cpp"
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include <hwy/cache_control.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.hpp"
#include "ops/attention.hpp"
#include "ops/attention_job.hpp"
#include "ops/lanes_inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace pipespec::ops::HWY_NAMESPACE {

HWY_INLINE Lanes load_kept(const float* from) {
  return load(from);
}
HWY_INLINE Lanes load_kept(const std::uint16_t* from) {
  return load_half(from);
}

/// Queries of one kv head that read a split together.
template <int count>
struct Queries {
  const float* q[count];  // [head_dim] each
  int visible[count];     // positions of the split that the query sees, > 0, ascending
  SplitResult result[count];
  HWY_ALIGN float weight[count][split_positions];
};

/// Vectors of 16 sums a query at once: enough to hide the latency of a multiply-add, no more than the registers hold.
constexpr int vectors_at_once(int queries) {
  const int registers = parts == 1 ? 16 : 8 / (parts < 2 ? 2 : parts);
  return std::clamp(registers / queries, 1, 4);
}

/// Step `d` of a loop that asks for `bytes` a step, a whole cache line at a time.
template <std::size_t bytes>
HWY_INLINE void prefetch_share(const char* from, int d) {
  if constexpr (bytes >= 64) {
    for (std::size_t line = 0; line < bytes; line += 64) hwy::Prefetch(from + d * bytes + line);
  } else if (d % (64 / bytes) == 0) {
    hwy::Prefetch(from + d * bytes);
  }
}

/// weight[query][16·v …] = q·k / √head_dim of `vectors` times 16 positions from keys on.
template <int vectors, int count, class Kept>
HWY_INLINE void score(const Kept* HWY_RESTRICT keys, int head_dim, float scale, int first_vector,
                      Queries<count>& queries) {
  Lanes sums[vectors][count];
  for (int v = 0; v < vectors; ++v)
    for (int i = 0; i < count; ++i) sums[v][i] = zero();
  keys += std::int64_t{first_vector} * head_dim * 16;
  const auto* ahead = reinterpret_cast<const char*>(keys + std::int64_t{split_positions} * head_dim);
  for (int d = 0; d < head_dim; ++d) {
    prefetch_share<sizeof(Kept) * 16 * vectors>(ahead, d);
    PIPESPEC_UNROLL
    for (int v = 0; v < vectors; ++v) {
      const Lanes k = load_kept(keys + (std::int64_t{v} * head_dim + d) * 16);
      PIPESPEC_UNROLL
      for (int i = 0; i < count; ++i) sums[v][i] = fma(k, broadcast(queries.q[i][d]), sums[v][i]);
    }
  }
  for (int v = 0; v < vectors; ++v)
    for (int i = 0; i < count; ++i)
      store(mul(sums[v][i], broadcast(scale)), queries.weight[i] + (first_vector + v) * 16);
}

/// Turns the scores of one query into exp(score − largest) and tells the largest and the sum.
HWY_INLINE void soften(float* HWY_RESTRICT weight, int visible, SplitResult& result) {
  const auto seen = [&](int first) HWY_ATTR { return broadcast(static_cast<float>(visible - first)); };
  const Lanes nothing = broadcast(-std::numeric_limits<float>::infinity());
  Lanes largest = nothing;
  for (int first = 0; first < visible; first += 16)
    largest = max(largest, if_less(lane_numbers(), seen(first), load(weight + first), nothing));
  *result.largest = max_of_lanes(largest);
  const Lanes shift = broadcast(-*result.largest);
  Lanes sum = zero();
  for (int first = 0; first < visible; first += 16) {
    const Lanes e = if_less(lane_numbers(), seen(first), exp(add(load(weight + first), shift)), zero());
    store(e, weight + first);
    sum = add(sum, e);
  }
  *result.sum = sum_of_lanes(sum);
}

/// result.values[16·v …] = Σ weight·value over the visible positions, in their order.
template <int vectors, int count, class Kept>
HWY_INLINE void mix(const Kept* HWY_RESTRICT values, int width, int first_vector, Queries<count>& queries) {
  Lanes sums[vectors][count];
  for (int v = 0; v < vectors; ++v)
    for (int i = 0; i < count; ++i) sums[v][i] = zero();
  values += first_vector * 16;
  const int seen_by_all = queries.visible[0];
  const Kept* ahead = values + std::int64_t{split_positions} * width;
  for (int p = 0; p < seen_by_all; ++p, ahead += width) {
    for (std::size_t line = 0; line < sizeof(Kept) * 16 * vectors; line += 64)
      hwy::Prefetch(reinterpret_cast<const char*>(ahead) + line);
    PIPESPEC_UNROLL
    for (int v = 0; v < vectors; ++v) {
      const Lanes value = load_kept(values + std::int64_t{p} * width + v * 16);
      PIPESPEC_UNROLL
      for (int i = 0; i < count; ++i) sums[v][i] = fma(value, broadcast(queries.weight[i][p]), sums[v][i]);
    }
  }
  for (int v = 0; v < vectors; ++v) {
    PIPESPEC_UNROLL
    for (int i = 0; i < count; ++i) {
      for (int p = seen_by_all; p < queries.visible[i]; ++p)
        sums[v][i] =
            fma(load_kept(values + std::int64_t{p} * width + v * 16), broadcast(queries.weight[i][p]), sums[v][i]);
      store(sums[v][i], queries.result[i].values + (first_vector + v) * 16);
    }
  }
}

/// Attention of `count` queries to one split of positions.
template <int count, class Kept>
void attend_split(const AttentionJob& job, int kv_head, Position first_position, Queries<count>& queries) {
  const int head_dim = job.cache.head_dim, width = job.layout.value_width;
  const auto* kept = reinterpret_cast<const Kept*>(job.cache.data);
  const Kept* keys = kept + job.layout.key(kv_head, first_position, 0);
  const Kept* values = kept + job.layout.value(kv_head, first_position);
  constexpr int most = vectors_at_once(count);
  const int vectors = (queries.visible[count - 1] + 15) / 16;
  int v = 0;
  for (; v + most <= vectors; v += most) score<most>(keys, head_dim, job.scale, v, queries);
  for (; v < vectors; ++v) score<1>(keys, head_dim, job.scale, v, queries);
  for (int i = 0; i < count; ++i) soften(queries.weight[i], queries.visible[i], queries.result[i]);
  const int value_vectors = width / 16;
  for (v = 0; v + most <= value_vectors; v += most) mix<most>(values, width, v, queries);
  for (; v < value_vectors; ++v) mix<1>(values, width, v, queries);
}

/// Takes `count` queries, numbered row·group + head of the group, from `first` on.
template <int count, class Kept>
void attend_queries(const AttentionJob& job, int kv_head, std::int64_t split, std::int64_t first) {
  Queries<count> queries;
  const Position first_position = static_cast<Position>(split * split_positions);
  for (int i = 0; i < count; ++i) {
    const std::int64_t row = (first + i) / job.group, head = kv_head * job.group + (first + i) % job.group;
    queries.q[i] = job.q.row(row) + head * job.cache.head_dim;
    queries.visible[i] = std::min(job.begin + static_cast<Position>(row) + 1 - first_position, split_positions);
    queries.result[i] = job.result(row, head, split);
  }
  attend_split<count, Kept>(job, kv_head, first_position, queries);
}

template <class Kept>
void attend_item(const AttentionJob& job, int kv_head, std::int64_t split, std::int64_t first, std::int64_t end) {
  for (; first + 8 <= end; first += 8) attend_queries<8, Kept>(job, kv_head, split, first);
  switch (end - first) {
    case 7:
      return attend_queries<7, Kept>(job, kv_head, split, first);
    case 6:
      return attend_queries<6, Kept>(job, kv_head, split, first);
    case 5:
      return attend_queries<5, Kept>(job, kv_head, split, first);
    case 4:
      return attend_queries<4, Kept>(job, kv_head, split, first);
    case 3:
      return attend_queries<3, Kept>(job, kv_head, split, first);
    case 2:
      return attend_queries<2, Kept>(job, kv_head, split, first);
    case 1:
      return attend_queries<1, Kept>(job, kv_head, split, first);
    default:
      return;
  }
}

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

/// Combines the splits of every head of a row, in order.
void combine_row(const AttentionJob& job, std::int64_t row) {
  const std::int64_t splits = (job.begin + row) / split_positions + 1;
  const int head_dim = job.cache.head_dim;
  for (std::int64_t head = 0; head < job.cache.kv_heads * job.group; ++head) {
    float largest = *job.result(row, head, 0).largest;
    for (std::int64_t s = 1; s < splits; ++s) largest = std::max(largest, *job.result(row, head, s).largest);
    Lanes sum = zero();
    for (std::int64_t s = 0; s < splits; ++s) {
      const SplitResult part = job.result(row, head, s);
      const Lanes factor = exp(broadcast(*part.largest - largest));
      sum = fma(broadcast(*part.sum), factor, sum);
      store_first(factor, part.largest, 1);
    }
    for (int d = 0; d < head_dim; d += 16) {
      Lanes mixed = zero();
      for (std::int64_t s = 0; s < splits; ++s) {
        const SplitResult part = job.result(row, head, s);
        mixed = fma(load(part.values + d), broadcast(*part.largest), mixed);
      }
      store_first(div(mixed, sum), job.out.row(row) + head * head_dim + d, head_dim - d);
    }
  }
}

}  // namespace pipespec::ops::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pipespec::ops {

HWY_EXPORT(attend_items);
HWY_EXPORT(combine_row);

void attention(device::Stream& stream, const KvView& cache, Position begin, MatrixView<const float> q,
               MatrixView<float> out) {
  const std::int64_t width = std::int64_t{cache.kv_heads} * cache.head_dim;
  expect(q.cols % width == 0 && out.rows == q.rows && out.cols == q.cols, "queries have whole groups of heads");
  expect(begin >= 0 && begin + q.rows <= cache.capacity, "the positions are in the cache");
  // Rows are taken some at a time, so that the scratch memory stays small however long the pass is.
  constexpr std::int64_t rows_at_once = 64;
  for (std::int64_t first = 0; first < q.rows; first += rows_at_once) {
    const std::int64_t rows = std::min(rows_at_once, q.rows - first);
    AttentionJob job(cache, begin + static_cast<Position>(first), q.row_range(first, rows), out.row_range(first, rows));
    job.scratch = reinterpret_cast<float*>(stream.scratch(job.scratch_bytes()).data());
    stream.pool().parallel_for(job.items(), [&](std::int64_t item, std::int64_t end) {
      HWY_DYNAMIC_DISPATCH(attend_items)(job, item, end);
    });
    stream.pool().parallel_for(rows, [&](std::int64_t row, std::int64_t end) {
      for (; row < end; ++row) HWY_DYNAMIC_DISPATCH(combine_row)(job, row);
    });
  }
}

}  // namespace pipespec::ops
#endif
