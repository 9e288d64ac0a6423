/// How the ranks of a tensor-parallel stage divide a model among them.
#pragma once

#include <cstdint>

#include "model/architecture.hpp"

namespace pipespec::model {

/// A rank's place among the ranks that share a model.
struct TensorParallel {
  int rank = 0;
  int size = 1;
};

/// Indices begin, begin + 1, … end - 1.
struct Range {
  std::int64_t begin = 0, end = 0;
  std::int64_t size() const { return end - begin; }
  friend bool operator==(const Range&, const Range&) = default;
};

/// The contiguous part of everything that one rank computes. Parts may differ in size: 3 KV heads on 2 ranks are 2 + 1.
/// With more ranks than KV heads a KV head is kept by several ranks, which divide its query heads.
struct Shard {
  Range kv_heads;
  Range heads;  ///< the query heads that read those KV heads
  Range feed_forward;
  Range outputs;  ///< rows of the head that it computes
};

/// Divides `count` indices into `parts` contiguous ranges whose bounds are multiples of `unit`, the first ones larger
/// by a unit where it does not come out even. Returns the range of `part`; empty if there are too few units.
Range divide(std::int64_t count, std::int64_t unit, int part, int parts);

/// The shard of `place.rank` of a model whose head computes `outputs` logits; 0: those of the whole vocabulary. Where
/// there are enough of them for all ranks, column shards of the attention output and of down start at multiples of 32
/// (the block of the quantised types), the head's at multiples of 16 (the tile of a packed matrix). Throws UserError if
/// a rank would have nothing to do.
Shard shard_of(const Architecture& architecture, TensorParallel place, std::int64_t outputs = 0);

}  // namespace pipespec::model
