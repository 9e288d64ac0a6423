/// Weights of a linear operation, laid out for the vector units.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "device/buffer.hpp"
#include "ops/weight_type.hpp"

namespace pipespec::ops {

/// How a tile holds blocks of 32 inputs × 16 outputs of a quantised type:
///   weight = scale·(code − zero_point) + minimum
/// Where the file has super-blocks, the tile keeps their two levels of scales: scale = d·factor, minimum = m·factor,
/// with f16 d and m = −dmin and 8-bit factors. The products are exact in f32, so scales and minima are ggml's, in half
/// the bytes of a rounded f16.
struct TileFormat {
  int code_bits;          ///< 4 or 8
  int zero_point;         ///< of the unsigned codes
  bool has_minimum;       ///< one for each block and output
  int scales = 1;         ///< for each block and output: 2 where 16 inputs share a scale
  int blocks_of_a_d = 1;  ///< that share d and m: 8 where there are super-blocks
  constexpr int halves() const { return has_minimum ? 2 : 1; }                             ///< f16 numbers: d, m
  constexpr int factors() const { return blocks_of_a_d == 1 ? 0 : scales + has_minimum; }  ///< of a block and output
};

/// Of a quantised type with a kernel.
constexpr TileFormat tile_format(WeightType type) {
  switch (type) {
    case WeightType::q4_0:
      return {.code_bits = 4, .zero_point = 8, .has_minimum = false};
    case WeightType::q4_1:
      return {.code_bits = 4, .zero_point = 0, .has_minimum = true};
    case WeightType::q4_k:
      return {.code_bits = 4, .zero_point = 0, .has_minimum = true, .blocks_of_a_d = 8};
    case WeightType::q6_k:
      return {.code_bits = 8, .zero_point = 128, .has_minimum = false, .scales = 2, .blocks_of_a_d = 8};
    default:
      return {.code_bits = 8, .zero_point = 128, .has_minimum = false};  // q8_0
  }
}

/// A weight matrix [out, in] in tiles of 16 outputs: a vector register holds the 16 outputs of a tile, so that each
/// output is summed in one order whatever the vector width, the number of rows and of threads.
/// Each tile is contiguous and 64-byte aligned:
///   f32, f16   [in][16]
///   bf16       [in/2][16][2], the last pair filled up with 0
///   quantised  by TileFormat: f16 d [blocks / blocks_of_a_d][16], f16 m likewise, 8-bit factors
///              [blocks][factors][16], scales before the minimum, filled up to 64 bytes; then the codes:
///              8 bit [blocks][8][16][4]; 4 bit [blocks][4][16][4], byte j of an output's 16 holding code j in its low
///              half and code j + 16 in its high half
/// The last tile is filled up with zero weights. Once filled, any number of threads may read it. Move-only.
class PackedMatrix {
 public:
  PackedMatrix() = default;

  /// `out` rows of `in` zero weights, to be filled row by row, in memory of its own. The type must have a kernel.
  PackedMatrix(WeightType type, std::int64_t out, std::int64_t in);

  /// The same in someone else's memory, which outlives it: bytes(type, out, in) bytes, zero, 64-byte aligned.
  PackedMatrix(WeightType type, std::int64_t out, std::int64_t in, std::span<std::byte> memory);

  /// Takes one stored row of in() weights, of any alignment, as the weights of output `row`.
  void set_row(std::int64_t row, std::span<const std::byte> stored);

  static constexpr std::int64_t tile_outputs = 16;

  std::int64_t out() const { return out_; }
  std::int64_t in() const { return in_; }
  WeightType type() const { return type_; }
  std::size_t bytes() const { return data_.size(); }  ///< of memory, filling included

  /// bytes() of a matrix of this type and these extents.
  static std::size_t bytes(WeightType type, std::int64_t out, std::int64_t in);

  std::int64_t tiles() const { return (out_ + tile_outputs - 1) / tile_outputs; }
  std::size_t tile_bytes() const { return tile_bytes_; }
  const std::byte* tile(std::int64_t index) const {
    return data_.data() + static_cast<std::size_t>(index) * tile_bytes_;
  }

  /// Bytes from the start of a tile to its codes; quantised types only.
  std::size_t codes_offset() const { return codes_offset_; }

 private:
  PackedMatrix(WeightType type, std::int64_t out, std::int64_t in, device::Buffer<std::byte> own);

  WeightType type_ = WeightType::f32;
  std::int64_t out_ = 0, in_ = 0;
  std::size_t tile_bytes_ = 0, codes_offset_ = 0;
  device::Buffer<std::byte> own_;  // empty: the memory is someone else's
  std::span<std::byte> data_;
};

}  // namespace pipespec::ops
