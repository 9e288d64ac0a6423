/// How one call of attention is cut up.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "ops/activations.hpp"
#include "ops/attention.hpp"
#include "ops/kv_layout.hpp"
#include "ops/prefetch.hpp"

namespace pipespec::ops {

/// Positions of a split, a block of the cache: fixed, so that a row's sums do not depend on load.
constexpr Position split_positions = KvView::block_positions;

/// Queries that read a key together.
constexpr int queries_at_once = 8;

/// Likewise of a cache of int8, where a query takes two rows of an ActivationBlock.
constexpr std::int64_t queries_of_tiles = ActivationBlock::rows / 2;

/// Rows are taken some at a time, so that the scratch memory stays small and near however long the pass and the context
/// are: as many as this holds the results of, but not fewer than share a key and not more than are worth it.
constexpr std::int64_t scratch_target = std::int64_t{2} << 20;  // bytes, of results
constexpr std::int64_t fewest_rows = 8, most_rows = 64;

/// What one query found in one split, in the scratch memory. Those of the next split follow right behind.
struct SplitResult {
  float* values;   ///< [head_dim filled up to 16s] Σ e^(score − largest)·value
  float* largest;  ///< score
  float* sum;      ///< Σ e^(score − largest)
};

/// The work of some rows of one sequence: first every (block of rows, kv head, split), then the splits of every row put
/// together.
struct AttentionJob {
  AttentionJob(const KvView& kv, Position first_position, MatrixView<const float> queries, MatrixView<float> outputs)
      : cache(kv),
        layout(kv.head_dim),
        begin(first_position),
        q(queries),
        out(outputs),
        scale(1.0f / std::sqrt(static_cast<float>(kv.head_dim))),
        group(queries.cols / (std::int64_t{kv.kv_heads} * kv.head_dim)),
        block_rows(std::max<std::int64_t>(1, queries_at_once / group)),
        splits((first_position + queries.rows - 1) / split_positions + 1),
        split_lanes((splits + 15) / 16 * 16),
        head_floats(splits * layout.value_width + 2 * split_lanes),
        query_groups((queries.rows * group + queries_of_tiles - 1) / queries_of_tiles),
        rounded_blocks((kv.head_dim + ActivationBlock::length - 1) / ActivationBlock::length),
        rounded_bytes(kv.type == KvType::int8 ? kv.kv_heads * query_groups * rounded_blocks *
                                                    static_cast<std::int64_t>(sizeof(ActivationBlock))
                                              : 0) {}

  std::int64_t items() const { return (q.rows + block_rows - 1) / block_rows * cache.kv_heads * splits; }
  /// Of what a row's heads find in all splits.
  std::int64_t row_bytes() const { return heads() * head_floats * std::int64_t{sizeof(float)}; }
  std::int64_t heads() const { return cache.kv_heads * group; }
  std::size_t scratch_bytes() const { return static_cast<std::size_t>(rounded_bytes + q.rows * row_bytes()); }

  /// Queries of one kv head, numbered row·group + head of the group.
  std::int64_t queries() const { return q.rows * group; }
  /// [head_dim]
  const float* query(std::int64_t kv_head, std::int64_t number) const {
    return q.row(number / group) + (kv_head * group + number % group) * cache.head_dim;
  }
  /// Positions of the split that the query sees; none where not positive.
  int visible(std::int64_t number, std::int64_t split) const {
    return static_cast<int>(
        std::min<std::int64_t>(begin + number / group + 1 - split * split_positions, split_positions));
  }
  /// A kv head's part of the split.
  const std::byte* keys_and_values(std::int64_t kv_head, std::int64_t split) const {
    return head_of_block(cache, split, kv_head);
  }
  /// How far from there lies what will be read some 16 KiB later, where heads follow one another and then splits.
  std::int64_t distance_ahead(std::int64_t kv_head, std::int64_t split) const {
    const std::int64_t part = head_bytes(cache.type, cache.head_dim);
    const std::int64_t later = kv_head + (prefetch_distance + part - 1) / part;
    const std::int64_t later_split = std::min(split + later / cache.kv_heads, splits - 1);
    return keys_and_values(later % cache.kv_heads, later_split) - keys_and_values(kv_head, split);
  }
  SplitResult result(std::int64_t kv_head, std::int64_t number, std::int64_t split) const {
    return head_result(number / group, kv_head * group + number % group, split);
  }
  SplitResult head_result(std::int64_t row, std::int64_t head, std::int64_t split) const {
    float* results = reinterpret_cast<float*>(scratch + rounded_bytes) + (row * heads() + head) * head_floats;
    float* scalars = results + splits * layout.value_width + split;
    return {results + split * layout.value_width, scalars, scalars + split_lanes};
  }
  /// The blocks [head_dim/32, rounded up] of a group of queries, numbered kv head·query_groups + group.
  ActivationBlock* rounded_queries(std::int64_t at) const {
    return reinterpret_cast<ActivationBlock*>(scratch) + at * rounded_blocks;
  }

  KvView cache;
  KvLayout layout;
  Position begin;             ///< position of row 0
  MatrixView<const float> q;  ///< [rows, heads·head_dim]
  MatrixView<float> out;      ///< [rows, heads·head_dim]
  float scale;
  std::int64_t group;           ///< query heads of a kv head
  std::int64_t block_rows;      ///< rows whose queries read keys together
  std::int64_t splits;          ///< of the last row
  std::int64_t split_lanes;     ///< splits, filled up to 16s
  std::int64_t head_floats;     ///< of the results of one head of a row
  std::int64_t query_groups;    ///< of queries_of_tiles, for each kv head
  std::int64_t rounded_blocks;  ///< of a query
  std::int64_t rounded_bytes;   ///< of all rounded queries
  /// The rounded queries, then results: of every [row, head] the values [splits, value_width], the largest
  /// [split_lanes] and the sums [split_lanes].
  std::byte* scratch = nullptr;
};

}  // namespace pipespec::ops
