/// Places in a KvView.
#pragma once

#include <cstdint>

#include "ops/attention.hpp"

namespace pipespec::ops {

/// Offsets in elements from the start of a cache.
struct KvLayout {
  explicit KvLayout(const KvView& cache) : KvLayout(cache.kv_heads, cache.head_dim, cache.capacity) {}
  KvLayout(int heads, int dim, Position positions)
      : kv_heads(heads), head_dim(dim), capacity(positions), value_width((dim + 15) / 16 * 16) {}

  std::int64_t key(std::int64_t kv_head, std::int64_t position, std::int64_t d) const {
    return ((kv_head * (capacity / 16) + position / 16) * head_dim + d) * 16 + position % 16;
  }
  /// Of element 0; the others follow.
  std::int64_t value(std::int64_t kv_head, std::int64_t position) const {
    return kv_heads * capacity * head_dim + (kv_head * capacity + position) * value_width;
  }
  std::int64_t size() const { return kv_heads * capacity * (head_dim + value_width); }

  std::int64_t kv_heads, head_dim, capacity;
  std::int64_t value_width;  ///< head_dim filled up to a multiple of 16
};

}  // namespace pipespec::ops
