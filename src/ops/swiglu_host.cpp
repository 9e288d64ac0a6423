#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/swiglu_host.cpp"
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include <algorithm>

#include "core/error.hpp"
#include "ops/lanes_inl.hpp"
#include "ops/row_loop.hpp"
#include "ops/swiglu.hpp"

HWY_BEFORE_NAMESPACE();
namespace pipespec::ops::HWY_NAMESPACE {

void gate_row(const float* gate, const float* up, std::int64_t begin, std::int64_t end, float* out) {
  for (std::int64_t i = begin; i < end; i += 16) {
    const std::int64_t left = end - i;
    const Lanes g = load_first(gate + i, left);
    const Lanes silu = div(g, add(broadcast(1.0f), exp(mul(g, broadcast(-1.0f)))));
    store_first(mul(silu, load_first(up + i, left)), out + i, left);
  }
}

}  // namespace pipespec::ops::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pipespec::ops {

HWY_EXPORT(gate_row);

void swiglu(device::Stream& stream, MatrixView<const float> gate, MatrixView<const float> up, MatrixView<float> out) {
  expect(gate.rows == up.rows && gate.rows == out.rows && gate.cols == up.cols && gate.cols == out.cols,
         "swiglu's operands have one shape");
  // By columns, as the products before it and the rounding after it: what a thread has written it reads.
  for_rows(stream, (gate.cols + 15) / 16, 16 * gate.rows, [&](std::int64_t first, std::int64_t last) {
    const std::int64_t begin = first * 16, end = std::min(last * 16, gate.cols);
    for (std::int64_t r = 0; r < gate.rows; ++r)
      HWY_DYNAMIC_DISPATCH(gate_row)(gate.row(r), up.row(r), begin, end, out.row(r));
  });
}

}  // namespace pipespec::ops
#endif
