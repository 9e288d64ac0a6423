/// How one call of attention is cut up.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "ops/attention.hpp"
#include "ops/kv_layout.hpp"

namespace pipespec::ops {

/// Positions of a split: fixed, so that a row's sums do not depend on load.
constexpr Position split_positions = 64;

/// Queries that read a key together.
constexpr int queries_at_once = 8;

/// What one query found in one split, in the scratch memory.
struct SplitResult {
  float* values;   ///< [head_dim filled up to 16s] Σ e^(score − largest)·value
  float* largest;  ///< score
  float* sum;      ///< Σ e^(score − largest)
};

/// The work of a call: first every (block of rows, kv head, split), then the splits of every row put together.
struct AttentionJob {
  AttentionJob(const KvView& kv, Position first_position, MatrixView<const float> queries, MatrixView<float> outputs)
      : cache(kv),
        layout(kv),
        begin(first_position),
        q(queries),
        out(outputs),
        scale(1.0f / std::sqrt(static_cast<float>(kv.head_dim))),
        group(queries.cols / (std::int64_t{kv.kv_heads} * kv.head_dim)),
        block_rows(std::max<std::int64_t>(1, queries_at_once / group)),
        splits((first_position + queries.rows - 1) / split_positions + 1),
        result_floats(layout.value_width + 16) {}

  std::int64_t items() const { return (q.rows + block_rows - 1) / block_rows * cache.kv_heads * splits; }
  std::size_t scratch_bytes() const {
    return static_cast<std::size_t>(q.rows * cache.kv_heads * group * splits * result_floats) * sizeof(float);
  }
  SplitResult result(std::int64_t row, std::int64_t head, std::int64_t split) const {
    float* at = scratch + ((row * cache.kv_heads * group + head) * splits + split) * result_floats;
    return {at, at + layout.value_width, at + layout.value_width + 1};
  }

  KvView cache;
  KvLayout layout;
  Position begin;             ///< position of row 0
  MatrixView<const float> q;  ///< [rows, heads·head_dim]
  MatrixView<float> out;      ///< [rows, heads·head_dim]
  float scale;
  std::int64_t group;          ///< query heads of a kv head
  std::int64_t block_rows;     ///< rows whose queries read keys together
  std::int64_t splits;         ///< of the last row
  std::int64_t result_floats;  ///< of one SplitResult
  float* scratch = nullptr;    ///< [rows, heads, splits, result_floats]
};

}  // namespace pipespec::ops
