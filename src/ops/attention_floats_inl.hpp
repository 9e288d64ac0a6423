/// Attention of some queries to one split of a cache of f32 or f16. Included once for each of Highway's targets.
// clang-format off
#if defined(PIPESPEC_OPS_ATTENTION_FLOATS_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef PIPESPEC_OPS_ATTENTION_FLOATS_INL_HPP
#undef PIPESPEC_OPS_ATTENTION_FLOATS_INL_HPP
#else
#define PIPESPEC_OPS_ATTENTION_FLOATS_INL_HPP
#endif
// clang-format on

#include <hwy/highway.h>

#include <algorithm>

#include "ops/attention_job.hpp"
#include "ops/lanes_inl.hpp"
#include "ops/prefetch.hpp"
#include "ops/softmax_inl.hpp"

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
  std::int64_t ahead;  // where to what will be read later, in bytes
  HWY_ALIGN float weight[count][split_positions];
};

/// Vectors of 16 sums a query at once: enough to hide the latency of a multiply-add, no more than the registers hold.
constexpr int vectors_at_once(int queries) {
  const int registers = parts == 1 ? 16 : 8 / (parts < 2 ? 2 : parts);
  return std::clamp(registers / queries, 1, 4);
}

/// Step `step` of a loop that reads `bytes` a step from `from` on: asks for what lies so far ahead, a whole cache line
/// at a time.
template <std::int64_t bytes>
HWY_INLINE void prefetch_share(const void* from, int step, std::int64_t distance) {
  if (bytes >= 64 || step % (64 / bytes) == 0)
    prefetch(static_cast<const char*>(from) + step * bytes + distance, bytes);
}

/// weight[query][16·v …] = q·k / √head_dim of `vectors` times 16 positions from keys on.
template <int vectors, int count, class Kept>
HWY_INLINE void score(const Kept* HWY_RESTRICT keys, int head_dim, float scale, int first_vector,
                      Queries<count>& queries) {
  Lanes sums[vectors][count];
  for (int v = 0; v < vectors; ++v)
    for (int i = 0; i < count; ++i) sums[v][i] = zero();
  keys += std::int64_t{first_vector} * head_dim * 16;
  for (int d = 0; d < head_dim; ++d) {
    prefetch_share<sizeof(Kept) * 16 * vectors>(keys, d, queries.ahead);
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

/// result.values[16·v …] = Σ weight·value over the visible positions, in their order.
template <int vectors, int count, class Kept>
HWY_INLINE void mix(const Kept* HWY_RESTRICT values, int width, int first_vector, Queries<count>& queries) {
  Lanes sums[vectors][count];
  for (int v = 0; v < vectors; ++v)
    for (int i = 0; i < count; ++i) sums[v][i] = zero();
  values += first_vector * 16;
  const int seen_by_all = queries.visible[0];
  for (int p = 0; p < seen_by_all; ++p) {
    prefetch(reinterpret_cast<const char*>(values + std::int64_t{p} * width) + queries.ahead,
             sizeof(Kept) * 16 * vectors);
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
void attend_split(const AttentionJob& job, int kv_head, std::int64_t split, Queries<count>& queries) {
  const int head_dim = job.cache.head_dim, width = job.layout.value_width;
  const auto* keys = reinterpret_cast<const Kept*>(job.keys_and_values(kv_head, split));
  const Kept* values = keys + job.layout.value(0);
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
  queries.ahead = job.distance_ahead(kv_head, split);
  for (int i = 0; i < count; ++i) {
    queries.q[i] = job.query(kv_head, first + i);
    queries.visible[i] = job.visible(first + i, split);
    queries.result[i] = job.result(kv_head, first + i, split);
  }
  attend_split<count, Kept>(job, kv_head, split, queries);
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

}  // namespace pipespec::ops::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
