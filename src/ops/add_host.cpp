#include "core/error.hpp"
#include "ops/add.hpp"

namespace pipespec::ops {

void add(device::Stream& stream, MatrixView<const float> x, MatrixView<float> y) {
  expect(x.rows == y.rows && x.cols == y.cols, "add's operands have one shape");
  stream.pool().parallel_for(x.rows, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r)
      for (std::int64_t i = 0; i < x.cols; ++i) y.row(r)[i] += x.row(r)[i];
  });
}

}  // namespace pipespec::ops
