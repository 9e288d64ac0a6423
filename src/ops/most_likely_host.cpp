#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/most_likely_host.cpp"
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include <limits>

#include "core/error.hpp"
#include "ops/argmax_lanes.hpp"
#include "ops/lanes_inl.hpp"
#include "ops/most_likely.hpp"

HWY_BEFORE_NAMESPACE();
namespace pipespec::ops::HWY_NAMESPACE {

/// 16 logits from column `first` on, −∞ behind the last.
HWY_INLINE Lanes tile_of(const float* HWY_RESTRICT logits, std::int64_t first, std::int64_t columns) {
  if (columns - first >= 16) return load(logits + first);
  const Lanes left = broadcast(static_cast<float>(columns - first));
  return if_less(lane_numbers(), left, load_first(logits + first, columns - first),
                 broadcast(-std::numeric_limits<float>::infinity()));
}

void most_likely_of_row(const float* HWY_RESTRICT logits, std::int64_t columns, Best& best, float& probability) {
  Lanes value = broadcast(-std::numeric_limits<float>::infinity()), tile = zero();
  for (std::int64_t first = 0; first < columns; first += 16) {
    const Lanes logit = tile_of(logits, first, columns);
    tile = if_less(value, logit, broadcast(static_cast<float>(first / 16)), tile);
    value = max(value, logit);
  }
  LaneBest lanes;
  store(value, lanes.value);
  store(tile, lanes.tile);
  best = best_of_lanes(lanes, 0, {-std::numeric_limits<float>::infinity(), 0});
  Lanes sum = zero();
  const Lanes shift = broadcast(-best.value);
  for (std::int64_t first = 0; first < columns; first += 16)
    sum = add(sum, exp(add(tile_of(logits, first, columns), shift)));
  probability = 1 / sum_of_lanes(sum);
}

}  // namespace pipespec::ops::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pipespec::ops {

HWY_EXPORT(most_likely_of_row);

void most_likely(device::Stream& stream, MatrixView<const float> logits, std::span<Best> best,
                 std::span<float> probabilities) {
  expect(logits.cols > 0 && static_cast<std::size_t>(logits.rows) == best.size() && best.size() == probabilities.size(),
         "a result for every row of logits");
  stream.pool().parallel_for(logits.rows, [&](std::int64_t row, std::int64_t end) {
    for (; row < end; ++row) HWY_DYNAMIC_DISPATCH(most_likely_of_row)
    (logits.row(row), logits.cols, best[static_cast<std::size_t>(row)], probabilities[static_cast<std::size_t>(row)]);
  });
}

}  // namespace pipespec::ops
#endif
