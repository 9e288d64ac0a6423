#include "model/workspace.hpp"

#include <algorithm>

namespace pipespec::model {
namespace {

std::int64_t widest_input(const Architecture& a, const Shard& shard) {
  const std::int64_t widest =
      std::max({std::int64_t{a.width}, shard.heads.size() * a.head_dim, shard.feed_forward.size()});
  return (widest + 31) / 32 * 32;  // whole blocks of activations
}

}  // namespace

Workspace::Workspace(device::Stream& stream, const Architecture& a, const Shard& shard, std::int64_t rows)
    : residual(rows, a.width),
      normed(rows, a.width),
      query(rows, shard.heads.size() * a.head_dim),
      key(rows, shard.kv_heads.size() * a.head_dim),
      value(rows, shard.kv_heads.size() * a.head_dim),
      attended(rows, shard.heads.size() * a.head_dim),
      gate(rows, shard.feed_forward.size()),
      up(rows, shard.feed_forward.size()),
      update(rows, a.width) {
  RowBuffer widest(rows, widest_input(a, shard));
  activations.assign(stream, widest.rows(rows), ops::NeedsBlocks::yes);
}

std::int64_t Workspace::bytes(const Architecture& a, const Shard& shard, std::int64_t rows) {
  const std::int64_t floats = 3 * std::int64_t{a.width} + 2 * shard.heads.size() * a.head_dim +
                              2 * shard.kv_heads.size() * a.head_dim + 2 * shard.feed_forward.size();
  return rows * floats * std::int64_t{sizeof(float)} + ops::Activations::bytes(rows, widest_input(a, shard));
}

std::int64_t LogitBuffers::bytes(const Sampling& sampling, std::int64_t outputs, const Shard& shard) {
  const std::int64_t own = shard.outputs.size() < outputs ? shard.outputs.size() : 0;
  return ops::Sampler::bytes(sampling, rows, outputs) + rows * (outputs + own) * std::int64_t{sizeof(float)};
}

}  // namespace pipespec::model
