/// Random operands for the tests of the operations.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <numeric>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "ops/attention.hpp"
#include "ops/dequantize.hpp"
#include "ops/half.hpp"
#include "ops/matrix_view.hpp"
#include "ops/packed_matrix.hpp"
#include "ops/weight_type.hpp"
#include "support/block_scales.hpp"

namespace pipespec::ops {

inline constexpr WeightType all_weight_types[] = {
    WeightType::f32,  WeightType::f16,  WeightType::bf16, WeightType::q8_0, WeightType::q4_0,
    WeightType::q4_1, WeightType::q5_0, WeightType::q5_1, WeightType::q2_k, WeightType::q3_k,
    WeightType::q4_k, WeightType::q5_k, WeightType::q6_k};

/// Those that linear operations multiply.
inline std::vector<WeightType> types_with_kernel() {
  std::vector<WeightType> types;
  std::ranges::copy_if(all_weight_types, std::back_inserter(types), has_kernel);
  return types;
}

/// Keys and values of some sequences of one layer, with memory of their own, full of NaN where nothing was stored. No
/// block lies behind the one before it.
struct KvMemory {
  KvMemory(KvType type, int kv_heads, int head_dim, Position positions, int sequences = 1)
      : blocks(static_cast<std::size_t>(sequences * KvView::blocks_of(positions))),
        memory(blocks.size() * static_cast<std::size_t>(KvView::block_bytes(type, kv_heads, head_dim))),
        like{memory.data(), nullptr, type, kv_heads, head_dim, KvView::blocks_of(positions) * KvView::block_positions} {
    std::iota(blocks.rbegin(), blocks.rend(), 0);
    forget();
  }

  void forget() { std::fill(memory.span().begin(), memory.span().end(), std::byte{0xFF}); }

  KvView view(int sequence = 0) const {
    KvView view = like;
    view.blocks = blocks.data() + std::ptrdiff_t{sequence} * (like.capacity / KvView::block_positions);
    return view;
  }

  std::vector<std::int32_t> blocks;
  device::Buffer<std::byte> memory;
  KvView like;
};

/// All rows of a pass are one sequence's.
inline std::array<SequenceRows, 1> one_sequence(const KvView& cache, Position begin, std::int64_t rows) {
  return {SequenceRows{cache, begin, 0, rows}};
}

/// The positions begin, begin+1, ….
inline std::vector<Position> positions_from(Position begin, std::int64_t rows) {
  std::vector<Position> positions(static_cast<std::size_t>(rows));
  std::iota(positions.begin(), positions.end(), begin);
  return positions;
}

/// `inputs`, a multiple of 32 that fits most types, rounded up to whole blocks of this one.
inline std::int64_t whole_blocks(WeightType type, std::int64_t inputs) {
  const std::int64_t length = block_format(type).length;
  return (inputs + length - 1) / length * length;
}

/// A matrix with its own memory.
struct Matrix {
  Matrix(std::int64_t row_count, std::int64_t col_count)
      : rows(row_count), cols(col_count), values(static_cast<std::size_t>(row_count * col_count)) {}
  MatrixView<float> view() { return {values.data(), rows, cols}; }
  MatrixView<const float> view() const { return {values.data(), rows, cols}; }
  float& at(std::int64_t r, std::int64_t c) { return values[static_cast<std::size_t>(r * cols + c)]; }
  float at(std::int64_t r, std::int64_t c) const { return values[static_cast<std::size_t>(r * cols + c)]; }

  std::int64_t rows, cols;
  std::vector<float> values;
};

/// Normally distributed values; the same for the same seed.
inline Matrix random_matrix(std::int64_t rows, std::int64_t cols, std::uint32_t seed, float deviation = 1.0f) {
  Matrix matrix(rows, cols);
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0f, deviation);
  std::generate(matrix.values.begin(), matrix.values.end(), [&] { return normal(generator); });
  return matrix;
}

/// Stored weights [rows, cols] as a model file holds them: any bits for the codes, plausible scales.
inline std::vector<std::byte> random_weights(WeightType type, std::int64_t rows, std::int64_t cols,
                                             std::uint32_t seed) {
  std::vector<std::byte> stored(static_cast<std::size_t>(rows * row_bytes(type, cols)));
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0f, 0.05f);
  const BlockFormat format = block_format(type);
  const auto put = [](std::byte* at, auto value) { std::memcpy(at, &value, sizeof value); };
  for (std::byte* at = stored.data(); at < stored.data() + stored.size(); at += format.bytes) {
    for (std::int64_t i = 0; i < format.bytes; ++i) at[i] = static_cast<std::byte>(generator() & 0xFF);
    const float value = normal(generator);
    if (type == WeightType::f32) {
      put(at, value);
    } else if (type == WeightType::f16) {
      put(at, float_to_half(value));
    } else if (type == WeightType::bf16) {
      std::uint16_t rounded;
      round_to_bf16({&value, 1}, {&rounded, 1});
      put(at, rounded);
    } else {
      testing::set_scales(type, at, value, normal(generator));
    }
  }
  return stored;
}

/// The stored weights, widened.
inline Matrix widened(WeightType type, std::span<const std::byte> stored, std::int64_t rows, std::int64_t cols) {
  Matrix matrix(rows, cols);
  const auto bytes = static_cast<std::size_t>(row_bytes(type, cols));
  for (std::int64_t r = 0; r < rows; ++r)
    dequantize_row(type, stored.subspan(static_cast<std::size_t>(r) * bytes, bytes),
                   {&matrix.at(r, 0), static_cast<std::size_t>(cols)});
  return matrix;
}

/// The stored weights, packed; their rows start every `stride` bytes.
inline PackedMatrix packed(WeightType type, std::span<const std::byte> stored, std::int64_t rows, std::int64_t cols,
                           std::int64_t stride) {
  PackedMatrix matrix(type, rows, cols);
  for (std::int64_t row = 0; row < rows; ++row)
    matrix.set_row(row, stored.subspan(static_cast<std::size_t>(row * stride)));
  return matrix;
}

inline PackedMatrix packed(WeightType type, std::span<const std::byte> stored, std::int64_t rows, std::int64_t cols) {
  return packed(type, stored, rows, cols, row_bytes(type, cols));
}

inline std::string type_name(const ::testing::TestParamInfo<WeightType>& which) {
  return std::string(to_string(which.param));
}

}  // namespace pipespec::ops
