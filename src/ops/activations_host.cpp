#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/activations_host.cpp"
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include <algorithm>
#include <numeric>

#include "core/error.hpp"
#include "ops/activations.hpp"
#include "ops/lanes_inl.hpp"
#include "ops/row_loop.hpp"

HWY_BEFORE_NAMESPACE();
namespace pipespec::ops::HWY_NAMESPACE {

/// Rounds 32 values of one row into its place of a block.
void round_block(const float* HWY_RESTRICT x, std::int64_t row, ActivationBlock& block) {
  const Lanes low = load(x), high = load(x + 16);
  const float largest = max_of_lanes(max(abs(low), abs(high)));
  const float scale = largest / 127.0f;
  const float inverse = largest < 1e-30f ? 0.0f : 127.0f / largest;  // the reciprocal of less may overflow
  HWY_ALIGN std::int32_t nearest[32];
  store_nearest(mul(low, broadcast(inverse)), nearest);
  store_nearest(mul(high, broadcast(inverse)), nearest + 16);
  for (int i = 0; i < 32; ++i) block.codes[row][i] = static_cast<std::int8_t>(nearest[i]);
  const std::int32_t first_sum = std::accumulate(nearest, nearest + 16, 0);
  const std::int32_t sum = std::accumulate(nearest + 16, nearest + 32, first_sum);
  block.scale[row] = scale;
  block.negative_first_sum[row] = -first_sum;
  block.negative_sum[row] = -sum;
  block.scaled_sum[row] = scale * static_cast<float>(sum);
}

/// The blocks [begin, end) of every row.
void round_blocks(const MatrixView<const float>& x, std::int64_t begin, std::int64_t end, ActivationBlock* blocks) {
  const std::int64_t row_blocks = x.cols / ActivationBlock::length;
  for (std::int64_t r = 0; r < x.rows; ++r) {
    ActivationBlock* group = blocks + r / ActivationBlock::rows * row_blocks;
    for (std::int64_t b = begin; b < end; ++b)
      round_block(x.row(r) + b * ActivationBlock::length, r % ActivationBlock::rows, group[b]);
  }
}

}  // namespace pipespec::ops::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pipespec::ops {

HWY_EXPORT(round_blocks);

void Activations::assign(device::Stream& stream, MatrixView<const float> x, NeedsBlocks needs_blocks) {
  x_ = x;
  has_blocks_ = needs_blocks;
  if (needs_blocks == NeedsBlocks::no) return;
  expect(x.cols % ActivationBlock::length == 0, "rows of activations are whole blocks");
  const std::int64_t groups = (x.rows + ActivationBlock::rows - 1) / ActivationBlock::rows;
  const auto needed = static_cast<std::size_t>(groups * (x.cols / ActivationBlock::length));
  if (blocks_.size() < needed) blocks_ = device::Buffer<ActivationBlock>(needed);
  // By columns, not rows, because the rows of a group share cache lines.
  for_rows(stream, x.cols / ActivationBlock::length, x.rows * ActivationBlock::length,
           [&](std::int64_t begin, std::int64_t end) {
             HWY_DYNAMIC_DISPATCH(round_blocks)(x, begin, end, blocks_.data());
           });
}

}  // namespace pipespec::ops
#endif
