/// Linear operations: activations times weights.
#pragma once

#include <span>

#include "core/types.hpp"
#include "device/device.hpp"
#include "ops/activations.hpp"
#include "ops/packed_matrix.hpp"

namespace pipespec::ops {

/// One product with shared activations.
struct Product {
  const PackedMatrix* weights;  ///< [out, in]
  MatrixView<float> y;          ///< [rows, out]
};

/// y = x wᵀ for every product: x [rows, in], w [out, in], y [rows, out]. The products (query, key and value; gate and
/// up) are split over the threads together. Quantised weights need x with blocks.
///
/// Arithmetic, with fma = fused multiply-add in f32, sums from the first input on:
///   f32, f16, bf16   y = fma(w_k, x_k, y)
///   quantised        y = fma(Σ q·a, d·scale, y) a block, the integer sum exact and zero points taken off; q6_k so for
///                    each half of a block; q4_1 and q4_k then y = fma(m, scale·Σ a, y). d and m are ggml's, in f32
/// An element depends on its row of w and its row of x alone, bit for bit: not on the other rows, the threads or the
/// instruction set.
void linear(device::Stream& stream, std::span<const Product> products, const Activations& x);
void linear(device::Stream& stream, const PackedMatrix& weights, const Activations& x, MatrixView<float> y);

/// The outputs of the tiles [begin, end) alone, PackedMatrix::tile_outputs each, to their places in y [rows, out]: for
/// products that take long, so that something can be asked in between.
void linear_tiles(device::Stream& stream, const PackedMatrix& weights, const Activations& x, std::int64_t begin,
                  std::int64_t end, MatrixView<float> y);

/// The largest output of every row and its token, first_token + index of the output; ties: the lower token; NaN is
/// never the largest. The same bits as `linear` and a search, without the outputs being written. best: [rows].
void linear_argmax(device::Stream& stream, const PackedMatrix& weights, const Activations& x, Token first_token,
                   std::span<Best> best);

}  // namespace pipespec::ops
