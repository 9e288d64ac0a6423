/// The input of linear operations, shared by all that read it.
#pragma once

#include <cstdint>

#include "device/buffer.hpp"
#include "device/device.hpp"
#include "ops/matrix_view.hpp"

namespace pipespec::ops {

/// Whether 8-bit blocks are wanted, for quantised weights.
enum class NeedsBlocks { no, yes };

/// 32 consecutive activations of each of eight rows, rounded to 8 bits: x ≈ scale·code, scale = max|x|/127, code =
/// x/scale to the nearest, ties to even. Rows are kept together in eights because a kernel applies a weight block to
/// all of them.
struct alignas(32) ActivationBlock {
  static constexpr int rows = 8;
  static constexpr int length = 32;

  std::int8_t codes[rows][length];
  float scale[rows];
  std::int32_t negative_sum[rows];        ///< minus the sum of the codes: what a zero point of 1 adds to a dot product
  std::int32_t negative_first_sum[rows];  ///< likewise of the first 16 codes alone
  float scaled_sum[rows];                 ///< scale times the sum: what a weight minimum of 1 adds to a dot product
};

/// Rows of activations in f32 and, for quantised weights, in 8-bit blocks. Keeps a view of the f32 rows, which must
/// outlive its use; owns the blocks. Reusable: allocates only when it grows.
class Activations {
 public:
  /// Takes x [rows, in] over; with NeedsBlocks::yes `in` must be a multiple of 32 and x finite.
  void assign(device::Stream& stream, MatrixView<const float> x, NeedsBlocks needs_blocks);

  /// Memory of the blocks of x [rows, in].
  static constexpr std::int64_t bytes(std::int64_t rows, std::int64_t in) {
    const std::int64_t groups = (rows + ActivationBlock::rows - 1) / ActivationBlock::rows;
    return groups * (in / ActivationBlock::length) * static_cast<std::int64_t>(sizeof(ActivationBlock));
  }

  std::int64_t rows() const { return x_.rows; }
  std::int64_t in() const { return x_.cols; }
  NeedsBlocks has_blocks() const { return has_blocks_; }
  const MatrixView<const float>& x() const { return x_; }  ///< [rows, in]

  /// The blocks [in/32] of the eight rows from 8·group on.
  const ActivationBlock* blocks(std::int64_t group) const {
    return blocks_.data() + group * (x_.cols / ActivationBlock::length);
  }

 private:
  MatrixView<const float> x_;
  NeedsBlocks has_blocks_ = NeedsBlocks::no;
  device::Buffer<ActivationBlock> blocks_;  // [rows/8 rounded up, in/32]
};

}  // namespace pipespec::ops
