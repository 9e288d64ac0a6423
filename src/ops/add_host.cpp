#include "core/error.hpp"
#include "ops/add.hpp"
#include "ops/row_loop.hpp"

namespace pipespec::ops {

void add(device::Stream& stream, MatrixView<const float> x, MatrixView<float> y) {
  expect(x.rows == y.rows && x.cols == y.cols, "add's operands have one shape");
  for_rows(stream, x.rows, x.cols, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r)
      for (std::int64_t i = 0; i < x.cols; ++i) y.row(r)[i] += x.row(r)[i];
  });
}

void add_bias(device::Stream& stream, std::span<const float> bias, MatrixView<float> y) {
  expect(static_cast<std::int64_t>(bias.size()) == y.cols, "a bias has the width of its rows");
  for_rows(stream, y.rows, y.cols, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r)
      for (std::int64_t i = 0; i < y.cols; ++i) y.row(r)[i] += bias[static_cast<std::size_t>(i)];
  });
}

}  // namespace pipespec::ops
