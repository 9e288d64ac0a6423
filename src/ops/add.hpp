/// Residual connections and biases.
#pragma once

#include <span>

#include "device/device.hpp"
#include "ops/matrix_view.hpp"

namespace pipespec::ops {

/// y += x, both [rows, width].
void add(device::Stream& stream, MatrixView<const float> x, MatrixView<float> y);

/// Adds bias [width] to every row of y [rows, width].
void add_bias(device::Stream& stream, std::span<const float> bias, MatrixView<float> y);

}  // namespace pipespec::ops
