/// The input of linear operations, shared by all that read it.
#pragma once

#include <cstdint>

#include "device/buffer.hpp"
#include "device/device.hpp"
#include "ops/matrix_view.hpp"

namespace pipespec::ops {

/// Whether 8-bit blocks are wanted, for quantised weights.
enum class NeedsBlocks { no, yes };

/// Rows of activations in f32 and, for quantised weights, rounded to 8 bits in blocks of 32: x ≈ scale·q with
/// scale = max|x|/127 and q = x/scale to the nearest, ties to even. Keeps a view of the f32 rows, which must outlive
/// its use; owns the blocks. Reusable: allocates only when it grows.
class Activations {
 public:
  /// Takes x [rows, in] over; with NeedsBlocks::yes `in` must be a multiple of 32 and x finite.
  void assign(device::Stream& stream, MatrixView<const float> x, NeedsBlocks needs_blocks);

  /// Memory of the blocks of one row of `in` values.
  static constexpr std::int64_t bytes_per_row(std::int64_t in) {
    return in + in / 32 * static_cast<std::int64_t>(2 * sizeof(float) + sizeof(std::int32_t));
  }

  std::int64_t rows() const { return x_.rows; }
  std::int64_t in() const { return x_.cols; }
  NeedsBlocks blocks() const { return blocks_; }

  MatrixView<const float> x() const { return x_; }                                               ///< [rows, in]
  const std::int8_t* codes(std::int64_t row) const { return codes_.data() + row * x_.cols; }     ///< [in]
  const float* scales(std::int64_t row) const { return scales_.data() + row * (x_.cols / 32); }  ///< [in/32]
  /// [in/32] minus the sum of the codes of each block: what a zero point of 1 adds to a dot product.
  const std::int32_t* negative_sums(std::int64_t row) const { return negative_sums_.data() + row * (x_.cols / 32); }
  /// [in/32] scale times the sum of the codes of each block: what a weight minimum of 1 adds to a dot product.
  const float* scaled_sums(std::int64_t row) const { return scaled_sums_.data() + row * (x_.cols / 32); }

 private:
  MatrixView<const float> x_;
  NeedsBlocks blocks_ = NeedsBlocks::no;
  device::Buffer<std::int8_t> codes_;           // [rows, in]
  device::Buffer<float> scales_, scaled_sums_;  // [rows, in/32]
  device::Buffer<std::int32_t> negative_sums_;  // [rows, in/32]
};

}  // namespace pipespec::ops
