#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/activations_host.cpp"
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include <algorithm>

#include "core/error.hpp"
#include "ops/activations.hpp"
#include "ops/lanes_inl.hpp"

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
  std::int32_t sum = 0;
  for (int i = 0; i < 32; ++i) {
    block.codes[row][i] = static_cast<std::int8_t>(nearest[i]);
    sum += nearest[i];
  }
  block.scale[row] = scale;
  block.negative_sum[row] = -sum;
  block.scaled_sum[row] = scale * static_cast<float>(sum);
}

void round_rows(const MatrixView<const float>& x, std::int64_t begin, std::int64_t end, ActivationBlock* blocks) {
  const std::int64_t row_blocks = x.cols / ActivationBlock::length;
  for (std::int64_t r = begin; r < end; ++r) {
    ActivationBlock* group = blocks + r / ActivationBlock::rows * row_blocks;
    for (std::int64_t b = 0; b < row_blocks; ++b)
      round_block(x.row(r) + b * ActivationBlock::length, r % ActivationBlock::rows, group[b]);
  }
}

}  // namespace pipespec::ops::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pipespec::ops {

HWY_EXPORT(round_rows);

void Activations::assign(device::Stream& stream, MatrixView<const float> x, NeedsBlocks needs_blocks) {
  x_ = x;
  has_blocks_ = needs_blocks;
  if (needs_blocks == NeedsBlocks::no) return;
  expect(x.cols % ActivationBlock::length == 0, "rows of activations are whole blocks");
  const std::int64_t groups = (x.rows + ActivationBlock::rows - 1) / ActivationBlock::rows;
  const auto needed = static_cast<std::size_t>(groups * (x.cols / ActivationBlock::length));
  if (blocks_.size() < needed) blocks_ = device::Buffer<ActivationBlock>(needed);
  stream.pool().parallel_for(x.rows, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(round_rows)(x, begin, end, blocks_.data());
  });
}

}  // namespace pipespec::ops
#endif
