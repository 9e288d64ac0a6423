/// The softmax of one query over one split of positions. Included once for each of Highway's targets.
// clang-format off
#if defined(PIPESPEC_OPS_SOFTMAX_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef PIPESPEC_OPS_SOFTMAX_INL_HPP
#undef PIPESPEC_OPS_SOFTMAX_INL_HPP
#else
#define PIPESPEC_OPS_SOFTMAX_INL_HPP
#endif
// clang-format on

#include <hwy/highway.h>

#include <limits>

#include "ops/attention_job.hpp"
#include "ops/lanes_inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace pipespec::ops::HWY_NAMESPACE {

/// soften where the whole split is visible, with the same bits: without masks and unrolled, as latency is most of it.
HWY_INLINE void soften_whole(float* HWY_RESTRICT weight, SplitResult& result) {
  constexpr int vectors = split_positions / 16;
  Lanes e[vectors];
  PIPESPEC_UNROLL
  for (int v = 0; v < vectors; ++v) e[v] = load(weight + v * 16);
  Lanes largest = e[0];
  PIPESPEC_UNROLL
  for (int v = 1; v < vectors; ++v) largest = max(largest, e[v]);
  *result.largest = max_of_lanes(largest);
  const Lanes shift = broadcast(-*result.largest);
  Lanes sum = zero();
  PIPESPEC_UNROLL
  for (int v = 0; v < vectors; ++v) {
    e[v] = exp(add(e[v], shift));
    store(e[v], weight + v * 16);
    sum = add(sum, e[v]);
  }
  *result.sum = sum_of_lanes(sum);
}

/// Turns the scores of one query into exp(score − largest) and tells the largest and the sum.
HWY_INLINE void soften(float* HWY_RESTRICT weight, int visible, SplitResult& result) {
  if (visible == split_positions) return soften_whole(weight, result);
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

}  // namespace pipespec::ops::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
