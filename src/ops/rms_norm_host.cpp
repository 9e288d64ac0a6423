#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/rms_norm_host.cpp"
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include <cmath>

#include "core/error.hpp"
#include "ops/lanes_inl.hpp"
#include "ops/rms_norm.hpp"
#include "ops/row_loop.hpp"

HWY_BEFORE_NAMESPACE();
namespace pipespec::ops::HWY_NAMESPACE {

void norm_row(const float* x, const float* weight, std::int64_t width, float epsilon, float* y) {
  Lanes squares = zero();
  for (std::int64_t i = 0; i < width; i += 16) {
    const Lanes v = load_first(x + i, width - i);
    squares = fma(v, v, squares);
  }
  const Lanes factor = broadcast(1.0f / std::sqrt(sum_of_lanes(squares) / static_cast<float>(width) + epsilon));
  for (std::int64_t i = 0; i < width; i += 16) {
    const std::int64_t left = width - i;
    store_first(mul(mul(load_first(x + i, left), factor), load_first(weight + i, left)), y + i, left);
  }
}

}  // namespace pipespec::ops::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pipespec::ops {

HWY_EXPORT(norm_row);

void rms_norm(device::Stream& stream, MatrixView<const float> x, std::span<const float> weight, float epsilon,
              MatrixView<float> y) {
  expect(static_cast<std::int64_t>(weight.size()) == x.cols && y.rows == x.rows && y.cols == x.cols,
         "rms_norm's operands have one shape");
  for_rows(stream, x.rows, x.cols, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r)
      HWY_DYNAMIC_DISPATCH(norm_row)(x.row(r), weight.data(), x.cols, epsilon, y.row(r));
  });
}

}  // namespace pipespec::ops
#endif
