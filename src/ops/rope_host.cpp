#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/rope_host.cpp"
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include <cmath>

#include "core/error.hpp"
#include "ops/lanes_inl.hpp"
#include "ops/rope.hpp"
#include "ops/row_loop.hpp"

HWY_BEFORE_NAMESPACE();
namespace pipespec::ops::HWY_NAMESPACE {

/// Turns one head. Products are rounded before they are added, with vectors and without.
void turn(const float* HWY_RESTRICT cosines, const float* HWY_RESTRICT sines, std::int64_t pairs, RopeStyle style,
          float* HWY_RESTRICT x) {
  const FloatTag d;
  const bool neighbours = style == RopeStyle::interleaved;
  std::int64_t i = 0;
  for (; i + part_lanes <= pairs; i += part_lanes) {
    const auto c = hn::LoadU(d, cosines + i), s = hn::LoadU(d, sines + i);
    hn::Vec<FloatTag> a, b;
    if (neighbours) {
      hn::LoadInterleaved2(d, x + 2 * i, a, b);
    } else {
      a = hn::LoadU(d, x + i);
      b = hn::LoadU(d, x + pairs + i);
    }
    const auto first = hn::Sub(hn::Mul(a, c), hn::Mul(b, s));
    const auto second = hn::Add(hn::Mul(a, s), hn::Mul(b, c));
    if (neighbours) {
      hn::StoreInterleaved2(first, second, d, x + 2 * i);
    } else {
      hn::StoreU(first, d, x + i);
      hn::StoreU(second, d, x + pairs + i);
    }
  }
  for (; i < pairs; ++i) {
    float& first = x[neighbours ? 2 * i : i];
    float& second = x[neighbours ? 2 * i + 1 : pairs + i];
    const float a = first, b = second;
    first = a * cosines[i] - b * sines[i];
    second = a * sines[i] + b * cosines[i];
  }
}

}  // namespace pipespec::ops::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pipespec::ops {

HWY_EXPORT(turn);

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

void rope(device::Stream& stream, const RopeTable& table, RopeStyle style, std::span<const Position> positions,
          MatrixView<float> x) {
  const std::int64_t head_dim = table.head_dim(), pairs = head_dim / 2;
  expect(x.cols % head_dim == 0, "rows hold whole heads");
  expect(static_cast<std::int64_t>(positions.size()) == x.rows, "every row has a position");
  for (const Position position : positions)
    expect(position >= 0 && position < table.context(), "positions are within the context");
  for_rows(stream, x.rows, x.cols, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t r = first; r < last; ++r) {
      const Position position = positions[static_cast<std::size_t>(r)];
      for (float* head = x.row(r); head < x.row(r) + x.cols; head += head_dim)
        HWY_DYNAMIC_DISPATCH(turn)(table.cosines(position), table.sines(position), pairs, style, head);
    }
  });
}

}  // namespace pipespec::ops
#endif
