#include <cmath>

#include "core/error.hpp"
#include "ops/rope.hpp"

namespace pipespec::ops {
namespace {

/// Turns one head: pair i is (x[i·pair_step], x[i·pair_step + distance]).
void turn(const float* cosines, const float* sines, std::int64_t pairs, std::int64_t pair_step, std::int64_t distance,
          float* x) {
  for (std::int64_t i = 0; i < pairs; ++i) {
    float& first = x[i * pair_step];
    float& second = x[i * pair_step + distance];
    const float a = first, b = second;
    first = a * cosines[i] - b * sines[i];
    second = a * sines[i] + b * cosines[i];
  }
}

}  // namespace

RopeTable::RopeTable(Position context, int head_dim, float base, std::span<const float> factors)
    : context_(context), head_dim_(head_dim) {
  expect(context >= 0 && head_dim > 0 && head_dim % 2 == 0, "a head has pairs to turn");
  const int pairs = head_dim / 2;
  expect(factors.empty() || factors.size() == static_cast<std::size_t>(pairs), "one factor a pair");
  const auto size = static_cast<std::size_t>(context) * static_cast<std::size_t>(pairs);
  cosines_ = device::Buffer<float>(size);
  sines_ = device::Buffer<float>(size);
  for (int i = 0; i < pairs; ++i) {
    float frequency = 1.0f / std::pow(base, static_cast<float>(2 * i) / static_cast<float>(head_dim));
    if (!factors.empty()) frequency /= factors[static_cast<std::size_t>(i)];
    for (Position position = 0; position < context; ++position) {
      const float angle = static_cast<float>(position) * frequency;
      const auto at = static_cast<std::size_t>(offset(position) + i);
      cosines_[at] = static_cast<float>(std::cos(static_cast<double>(angle)));
      sines_[at] = static_cast<float>(std::sin(static_cast<double>(angle)));
    }
  }
}

void rope(device::Stream& stream, const RopeTable& table, RopeStyle style, Position begin, MatrixView<float> x) {
  const std::int64_t head_dim = table.head_dim(), pairs = head_dim / 2;
  expect(x.cols % head_dim == 0, "rows hold whole heads");
  expect(begin >= 0 && begin + x.rows <= table.context(), "positions are within the context");
  const bool neighbours = style == RopeStyle::interleaved;
  stream.pool().parallel_for(x.rows, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t r = first; r < last; ++r) {
      const auto position = static_cast<Position>(begin + r);
      for (float* head = x.row(r); head < x.row(r) + x.cols; head += head_dim)
        turn(table.cosines(position), table.sines(position), pairs, neighbours ? 2 : 1, neighbours ? 1 : pairs, head);
    }
  });
}

}  // namespace pipespec::ops
