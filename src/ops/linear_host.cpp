#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/linear_host.cpp"
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include <algorithm>
#include <limits>
#include <mutex>

#include "core/error.hpp"
#include "ops/argmax.hpp"
#include "ops/argmax_lanes.hpp"
#include "ops/linear.hpp"
#include "ops/linear_tiles_inl.hpp"

HWY_BEFORE_NAMESPACE();
#if HWY_TARGET == HWY_AVX3_DL
#pragma GCC push_options
#pragma GCC target("avx512vnni")
#endif
namespace pipespec::ops::HWY_NAMESPACE {

/// Writes the outputs of tiles [begin, end).
void write_tiles(const PackedMatrix& w, const Activations& x, std::int64_t begin, std::int64_t end,
                 const MatrixView<float>& y) {
  for_each_output_tile(w, x, begin, end, [&](std::int64_t row, std::int64_t tile, const float* outputs) HWY_ATTR {
    store_first(load(outputs), y.row(row) + tile * 16, w.out() - tile * 16);
  });
}

/// The best outputs of tiles [begin, end) for every row; best [rows].
void best_of_tiles(const PackedMatrix& w, const Activations& x, std::int64_t begin, std::int64_t end, LaneBest* best) {
  for_each_output_tile(w, x, begin, end, [&](std::int64_t row, std::int64_t tile, const float* outputs) HWY_ATTR {
    LaneBest& lanes = best[row];
    const auto valid = static_cast<float>(std::min<std::int64_t>(w.out() - tile * 16, 16));
    const Lanes nothing = broadcast(-std::numeric_limits<float>::infinity());
    const Lanes found = if_less(lane_numbers(), broadcast(valid), load(outputs), nothing);
    const Lanes old = load(lanes.value);
    store(if_less(old, found, broadcast(static_cast<float>(tile)), load(lanes.tile)), lanes.tile);
    store(if_less(old, found, found, old), lanes.value);
  });
}

}  // namespace pipespec::ops::HWY_NAMESPACE
#if HWY_TARGET == HWY_AVX3_DL
#pragma GCC pop_options
#endif
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pipespec::ops {

HWY_EXPORT(write_tiles);
HWY_EXPORT(best_of_tiles);

namespace {

void expect_fit(const PackedMatrix& w, const Activations& x) {
  expect(w.in() == x.in(), "activations have the width of the weights");
  expect(!is_quantized(w.type()) || x.has_blocks() == NeedsBlocks::yes, "quantised weights take 8-bit activations");
}

void expect_fit(const PackedMatrix& w, const Activations& x, const MatrixView<float>& y) {
  expect_fit(w, x);
  expect(y.rows == x.rows() && y.cols == w.out(), "y has room for the outputs");
}

}  // namespace

void linear(device::Stream& stream, std::span<const Product> products, const Activations& x) {
  std::int64_t tiles = 0;
  bool are_alike = true;
  for (const Product& product : products) {
    expect_fit(*product.weights, x, product.y);
    tiles += product.weights->tiles();
    are_alike = are_alike && product.weights->tiles() == products.front().weights->tiles();
  }
  if (x.rows() == 0) return;
  if (are_alike) {
    // A thread takes the same outputs of all, as it will need them together (gate and up).
    stream.pool().parallel_for(products.front().weights->tiles(), [&](std::int64_t begin, std::int64_t end) {
      for (const Product& product : products)
        HWY_DYNAMIC_DISPATCH(write_tiles)(*product.weights, x, begin, end, product.y);
    });
    return;
  }
  stream.pool().parallel_for(tiles, [&](std::int64_t begin, std::int64_t end) {
    std::int64_t first = 0;  // of the product's tiles among all
    for (const Product& product : products) {
      const std::int64_t count = product.weights->tiles();
      const std::int64_t from = std::max(begin - first, std::int64_t{0}), to = std::min(end - first, count);
      if (from < to) HWY_DYNAMIC_DISPATCH(write_tiles)(*product.weights, x, from, to, product.y);
      first += count;
    }
  });
}

void linear(device::Stream& stream, const PackedMatrix& weights, const Activations& x, MatrixView<float> y) {
  linear_tiles(stream, weights, x, 0, weights.tiles(), y);
}

void linear_tiles(device::Stream& stream, const PackedMatrix& weights, const Activations& x, std::int64_t begin,
                  std::int64_t end, MatrixView<float> y) {
  expect_fit(weights, x, y);
  expect(begin >= 0 && begin <= end && end <= weights.tiles(), "the tiles exist");
  stream.pool().parallel_for(end - begin, [&](std::int64_t first, std::int64_t last) {
    HWY_DYNAMIC_DISPATCH(write_tiles)(weights, x, begin + first, begin + last, y);
  });
}

void linear_argmax(device::Stream& stream, const PackedMatrix& weights, const Activations& x, Token first_token,
                   std::span<Best> best) {
  expect_fit(weights, x);
  expect(static_cast<std::int64_t>(best.size()) == x.rows(), "one result a row");
  const std::int64_t parts = stream.pool().most_chunks(), rows = x.rows(), tiles = weights.tiles();
  const auto scratch = stream.scratch(static_cast<std::size_t>(parts * rows) * sizeof(LaneBest));
  auto* lanes = reinterpret_cast<LaneBest*>(scratch.data());  // [parts, rows]
  LaneBest none;
  std::fill_n(none.value, 16, -std::numeric_limits<float>::infinity());
  std::fill_n(none.tile, 16, 0.0f);
  std::fill_n(lanes, parts * rows, none);
  stream.pool().parallel_for(parts, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = begin; part < end; ++part) HWY_DYNAMIC_DISPATCH(best_of_tiles)
    (weights, x, tiles * part / parts, tiles * (part + 1) / parts, lanes + part * rows);
  });
  for (std::int64_t row = 0; row < rows; ++row) {
    Best& result = best[static_cast<std::size_t>(row)] = {-std::numeric_limits<float>::infinity(), first_token};
    for (std::int64_t part = 0; part < parts; ++part)
      result = best_of_lanes(lanes[part * rows + row], first_token, result);
  }
}

}  // namespace pipespec::ops
#endif
